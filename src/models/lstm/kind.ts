/** Registers the recurrent decoders for configurations: `model=lstm`, `model=attention-lstm`. */

import type { Gpu } from "../../engine/gpu/gpu.js";
import type { Tensor } from "../../engine/tensor/tensor.js";
import { UserError } from "../../platform/errors.js";
import type { AutoregressiveOptions } from "../autoregressive/network.js";
import type { CaptionDecoder, CaptionDecoderKind } from "../caption-decoder.js";
import type { McDiffusionSettings } from "../mc-diffusion/settings.js";
import { AttentionLstmDecoder, type AttentionLstmShape } from "./attention-lstm-decoder.js";
import { LstmDecoder } from "./lstm-decoder.js";
import { type LstmSettings, lstmSettings } from "./settings.js";

interface LstmConfig {
  data: { maxLength: number };
  decoder: McDiffusionSettings;
  lstm: LstmSettings;
}

/** What both kinds share. `make` creates the network; `sizes` are settings of its own. */
function recurrent(
  name: string,
  sizes: readonly string[],
  make: (
    gpu: Gpu,
    shape: AttentionLstmShape,
    options: AutoregressiveOptions & { codeVectors: Tensor | null },
  ) => CaptionDecoder,
): CaptionDecoderKind {
  return {
    name,
    section: "lstm",
    settings: lstmSettings,
    fixed: ["decoder.dim", "decoder.conditionEmbedding", "decoder.filler", ...sizes],
    memory: {
      step: ["decoder.batch", "decoder.microBatches", "lstm.width", "data.maxLength", "data.minCount"],
      use: ["data.maxLength", "data.minCount", "lstm.width", "data.imageSize", "vqvae.downsample"],
    },
    check(config) {
      const { decoder, lstm } = config as unknown as LstmConfig;
      if (decoder.conditionEmbedding === "words" && lstm.embedding !== decoder.dim)
        return `decoder.conditionEmbedding=words needs words and codes of one width: set lstm.embedding=${lstm.embedding} and decoder.dim=${decoder.dim} alike, or choose codes or vectors`;
      return null;
    },
    create(gpu, config, { vocabulary, endId, images }) {
      const { data, decoder, lstm } = config as unknown as LstmConfig;
      if (decoder.precision === "float16")
        throw new UserError(`A ${name} decoder has float32 weights only; choose decoder.precision=float32.`);
      const { dim, heads, mlpRatio, dropout, filler } = decoder;
      const { width, embedding, attention, beam, lengthPower } = lstm;
      const shape = {
        ...{ vocabulary, length: data.maxLength, codes: images.codeCount, side: images.side },
        // The grid itself: these kinds have no convolutions or blocks over it, and no summary.
        ...{ dim, heads, mlpRatio, dropout, filler, conditionBlocks: 0, summaryTokens: 0 },
        ...{ width, embedding, attention },
      };
      return make(gpu, shape, {
        endId,
        search: { beam, lengthPower },
        masking: decoder,
        checkpointing: decoder.checkpointing,
        codeVectors: decoder.conditionEmbedding === "vectors" ? images.codeVectors : null,
      });
    },
  };
}

const sizes = ["lstm.width", "lstm.embedding"];

/** An LSTM that sees the picture once, before the first word, `model=lstm`: see docs/baselines.md. */
export const lstm = recurrent("lstm", sizes, (...given) => new LstmDecoder(...given));

/** An LSTM that looks at the picture anew before each word, `model=attention-lstm`: see docs/baselines.md. */
export const attentionLstm = recurrent(
  "attention-lstm",
  [...sizes, "lstm.attention"],
  (...given) => new AttentionLstmDecoder(...given),
);
