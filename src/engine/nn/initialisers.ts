/** Initial values of parameters: functions of shape, seed and name alone, so that adding a module moves no other. */

import { sizeOf } from "../tensor/strided.js";

export type Initialiser = (shape: readonly number[], seed: number, name: string) => Float32Array;

export function constant(value: number): Initialiser {
  return (shape) => new Float32Array(sizeOf(shape)).fill(value);
}

/** Independent normal numbers with mean 0. */
export function normal(standardDeviation: number): Initialiser {
  return (shape, seed, name) => {
    const random = generator(seed, name);
    return Float32Array.from({ length: sizeOf(shape) }, () => standardDeviation * gaussian(random));
  };
}

/**
 * Normal with deviation `gain`/√fan-in, fan-in being all axes but the last (weights are [in, out] or [kh, kw, in,
 * out]): keeps the variance of activations from layer to layer whatever the width.
 */
export function fanIn(gain = 1): Initialiser {
  return (shape, seed, name) => normal(gain / Math.sqrt(sizeOf(shape.slice(0, -1))))(shape, seed, name);
}

/** splitmix32, started from the seed and the FNV-1a hash of the name. */
function generator(seed: number, name: string): () => number {
  let state = 0x811c9dc5;
  for (const letter of name) state = Math.imul(state ^ letter.codePointAt(0)!, 0x01000193);
  state = (state + Math.imul(seed, 0x9e3779b9)) >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return ((z ^ (z >>> 15)) >>> 0) / 2 ** 32;
  };
}

function gaussian(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}
