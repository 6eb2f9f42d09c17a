/** Settings of VQGAN: the section `vqgan`. `import.js` finds them in a checkpoint; nobody types them. */

import { type ConfigOf, choice, flag, integer, text } from "../../config/schema.js";
import type { VqganShape } from "./shape.js";

export const vqganSettings = {
  folder: text("", "folder of the weights that import.js wrote (train.js --tokenizer)"),
  sha256: text("", "SHA-256 of these weights"),
  codeMap: text(
    "",
    "SHA-256 of the run's own map of codes to ids, code-map.json; empty = that of the weights, if any",
  ),
  channels: integer(128, 32, 4096, "channels at the full resolution (ch)"),
  multipliers: text("1,1,2,4", "channels of each level, as multiples of these (ch_mult)"),
  resBlocks: integer(2, 1, 64, "residual blocks of a level in the encoder (num_res_blocks)"),
  attention: text("3", "levels with attention, from 0 at the full resolution (attn_resolutions)"),
  middleAttention: flag(true, "attention at the code grid"),
  resampleConvolution: flag(true, "convolutions halve and double the resolution (resamp_with_conv)"),
  zChannels: integer(256, 1, 65536, "channels between encoder and quantizer (z_channels)"),
  embedDim: integer(256, 1, 65536, "numbers in a code vector (embed_dim)"),
  codes: integer(8192, 2, 2 ** 24, "codes of the codebook (n_embed)"),
  quantizer: choice("gumbel", ["nearest", "gumbel"], "codes are nearest vectors, or the argmax of logits"),
  ids: integer(0, 0, 2 ** 24, "ids after a map to the codes in use; 0 = no map"),
} as const;

/** The section `vqgan` of a configuration. */
export type VqganSettings = ConfigOf<typeof vqganSettings>;

/** The sizes that settings describe; a sentence about the mistake if a list is none. */
export function shapeOfSettings(settings: VqganSettings): VqganShape | string {
  const { multipliers, attention, folder: _, sha256: __, codeMap: ___, ...same } = settings;
  const listOf = (list: string) =>
    list.trim() === ""
      ? []
      : list.split(",").map((entry) => (entry.trim() === "" ? Number.NaN : Number(entry)));
  const [factors, levels] = [listOf(multipliers), listOf(attention)];
  if (
    factors.length === 0 ||
    factors.length > 12 ||
    !factors.every((factor) => Number.isInteger(factor) && factor > 0)
  )
    return `vqgan.multipliers should be 1 to 12 whole numbers with commas, as in 1,1,2,4, not "${multipliers}"`;
  if (!levels.every((level) => Number.isInteger(level) && level >= 0 && level < factors.length))
    return `vqgan.attention should be numbers of levels from 0 to ${factors.length - 1} with commas, not "${attention}"`;
  return { ...same, multipliers: factors, attention: levels };
}

/** The settings that describe these sizes. */
export function settingsOfShape(shape: VqganShape): Omit<VqganSettings, "folder" | "sha256" | "codeMap"> {
  const { multipliers, attention, ...same } = shape;
  return { ...same, multipliers: multipliers.join(), attention: attention.join() };
}
