/** Trainings of a captioner on zeros: neither the work nor the time of a step depends on the data. */

import type { Captioner } from "../captioner/captioner.js";
import type { Config } from "../config/config.js";
import { DecoderTraining } from "./decoder-training.js";
import type { StepHook } from "./model-training.js";
import { TokenizerTraining } from "./tokenizer-training.js";

/** `hook` is that of one of several processes. */
export function trialOfTokenizer(
  { imageTokenizer, config, settings }: Captioner,
  hook: StepHook | null = null,
): TokenizerTraining {
  return new TokenizerTraining(
    imageTokenizer,
    config.vqvae,
    config.seed,
    (_, images) => void images.fill(0),
    {
      settings: settings.imageTokenizer,
      hook,
    },
  );
}

/** `changes` replace settings of the stage, such as the batch. */
export function trialOfDecoder(
  { decoder, config, positions, settings }: Captioner,
  changes: Partial<Config["decoder"]> = {},
  hook: StepHook | null = null,
): DecoderTraining {
  const stage = { ...config.decoder, ...changes };
  return new DecoderTraining(
    decoder,
    stage,
    config.seed,
    () => {
      const words = new Uint32Array(stage.batch * config.data.maxLength);
      const places = new Uint32Array((stage.batch / stage.captionsPerImage) * positions);
      return { tokens: words, codes: places, referents: { words, places } };
    },
    { settings: settings.decoder, hook },
  );
}
