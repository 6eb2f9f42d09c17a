/** Element types of weight files, under the names of safetensors, and their conversion to JavaScript's numbers. */

import { bfloat16ToFloat32, float16ToFloat32 } from "../engine/tensor/float16.js";

/** Bytes of an element by type. */
export const dtypeBytes = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  F8_E4M3: 1,
  F8_E5M2: 1,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U64: 8,
  U32: 4,
  U16: 2,
  U8: 1,
  BOOL: 1,
  C64: 8,
} as const;

/** An element type, as safetensors names it. */
export type FileDtype = keyof typeof dtypeBytes;

/** Values of a tensor: its own type where JavaScript has one, float32 for the narrower floats, bytes of 0 and 1 for BOOL. */
export type FileValues =
  | Float64Array
  | Float32Array
  | BigInt64Array
  | BigUint64Array
  | Int32Array
  | Uint32Array
  | Int16Array
  | Uint16Array
  | Int8Array
  | Uint8Array;

/** The values of little-endian bytes. C64 gives real and imaginary parts in turn. Shares the memory of `bytes` if it is aligned. */
export function valuesOf(dtype: FileDtype, bytes: Uint8Array): FileValues {
  const size = dtypeBytes[dtype];
  const aligned = bytes.byteOffset % size === 0 ? bytes : bytes.slice();
  const { buffer, byteOffset } = aligned;
  const length = bytes.byteLength / size;
  switch (dtype) {
    case "F64":
      return new Float64Array(buffer, byteOffset, length);
    case "F32":
      return new Float32Array(buffer, byteOffset, length);
    case "C64":
      return new Float32Array(buffer, byteOffset, 2 * length);
    case "F16":
      return float16ToFloat32(new Uint16Array(buffer, byteOffset, length));
    case "BF16":
      return bfloat16ToFloat32(new Uint16Array(buffer, byteOffset, length));
    case "F8_E4M3":
      return Float32Array.from(aligned, float8E4M3);
    case "F8_E5M2":
      // The upper half of a float16.
      return float16ToFloat32(Uint16Array.from(aligned, (bits) => bits << 8));
    case "I64":
      return new BigInt64Array(buffer, byteOffset, length);
    case "U64":
      return new BigUint64Array(buffer, byteOffset, length);
    case "I32":
      return new Int32Array(buffer, byteOffset, length);
    case "U32":
      return new Uint32Array(buffer, byteOffset, length);
    case "I16":
      return new Int16Array(buffer, byteOffset, length);
    case "U16":
      return new Uint16Array(buffer, byteOffset, length);
    case "I8":
      return new Int8Array(buffer, byteOffset, length);
    case "U8":
    case "BOOL":
      return aligned;
  }
}

/** The values as float32; float64 and 64-bit integers are rounded to it. */
export function toFloat32(values: FileValues): Float32Array {
  if (values instanceof Float32Array) return values;
  if (values instanceof BigInt64Array || values instanceof BigUint64Array) {
    const out = new Float32Array(values.length);
    for (let i = 0; i < out.length; i++) out[i] = Number(values[i]);
    return out;
  }
  return Float32Array.from(values);
}

/** float8 e4m3fn: 1 sign bit, 4 bits of exponent with bias 7, 3 of mantissa, no infinities, NaN at all ones. */
function float8E4M3(bits: number): number {
  const sign = bits & 0x80 ? -1 : 1;
  const exponent = (bits >> 3) & 15;
  const mantissa = bits & 7;
  if (exponent === 15 && mantissa === 7) return Number.NaN;
  return exponent === 0 ? sign * mantissa * 2 ** -9 : sign * (1 + mantissa / 8) * 2 ** (exponent - 7);
}
