/** Trains a caption decoder on the codes of pictures; for mc-diffusion this is Algorithm 1 of the paper. */

import type { Config } from "../config/config.js";
import { untracked } from "../engine/tensor/tensor.js";
import type { CaptionBatch, CaptionDecoder } from "../models/caption-decoder.js";
import { UserError } from "../platform/errors.js";
import { ModelTraining, partOf, randomOf, type StepHook } from "./model-training.js";
import type { StepResult } from "./trainer.js";

/**
 * Batch n consists of: x_0, token ids [B·L], and y, code ids [P·S] of the P = B / captionsPerImage pictures. Where several
 * processes train together, it is the batch of all of them, and each takes its part of every micro-batch. A grounded
 * objective also needs the things that words [B·L] and places [P·S] are about.
 */
export type DecoderBatches = (step: number) => {
  tokens: Uint32Array;
  codes: Uint32Array;
  referents?: { words: Uint32Array; places: Uint32Array } | null;
};

/** Options of `DecoderTraining`. */
export interface DecoderTrainingOptions {
  /** Settings of the decoder's kind; default: `config`, which holds those of mc-diffusion. */
  settings?: object;
  hook?: StepHook | null;
}

/** Training of the decoder (Algorithm 1): one captured step, replayed with new batches. */
export class DecoderTraining extends ModelTraining<CaptionBatch> {
  readonly decoder: CaptionDecoder;
  private readonly batches: DecoderBatches;

  constructor(
    decoder: CaptionDecoder,
    config: Config["decoder"],
    seed: number,
    batches: DecoderBatches,
    { settings = config, hook = null }: DecoderTrainingOptions = {},
  ) {
    const { gpu } = decoder;
    const { length, side } = decoder.shape;
    if (config.importanceSampling && partOf(hook).count > 1)
      throw new UserError(
        "decoder.importanceSampling=true needs one process: its averages learn from the order of all captions of a batch",
      );
    const random = randomOf(gpu, seed, hook);
    const captions = captionsOf(config, partOf(hook).count);
    // x_0 [B/n, L] and y [P/n, S]: the CPU writes nothing else for a step but its number and learning rate.
    const words = (label: string) => untracked(gpu, [captions, length], "u32", label);
    const places = (label: string) =>
      untracked(gpu, [captions / config.captionsPerImage, side * side], "u32", label);
    const objective = decoder.objective(settings, random);
    const parts = Array.from(
      { length: config.microBatches },
      (): CaptionBatch => [
        words("x_0"),
        places("codes"),
        ...(objective.grounded ? [words("things of words"), places("things of places")] : []),
      ],
    );
    super(decoder, objective, random, parts, optimizerOf(config), hook);
    this.decoder = decoder;
    this.batches = batches;
  }

  /** Runs one step (from 1). */
  override step(step: number): Promise<StepResult> {
    const { tokens, codes, referents } = this.batches(step - 1);
    const batch = [tokens, codes, ...(referents ? [referents.words, referents.places] : [])];
    const { index, count } = partOf(this.hook);
    this.parts.forEach((part, i) => {
      const own = i * count + index;
      part.forEach((tensor, k) => {
        tensor.write(batch[k]!.subarray(own * tensor.size, (own + 1) * tensor.size));
      });
    });
    return super.step(step);
  }
}

/** Captions of a micro-batch that one of `processes` works on. Throws a `UserError` if the batch cannot be divided so. */
function captionsOf({ batch, microBatches, captionsPerImage }: Config["decoder"], processes: number): number {
  const captions = batch / microBatches / processes;
  if (processes > 1 && !Number.isInteger(captions / captionsPerImage)) {
    const each = microBatches * processes * captionsPerImage;
    const reason = `${processes} processes, decoder.microBatches=${microBatches}, decoder.captionsPerImage=${captionsPerImage}`;
    throw new UserError(`decoder.batch should be a multiple of ${each} (${reason}), not ${batch}`);
  }
  return captions;
}

function optimizerOf(config: Config["decoder"]) {
  return {
    learningRate: {
      peak: config.learningRate,
      warmup: config.warmup,
      from: config.warmupFrom,
      decay: config.learningRateDecay,
      // Read at each step: a time-limited run corrects it.
      get steps() {
        return config.steps;
      },
    },
    betas: [config.beta1, config.beta2] as const,
    weightDecay: config.weightDecay,
    clip: config.clip,
    average: { decay: config.emaDecay, every: config.emaEvery },
  };
}
