/** The size at which Bit Diffusion is compared with mc-diffusion: as many parameters, without tables over the vocabulary. */

import { squeezedWidth } from "../mc-diffusion/condition-encoder.js";
import type { DecoderShape } from "../mc-diffusion/decoder-shape.js";
import { bitsPerToken } from "./analog-bits.js";

/**
 * mc-diffusion's sizes with MLPs so much wider that a network on bits has as many parameters as mc-diffusion's, but for the
 * rounding to whole hidden units. Its tables over the vocabulary, (2M + 1)d + M numbers, become maps of 3bd + d + b.
 */
export function widened(shape: DecoderShape): DecoderShape {
  const { dim, vocabulary, blocks, conditionBlocks, summaryTokens, side, mlpRatio } = shape;
  const bits = bitsPerToken(vocabulary);
  const tables = (2 * vocabulary + 1) * dim + vocabulary;
  const maps = (3 * bits + 1) * dim + bits;
  const perHidden =
    (blocks + conditionBlocks) * (2 * dim + 1) +
    (summaryTokens > 0 ? side * side * squeezedWidth + 1 + summaryTokens * dim : 0);
  const hidden = Math.round(dim * mlpRatio + (tables - maps) / perHidden);
  return { ...shape, mlpRatio: Math.max(1, hidden) / dim };
}
