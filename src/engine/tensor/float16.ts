/**
 * IEEE 754 binary16 and bfloat16, as bits in a `Uint16Array`, to and from float32.
 *
 * float32 → float16 rounds to nearest, ties to even. For 2⁻¹⁴ ≤ |x| < 65520 the relative error is at most 2⁻¹¹
 * (0.049 %); below 2⁻¹⁴ the absolute error is at most 2⁻²⁵ (3.0e-8). |x| ≥ 65520 becomes ±Infinity, NaN stays NaN.
 * float16 → float32 and bfloat16 → float32 are exact.
 */

const SIGN = 0x8000;
const INFINITY_BITS = 0x7c00;
const NAN_BITS = 0x7e00;

/** The largest finite float16. */
export const FLOAT16_MAX = 65504;

/** Rounds every element to float16. */
export function float32ToFloat16(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const out = new Uint16Array(values.length);
  for (let i = 0; i < bits.length; i++) {
    const b = bits[i]!;
    const sign = (b >>> 16) & SIGN;
    const magnitude = b & 0x7fffffff;
    if (magnitude > 0x7f800000) {
      out[i] = sign | NAN_BITS;
    } else if (magnitude >= 0x47800000) {
      out[i] = sign | INFINITY_BITS; // |x| ≥ 2¹⁶
    } else if (magnitude >= 0x38800000) {
      // Normal: add half of the last kept bit (less one if that bit is even), so that a carry rounds up, also into the
      // exponent and finally to Infinity; then change the exponent's bias from 127 to 15.
      const rounded = magnitude + 0xfff + ((magnitude >>> 13) & 1);
      out[i] = sign | ((rounded - 0x38000000) >>> 13);
    } else {
      // Subnormal: a multiple of 2⁻²⁴. Adding 2⁵² in float64 leaves no fraction bits, which rounds ties to even.
      const scaled = Math.abs(values[i]!) * 2 ** 24;
      out[i] = sign | (scaled + 2 ** 52 - 2 ** 52);
    }
  }
  return out;
}

/** Widens every float16; exact. */
export function float16ToFloat32(halves: Uint16Array): Float32Array {
  const out = new Float32Array(halves.length);
  const bits = new Uint32Array(out.buffer);
  for (let i = 0; i < halves.length; i++) {
    const h = halves[i]!;
    const sign = (h & SIGN) << 16;
    const magnitude = h & 0x7fff;
    if (magnitude >= INFINITY_BITS) bits[i] = sign | 0x7f800000 | (magnitude << 13);
    else if (magnitude >= 0x400) bits[i] = sign | ((magnitude << 13) + 0x38000000);
    else {
      out[i] = magnitude * 2 ** -24; // zero or subnormal
      bits[i]! |= sign;
    }
  }
  return out;
}

/** Widens every bfloat16, which is the upper half of a float32; exact. */
export function bfloat16ToFloat32(values: Uint16Array): Float32Array {
  const out = new Uint32Array(values.length);
  for (let i = 0; i < values.length; i++) out[i] = values[i]! << 16;
  return new Float32Array(out.buffer);
}
