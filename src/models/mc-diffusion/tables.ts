/** Tables of the decoder that are not trained: an embedding of the time, and CLIP's of tokens. */

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

/** The last row, [MASK]'s, is drawn; the others are zeros until CLIP's table is loaded (`loadTokenTable`). */
export const onlyMask: Initialiser = (shape, seed, name) => {
  const values = new Float32Array(shape[0]! * shape[1]!);
  values.set(normal(TABLE_SPREAD)([1, shape[1]!], seed, name), values.length - shape[1]!);
  return values;
};
