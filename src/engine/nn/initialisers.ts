/** Initial values of parameters: functions of shape, seed and name alone, so that adding a module changes no other. */

import { sizeOf } from "../tensor/strided.js";

/** Initial values of a parameter of this shape; they depend on `seed` and on its full name alone. */
export type Initialiser = (shape: readonly number[], seed: number, name: string) => Float32Array;

/** Every element is `value`. */
export function constant(value: number): Initialiser {
  return (shape) => new Float32Array(sizeOf(shape)).fill(value);
}

/**
 * Independent normal numbers with mean 0, by Box and Muller: σ · (√(−2 ln(1 − u)) · cos 2πv) of two uniform numbers, in
 * float64, rounded to float32.
 *
 * A series computes the cosine, faster than `Math.cos` and with an error below a tenth of 2⁻⁴⁰. If both ends of the margin
 * ±2⁻⁴⁰ round to the same float32, that is the exact result of the formula; otherwise `Math.cos` decides.
 */
export function normal(standardDeviation: number): Initialiser {
  return (shape, seed, name) => {
    const values = new Float32Array(sizeOf(shape));
    let start = 0x811c9dc5;
    for (const letter of name) start = Math.imul(start ^ letter.codePointAt(0)!, 0x01000193);
    start += Math.imul(seed + 1, 0x9e3779b9);
    /** Number n, from 0, in [0, 1), of splitmix32, started from the seed and the FNV-1a hash of the name. */
    const uniform = (n: number) => {
      let z = (start + Math.imul(n, 0x9e3779b9)) | 0;
      z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
      z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
      return ((z ^ (z >>> 15)) >>> 0) / 2 ** 32;
    };
    for (let i = 0; i < values.length; i++) {
      const radius = Math.sqrt(-2 * Math.log(1 - uniform(2 * i)));
      const turn = uniform(2 * i + 1);
      const length = standardDeviation * radius;
      // h = 1 − cos of a 128th of the angle 2πv − π; 1 − cos 2x = h (4 − 2h) doubles it seven times. cos 2πv is then h − 1.
      const square = ((turn - 0.5) * (Math.PI / 64)) ** 2;
      let h = (square / 2) * (1 - (square / 12) * (1 - square / 30));
      for (let doubling = 0; doubling < 7; doubling++) h *= 4 - 2 * h;
      values[i] = length * (h - 1 - 2 ** -40);
      if (values[i] !== Math.fround(length * (h - 1 + 2 ** -40)))
        values[i] = standardDeviation * (radius * Math.cos(2 * Math.PI * turn));
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
