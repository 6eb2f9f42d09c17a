/** Tables of the decoder that are not trained: embeddings of the time and of places, and CLIP's of tokens. */

import { type Initialiser, normal } from "../../engine/nn/initialisers.js";

/** Spread of the tables that are added to the residual stream at the start. */
export const TABLE_SPREAD = 0.5;

/** VQ-Diffusion's time, 0 … T − 1, as a share of T times this, goes through the sinusoids. */
const RESCALED = 4000;

/**
 * Row t of every layer, t = 1 … T: sines of (t − 1)/T · 4000 at `channels`/2 wavelengths, then cosines, as in VQ-Diffusion's
 * "abs" time embedding. Row 0 is never looked up.
 */
export function sinusoids(channels: number): Initialiser {
  return ([rows, width]) => {
    const values = new Float32Array(rows! * width!);
    const half = channels / 2;
    for (let t = 1; t < rows!; t++) {
      for (let c = 0; c < width!; c++) {
        const wave = c % half;
        const angle = (((t - 1) / (rows! - 1)) * RESCALED) / 10_000 ** (wave / (half - 1));
        values[t * width! + c] = c % channels < half ? Math.sin(angle) : Math.cos(angle);
      }
    }
    return values;
  };
}

/**
 * Row r·side + c for place (r, c) of a grid: sin and cos of ω_j (r + ½) in channels 2j and 2j + 1, and of ω_j (c + ½) from channel
 * ⌊d/2⌋ on, with frequencies ω_j from π/2 a side to π/2 a place. What is to the left or above is a difference of two numbers, and
 * means over places are nearly the means of their coordinates. Further rows are zeros.
 */
export function waves(side: number): Initialiser {
  return ([rows, width]) => {
    const values = new Float32Array(rows! * width!);
    const half = width! >> 1;
    const pairs = half >> 1;
    for (let i = 0; i < side * side * 2 * pairs; i++) {
      const [place, axis, j] = [Math.floor(i / (2 * pairs)), Math.floor(i / pairs) % 2, i % pairs];
      const at = axis ? place % side : Math.floor(place / side);
      const angle = ((Math.PI / 2) * (at + 0.5) * side ** (j / Math.max(1, pairs - 1))) / side;
      values.set([Math.sin(angle), Math.cos(angle)], place * width! + axis * half + 2 * j);
    }
    return values;
  };
}

/** The last row, [MASK]'s, is drawn; the others are zeros until CLIP's table is loaded (`loadTokenTable`). */
export const onlyMask: Initialiser = (shape, seed, name) => {
  const values = new Float32Array(shape[0]! * shape[1]!);
  values.set(normal(TABLE_SPREAD)([1, shape[1]!], seed, name), values.length - shape[1]!);
  return values;
};
