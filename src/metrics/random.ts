/**
 * Random 32-bit numbers for the order of data: a pure function of (seed, stream, counter), so that step n of a resumed run draws
 * the same numbers as without the interruption. Each input is folded in with the finalizer of MurmurHash3, a bijection that mixes
 * every bit. Models use the Philox generator of the GPU instead.
 */
export function random32(seed: number, stream: number, counter: number): number {
  return mix(mix(mix(seed ^ 0x9e3779b9) ^ stream) ^ counter);
}

/** An integer in [0, count): the high part of the 32-bit number times `count` (bias below count / 2³²). */
export function randomBelow(count: number, seed: number, stream: number, counter: number): number {
  return Math.floor((random32(seed, stream, counter) / 2 ** 32) * count);
}

/** A number in [0, 1). */
export function randomUnit(seed: number, stream: number, counter: number): number {
  return random32(seed, stream, counter) / 2 ** 32;
}

function mix(value: number): number {
  let h = (value + 0x7f4a7c15) | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
