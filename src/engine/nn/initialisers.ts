/** Initial values of parameters: functions of shape, seed and name alone, so that adding a module changes no other. */

import { sizeOf } from "../tensor/strided.js";

/** Initial values of a parameter of this shape; they depend on `seed` and on its full name alone. */
export type Initialiser = (shape: readonly number[], seed: number, name: string) => Float32Array;

/** Every element is `value`. */
export function constant(value: number): Initialiser {
  return (shape) => new Float32Array(sizeOf(shape)).fill(value);
}

/** cos 2πi / 2048 */
const cosines = /* @__PURE__ */ Float64Array.from({ length: 2048 }, (_, i) => Math.cos((i * Math.PI) / 1024));

/**
 * Independent normal numbers with mean 0, by Box and Muller: σ · (√(−2 ln(1 − u)) · cos 2πv) of two uniform numbers, in
 * float64, rounded to float32.
 *
 * A table and the first terms of two series compute the cosine, faster than `Math.cos` and with an error below 2⁻³⁷. If both ends
 * of the margin ±2⁻³⁶ round to the same float32, that is the exact result of the formula; otherwise `Math.cos` decides.
 */
export function normal(standardDeviation: number): Initialiser {
  return (shape, seed, name) => {
    const values = new Float32Array(sizeOf(shape));
    let start = 0x811c9dc5;
    for (const letter of name) start = Math.imul(start ^ letter.codePointAt(0)!, 0x01000193);
    start += Math.imul(seed + 1, 0x9e3779b9);
    /** Word n, from 0, of splitmix32, started from the seed and the FNV-1a hash of the name: 2³² times a number in [0, 1). */
    const word = (n: number) => {
      let z = (start + Math.imul(n, 0x9e3779b9)) | 0;
      z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
      z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
      return (z ^ (z >>> 15)) >>> 0;
    };
    for (let i = 0; i < values.length; i++) {
      const radius = Math.sqrt(-2 * Math.log(1 - word(2 * i) / 2 ** 32));
      const turn = word(2 * i + 1);
      const length = standardDeviation * radius;
      // 2πv = a + d with a in the table: cos (a + d) = cos a · cos d − sin a · sin d, and sin a = cos (a − π/2).
      const a = turn >>> 21;
      const d = (turn & 0x1fffff) * (Math.PI / 2 ** 31);
      const cosine = cosines[a]! * (1 - (d * d) / 2) - cosines[(a + 1536) & 2047]! * (d - (d * d * d) / 6);
      values[i] = length * (cosine - 2 ** -36);
      if (values[i] !== Math.fround(length * (cosine + 2 ** -36)))
        values[i] = standardDeviation * (radius * Math.cos(2 * Math.PI * (turn / 2 ** 32)));
    }
    return values;
  };
}

/**
 * Normal with deviation `gain`/√fan-in, fan-in being all axes but the last (weights are [in, out] or [kh, kw, in,
 * out]): keeps the variance of activations from layer to layer for any width.
 */
export function fanIn(gain = 1): Initialiser {
  return (shape, seed, name) => normal(gain / Math.sqrt(sizeOf(shape.slice(0, -1))))(shape, seed, name);
}
