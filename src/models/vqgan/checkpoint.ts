/**
 * Checkpoints of VQGAN's public implementation (taming-transformers): sizes from names and shapes, parameters from PyTorch's
 * layouts. `loss.*`, the networks that trained it, is ignored.
 */

import type { StoredTensor } from "../../engine/weights/safetensors.js";
import { mapWeights, oihwToHwio, type WeightMap } from "../../engine/weights/weight-map.js";
import { UserError } from "../../platform/errors.js";
import { NORM_GROUPS, type VqganShape } from "./shape.js";

/** Tensors of a file by name. */
type Named<T> = ReadonlyMap<string, T>;

/** Tensors that the tokenizer does not use: training's networks, and statistics of codebooks kept by moving averages. */
const ignored = [/^loss\./, /^model_ema\./, /^quantize\.(embedding\.)?(cluster_size|embed_avg)$/];

const map: WeightMap = {
  rename: [
    ["quantize.embedding.weight", "quantize.codebook"],
    ["quantize.embed.weight", "quantize.codebook"],
    [/^(.*\.attn(?:\.\d+|_1))\.(q|k|v)\./, "$1.attention.$2."],
    [/^(.*\.attn(?:\.\d+|_1))\.proj_out\./, "$1.attention.output."],
  ],
  join: [[/\.qkv\.(weight|bias)$/, [".q.$1", ".k.$1", ".v.$1"]]],
  axes: [
    [/(conv|conv1|conv2|conv_in|conv_out|nin_shortcut|q|k|v|output|proj|quant_conv)\.weight$/, oihwToHwio],
  ],
};

/**
 * The tensors of a VQGAN among those of a file, by their names in it: those below a common prefix, such as "first_stage_model." of
 * a larger model, without it; `loss.*` and other remains of training are left out.
 */
export function tensorsOfVqgan<T>(all: Named<T>): Map<string, T> {
  const start = "encoder.conv_in.weight";
  const found = [...all.keys()].find((name) => name === start || name.endsWith(`.${start}`));
  const prefix = found?.slice(0, -start.length) ?? "";
  return new Map(
    [...all].flatMap(([name, tensor]): [string, T][] => {
      const own = name.startsWith(prefix) ? name.slice(prefix.length) : null;
      return own === null || ignored.some((pattern) => pattern.test(own)) ? [] : [[own, tensor]];
    }),
  );
}

/**
 * The sizes of a VQGAN from its tensors' names and shapes. Throws a `UserError` that names file and tensor for a file of another
 * model.
 */
export function shapeFromWeights(
  all: Named<{ readonly shape: readonly number[] }>,
  fileName: string,
): VqganShape {
  const weights = tensorsOfVqgan(all);
  const fail = (what: string): never => {
    throw new UserError(`${fileName} is not a VQGAN that can be imported: ${what}`);
  };
  const sizeOf = (name: string, axis: number): number => {
    const tensor = weights.get(name);
    const size = tensor?.shape[axis];
    if (tensor === undefined) return fail(`it has no ${name}`);
    return size ?? fail(`${name} is [${tensor.shape.join(", ")}]`);
  };
  const countOf = (name: (index: number) => string): number => {
    let count = 0;
    while (weights.has(name(count))) count++;
    return count;
  };
  const channels = sizeOf("encoder.conv_in.weight", 0);
  if (sizeOf("encoder.conv_in.weight", 1) !== 3 || sizeOf("decoder.conv_out.weight", 0) !== 3)
    fail("its pictures do not have 3 channels");
  const levels = countOf((i) => `encoder.down.${i}.block.0.conv1.weight`);
  if (levels === 0) fail("it has no encoder.down.0.block.0.conv1.weight");
  const multipliers = Array.from({ length: levels }, (_, i) => {
    const width = sizeOf(`encoder.down.${i}.block.0.conv1.weight`, 0);
    if (width % NORM_GROUPS !== 0) fail(`level ${i} has ${width} channels, not a multiple of ${NORM_GROUPS}`);
    return width / channels;
  });
  if (channels % NORM_GROUPS !== 0) fail(`it has ${channels} channels, not a multiple of ${NORM_GROUPS}`);
  const fraction = multipliers.findIndex((factor) => !Number.isInteger(factor));
  if (fraction >= 0)
    fail(`the channels of level ${fraction} are not a multiple of ${channels}, those of the first`);
  const nearest = weights.has("quantize.embedding.weight");
  const gumbel = weights.has("quantize.proj.weight");
  if (nearest === gumbel)
    fail(
      "it should have either quantize.embedding.weight (nearest neighbour) or quantize.proj.weight and quantize.embed.weight (Gumbel)",
    );
  const zChannels = sizeOf("decoder.conv_in.weight", 1);
  if (sizeOf("encoder.conv_out.weight", 0) !== zChannels)
    fail(
      `its encoder gives ${sizeOf("encoder.conv_out.weight", 0)} channels and its decoder takes ${zChannels} (double_z: an autoencoder without codes)`,
    );
  const embedDim = sizeOf("post_quant_conv.weight", 1);
  if (gumbel && sizeOf("quantize.proj.weight", 1) !== embedDim)
    fail(
      `quantize.proj takes ${sizeOf("quantize.proj.weight", 1)} channels and quant_conv gives ${embedDim}`,
    );
  return {
    channels,
    multipliers,
    resBlocks: countOf((i) => `encoder.down.0.block.${i}.conv1.weight`),
    attention: multipliers.flatMap((_, i) => (weights.has(`encoder.down.${i}.attn.0.q.weight`) ? [i] : [])),
    middleAttention: weights.has("encoder.mid.attn_1.q.weight"),
    resampleConvolution: levels === 1 || weights.has("encoder.down.0.downsample.conv.weight"),
    zChannels,
    embedDim,
    codes: sizeOf(nearest ? "quantize.embedding.weight" : "quantize.embed.weight", 0),
    quantizer: nearest ? "nearest" : "gumbel",
    ids: 0,
  };
}

/** The parameters of a VQGAN without a code map, for `loadWeights`, from a checkpoint's tensors. Throws as `mapWeights` does. */
export function mapCheckpoint(
  all: Named<StoredTensor>,
  module: Parameters<typeof mapWeights>[2],
  fileName: string,
): ReturnType<typeof mapWeights> {
  return mapWeights(tensorsOfVqgan(all), map, module, fileName);
}
