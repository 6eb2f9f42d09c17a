/** Registers masked conditional diffusion for configurations: `model=mc-diffusion`. */

import type { Gpu } from "../../engine/gpu/gpu.js";
import type { Tensor } from "../../engine/tensor/tensor.js";
import { UserError } from "../../platform/errors.js";
import type { CaptionDecoderKind } from "../caption-decoder.js";
import type { ImageTokenizer } from "../image-tokenizer.js";
import type { DecoderShape } from "./decoder-shape.js";
import { McDiffusion } from "./mc-diffusion.js";
import { type McDiffusionSettings, mcDiffusionSettings } from "./settings.js";

interface McDiffusionConfig {
  data: { maxLength: number; things: number; augment: number };
  decoder: McDiffusionSettings;
  sampling: { steps: number };
}

/** Keys of the section `decoder` that the shape of the network depends on. */
export const SIZES: readonly string[] = [
  "dim",
  "blocks",
  "heads",
  "mlpRatio",
  "conditionConvs",
  "conditionBlocks",
  "summaryTokens",
  "conditionEmbedding",
  "codePositions",
  "tokenEmbedding",
  "timeEmbedding",
];
const PROCESS = ["schedule", "timesteps", "filler", "importanceSampling"];

export const mcDiffusion: CaptionDecoderKind = {
  name: "mc-diffusion",
  section: "decoder",
  settings: mcDiffusionSettings,
  fixed: [...SIZES, ...PROCESS].map((key) => `decoder.${key}`),
  memory: {
    step: ["decoder.batch", "decoder.microBatches", "decoder.dim", "data.maxLength", "data.minCount"],
    use: ["data.maxLength", "data.minCount", "decoder.dim", "data.imageSize", "vqvae.downsample"],
  },
  check(config) {
    const { data, decoder, sampling } = config as unknown as McDiffusionConfig;
    if (decoder.dim % decoder.heads !== 0)
      return `decoder.heads=${decoder.heads} should divide decoder.dim=${decoder.dim}`;
    const headWidth = decoder.dim / decoder.heads;
    if (headWidth % 4 !== 0 || headWidth > 512)
      return `decoder.dim=${decoder.dim} over decoder.heads=${decoder.heads} is ${headWidth}; a head needs a multiple of 4, at most 512`;
    if (decoder.tokenEmbedding === "clip" && decoder.clipWeights === "")
      return "decoder.tokenEmbedding=clip needs decoder.clipWeights, a file of CLIP's weights";
    if (decoder.grounding > 0 && (data.things === 0 || data.augment > 0 || decoder.checkpointing))
      return `decoder.grounding=${decoder.grounding} needs data.things above 0, data.augment=0 and decoder.checkpointing=false`;
    if (sampling.steps > decoder.timesteps)
      return `sampling.steps=${sampling.steps} should be at most decoder.timesteps=${decoder.timesteps}`;
    return null;
  },
  create(gpu, config, given) {
    const { shape, codeVectors } = networkOf(gpu, config, given);
    const { decoder } = config as unknown as McDiffusionConfig;
    return new McDiffusion(gpu, shape, { schedule: decoder.schedule, codeVectors });
  },
};

/**
 * The sizes of the network that the sections `data` and `decoder` of a configuration describe, and the code vectors that it reads.
 * Throws a `UserError` if the adapter lacks the precision.
 */
export function networkOf(
  gpu: Gpu,
  config: Readonly<Record<string, unknown>>,
  { vocabulary, images }: { vocabulary: number; images: ImageTokenizer },
): { shape: DecoderShape; codeVectors: Tensor | null } {
  const { data, decoder } = config as unknown as McDiffusionConfig;
  if (decoder.precision === "float16" && !gpu.has("shader-f16")) {
    throw new UserError(
      `decoder.precision=float16 needs the WebGPU feature shader-f16, which this adapter (${gpu.description}) does not have; float32 works everywhere`,
    );
  }
  const codeVectors = decoder.conditionEmbedding === "vectors" ? images.codeVectors : null;
  const { dim, blocks, heads, mlpRatio, dropout, filler, timesteps } = decoder;
  const { conditionConvs, conditionBlocks, summaryTokens } = decoder;
  const { tokenEmbedding, timeEmbedding, codePositions } = decoder;
  const shape = {
    vocabulary,
    length: data.maxLength,
    codes: images.codeCount,
    side: images.side,
    ...{ timesteps, dim, blocks, heads, mlpRatio, dropout, filler },
    ...{ conditionConvs, conditionBlocks, summaryTokens },
    ...{ tokenEmbedding, timeEmbedding, codePositions },
    codeDim: codeVectors ? codeVectors.shape[1]! : null,
    precision: decoder.precision === "float16" ? ("f16" as const) : ("f32" as const),
  };
  return { shape, codeVectors };
}
