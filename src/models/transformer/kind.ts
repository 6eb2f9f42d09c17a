/** Registers the autoregressive transformer for configurations: `model=transformer`. */

import { type ConfigOf, flag } from "../../config/schema.js";
import { UserError } from "../../platform/errors.js";
import { type AutoregressiveSettings, autoregressiveSettings } from "../autoregressive/settings.js";
import type { CaptionDecoderKind } from "../caption-decoder.js";
import type { McDiffusionSettings } from "../mc-diffusion/settings.js";
import { hiddenForModulation, Transformer } from "./transformer.js";

const transformerSettings = {
  ...autoregressiveSettings,
  matchParameters: flag(
    true,
    "widen the MLP until the parameters are those of mc-diffusion with the same decoder settings, which has a modulation by its step t that this network lacks",
  ),
} as const;

interface TransformerConfig {
  data: { maxLength: number };
  decoder: McDiffusionSettings;
  transformer: AutoregressiveSettings & ConfigOf<typeof transformerSettings>;
}

const SIZES = [
  ...["dim", "blocks", "heads", "mlpRatio", "conditionConvs", "conditionBlocks", "summaryTokens"],
  ...["conditionEmbedding", "codePositions", "filler", "timesteps"],
];

/** The autoregressive twin of mc-diffusion, `model=transformer`: see docs/baselines.md. */
export const transformer: CaptionDecoderKind = {
  name: "transformer",
  section: "transformer",
  settings: transformerSettings,
  fixed: [...SIZES.map((key) => `decoder.${key}`), "transformer.matchParameters"],
  memory: {
    step: ["decoder.batch", "decoder.microBatches", "decoder.dim", "data.maxLength", "data.minCount"],
    use: ["data.maxLength", "data.minCount", "decoder.dim", "data.imageSize", "vqvae.downsample"],
  },
  check(config) {
    const { decoder } = config as unknown as TransformerConfig;
    if (decoder.dim % decoder.heads !== 0)
      return `decoder.heads=${decoder.heads} should divide decoder.dim=${decoder.dim}`;
    const headWidth = decoder.dim / decoder.heads;
    if (headWidth % 4 !== 0 || headWidth > 512)
      return `decoder.dim=${decoder.dim} over decoder.heads=${decoder.heads} is ${headWidth}; a head needs a multiple of 4, at most 512`;
    return null;
  },
  create(gpu, config, { vocabulary, endId, images }) {
    const { data, decoder, transformer } = config as unknown as TransformerConfig;
    if (decoder.precision === "float16")
      throw new UserError(
        "A transformer decoder has float32 weights only; choose decoder.precision=float32.",
      );
    const { dim, blocks, heads, mlpRatio, dropout, filler } = decoder;
    const { conditionConvs, conditionBlocks, summaryTokens, codePositions } = decoder;
    const { beam, lengthPower } = transformer;
    const more = transformer.matchParameters ? hiddenForModulation(dim, decoder.timesteps) : 0;
    const shape = {
      ...{ vocabulary, length: data.maxLength, codes: images.codeCount, side: images.side },
      ...{ dim, blocks, heads, mlpRatio, dropout, filler },
      ...{ conditionConvs, conditionBlocks, summaryTokens, codePositions },
      hidden: Math.round(dim * mlpRatio) + more,
    };
    return new Transformer(gpu, shape, {
      endId,
      search: { beam, lengthPower },
      masking: decoder,
      checkpointing: decoder.checkpointing,
      codeVectors: decoder.conditionEmbedding === "vectors" ? images.codeVectors : null,
    });
  },
};
