/** Sizes of a VQGAN (Esser et al. 2021), by the names of its public implementation's `ddconfig`. */

/** How vectors become codes: the nearest code, or the argmax of learned logits (Gumbel-softmax training). */
export type QuantizerKind = "nearest" | "gumbel";

/** Everything that the parameters' shapes depend on. */
export interface VqganShape {
  /** `ch`: channels at the full resolution. */
  channels: number;
  /** `ch_mult`: channels of each level are `channels` times this; level l has 1 / 2^l of the resolution. */
  multipliers: readonly number[];
  /** `num_res_blocks` of a level in the encoder; the decoder has one more. */
  resBlocks: number;
  /** Levels with an attention after each residual block. */
  attention: readonly number[];
  /** Whether there is an attention between the two blocks at the lowest resolution. */
  middleAttention: boolean;
  /** `resamp_with_conv`: a convolution halves and follows each doubling; else a mean of 2×2 pixels, and nothing. */
  resampleConvolution: boolean;
  /** `z_channels`: channels between encoder and quantizer. */
  zChannels: number;
  /** `embed_dim`: D, the width of a code vector. */
  embedDim: number;
  /** `n_embed`: N, codes of the codebook. */
  codes: number;
  quantizer: QuantizerKind;
  /** K: ids after a map to the codes in use; 0: no map, ids are codes. */
  ids: number;
}

/** Halvings of the resolution: a grid has 1 / 2^halvings of the picture's height and width. */
export function halvingsOf({ multipliers }: Pick<VqganShape, "multipliers">): number {
  return multipliers.length - 1;
}

/** Channels of each level. */
export function widthsOf({ channels, multipliers }: Pick<VqganShape, "channels" | "multipliers">): number[] {
  return multipliers.map((factor) => channels * factor);
}

/** The grid of a picture: each halving rounds down. */
export function gridOf(
  shape: Pick<VqganShape, "multipliers">,
  height: number,
  width: number,
): [height: number, width: number] {
  const factor = 2 ** halvingsOf(shape);
  return [Math.floor(height / factor), Math.floor(width / factor)];
}

/** Channels that group normalisation takes together: there are 32 groups, whatever the width. */
export const NORM_GROUPS = 32;
