/**
 * Safetensors files in memory: writing, and reading whole (safetensors-header.ts describes the format and checks a header).
 *
 * Typed arrays are used in the machine's byte order; every machine with WebGPU is little-endian.
 */

import { UserError } from "../../platform/errors.js";
import { bfloat16ToFloat32, FLOAT16_MAX, float32ToFloat16 } from "../tensor/float16.js";
import { type HeaderEntry, headerBytes, LENGTH_BYTES, METADATA, parseHeader } from "./safetensors-header.js";

/**
 * A tensor as stored. float16 is read as its bits, and written from bits or from numbers, which are rounded (see float16.ts);
 * bfloat16 is held as float32 in memory.
 */
export type StoredTensor =
  | { dtype: "F32" | "BF16"; shape: readonly number[]; data: Float32Array }
  | { dtype: "F16"; shape: readonly number[]; data: Uint16Array | Float32Array }
  | { dtype: "U32"; shape: readonly number[]; data: Uint32Array }
  | { dtype: "I32"; shape: readonly number[]; data: Int32Array }
  | { dtype: "I64"; shape: readonly number[]; data: BigInt64Array }
  | { dtype: "U8"; shape: readonly number[]; data: Uint8Array };

/** Supported element types of a safetensors file. */
export type StoredDtype = StoredTensor["dtype"];

/** A safetensors file in memory. */
export interface SafetensorsFile {
  /** Tensors by name, in the order of their bytes. */
  tensors: Map<string, StoredTensor>;
  metadata: Record<string, string>;
}

const BYTES: Record<StoredDtype, number> = { I64: 8, F32: 4, U32: 4, I32: 4, F16: 2, BF16: 2, U8: 1 };

/**
 * Writes tensors as a safetensors file. The same tensors and metadata give the same bytes for any order of the maps: wide
 * element types first, then by name, so that every tensor is aligned to its element size.
 *
 * Throws a `UserError` when a finite value is beyond float16's range in an `F16` tensor; an `Error` when a shape does
 * not match its data, or for `BF16`, which is read only.
 */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, StoredTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const sorted = [...tensors].sort(
    ([nameA, a], [nameB, b]) => BYTES[b.dtype] - BYTES[a.dtype] || (nameA < nameB ? -1 : 1),
  );
  // Serialise a list of pairs by hand: an object would put integer-like names first and lose "__proto__".
  const header: string[] = [];
  if (Object.keys(metadata).length > 0) {
    const pairs = Object.keys(metadata)
      .sort()
      .map((key) => `${JSON.stringify(key)}:${JSON.stringify(String(metadata[key]))}`);
    header.push(`"${METADATA}":{${pairs.join(",")}}`);
  }
  const parts: { begin: number; bytes: Uint8Array }[] = [];
  let end = 0;
  for (const [name, tensor] of sorted) {
    const bytes = tensorBytes(name, tensor);
    const begin = end;
    end += bytes.byteLength;
    parts.push({ begin, bytes });
    const entry = { dtype: tensor.dtype, shape: tensor.shape, data_offsets: [begin, end] };
    header.push(`${JSON.stringify(name)}:${JSON.stringify(entry)}`);
  }
  const text = new TextEncoder().encode(`{${header.join(",")}}`);
  const headerLength = Math.ceil(text.length / 8) * 8;
  const file = new Uint8Array(LENGTH_BYTES + headerLength + end);
  new DataView(file.buffer).setBigUint64(0, BigInt(headerLength), true);
  file.fill(0x20, LENGTH_BYTES, LENGTH_BYTES + headerLength);
  file.set(text, LENGTH_BYTES);
  for (const { begin, bytes } of parts) file.set(bytes, LENGTH_BYTES + headerLength + begin);
  return file;
}

function tensorBytes(name: string, tensor: StoredTensor): Uint8Array {
  if (name === METADATA) throw new Error(`safetensors: "${METADATA}" cannot be a tensor's name`);
  const elements = tensor.shape.reduce((product, size) => product * size, 1);
  if (elements !== tensor.data.length) {
    throw new Error(
      `safetensors: tensor "${name}" has shape [${tensor.shape.join(", ")}] but ${tensor.data.length} elements`,
    );
  }
  if (tensor.dtype === "BF16") {
    throw new Error(`safetensors: tensor "${name}": BF16 is read only, write F16 or F32`);
  }
  if (tensor.dtype !== "F16" || tensor.data instanceof Uint16Array) {
    return new Uint8Array(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength);
  }
  const halves = float32ToFloat16(tensor.data);
  for (let i = 0; i < halves.length; i++) {
    if ((halves[i]! & 0x7fff) === 0x7c00 && Number.isFinite(tensor.data[i]!)) {
      throw new UserError(
        `tensor "${name}" holds ${tensor.data[i]} at element ${i}, beyond float16's ±${FLOAT16_MAX}: store it as float32`,
      );
    }
  }
  return new Uint8Array(halves.buffer);
}

/**
 * Reads a whole safetensors file. `fileName` is for messages only. Tensors share the memory of `bytes` where the
 * format's alignment allows it and no conversion is needed; otherwise they are copies.
 */
export function decodeSafetensors(bytes: Uint8Array, fileName: string): SafetensorsFile {
  const dataStart = LENGTH_BYTES + headerBytes(bytes, bytes.byteLength, fileName);
  const header = bytes.subarray(LENGTH_BYTES, dataStart);
  const { entries, metadata } = parseHeader(header, bytes.byteLength - dataStart, BYTES, fileName);
  const tensors = new Map<string, StoredTensor>();
  for (const entry of entries) tensors.set(entry.name, readTensor(bytes, dataStart, entry));
  return { tensors, metadata };
}

function readTensor(bytes: Uint8Array, dataStart: number, entry: HeaderEntry<StoredDtype>): StoredTensor {
  const { dtype, shape } = entry;
  const length = (entry.end - entry.begin) / BYTES[dtype];
  let buffer = bytes.buffer;
  let offset = bytes.byteOffset + dataStart + entry.begin;
  if (offset % BYTES[dtype] !== 0) {
    buffer = buffer.slice(offset, offset + length * BYTES[dtype]);
    offset = 0;
  }
  switch (dtype) {
    case "F32":
      return { dtype, shape, data: new Float32Array(buffer, offset, length) };
    case "F16":
      return { dtype, shape, data: new Uint16Array(buffer, offset, length) };
    case "BF16":
      return { dtype, shape, data: bfloat16ToFloat32(new Uint16Array(buffer, offset, length)) };
    case "U32":
      return { dtype, shape, data: new Uint32Array(buffer, offset, length) };
    case "I32":
      return { dtype, shape, data: new Int32Array(buffer, offset, length) };
    case "I64":
      return { dtype, shape, data: new BigInt64Array(buffer, offset, length) };
    case "U8":
      return { dtype, shape, data: new Uint8Array(buffer, offset, length) };
  }
}
