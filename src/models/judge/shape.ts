/** Sizes of the judge. */

import type { ClipShape } from "../clip/shape.js";

/** Sizes of both towers. */
export interface JudgeShape {
  /** Pictures are imageSize × imageSize RGB. */
  readonly imageSize: number;
  /** Channels after the first halving of a picture; each further one doubles them. */
  readonly channels: number;
  /** Halvings: the image tower attends to (imageSize / 2^downsample)² places. */
  readonly downsample: number;
  /** Residual blocks at that resolution. */
  readonly resBlocks: number;
  /** Width of both transformers. */
  readonly width: number;
  readonly heads: number;
  /** Blocks of the image tower's and of the text tower's transformer. */
  readonly imageLayers: number;
  readonly textLayers: number;
  /** Width of the common space of pictures and texts. */
  readonly features: number;
  /** Longest text in tokens, END included. */
  readonly context: number;
  readonly vocabulary: number;
}

/** Width of the hidden layer of an MLP, as a multiple of the block's. */
const mlpRatio = 2;

/** The sizes of one transformer. */
export function towerOf({ width, heads }: JudgeShape, layers: number) {
  return { width, heads, layers, hidden: mlpRatio * width, activation: "quick-gelu", epsilon: 1e-5 } as const;
}

/** The text tower as one of CLIP's. END is token 0. */
export function textTowerOf(shape: JudgeShape): Pick<ClipShape, "text" | "features"> {
  const { features, context, vocabulary, textLayers } = shape;
  return { features, text: { ...towerOf(shape, textLayers), context, vocabulary, endId: 0 } };
}
