/**
 * Tries all settings of a run on the device before its first step: a setting that would fail a stage after hours fails now, in a
 * sentence that names the setting to change. Steps are recorded as in the run and discarded: nothing is computed, and their
 * memory is counted but not allocated.
 */

import { captionedAtOnce, imagesPerBatch } from "../captioner/batch.js";
import { Captioner } from "../captioner/captioner.js";
import type { Config } from "../config/config.js";
import { DeviceLostError, formatBytes, OutOfMemoryError } from "../engine/gpu/errors.js";
import type { Gpu } from "../engine/gpu/gpu.js";
import { noGrad } from "../engine/tensor/tape.js";
import { untracked } from "../engine/tensor/tensor.js";
import { captionDecoders, imageTokenizers } from "../models/registry.js";
import { samplingSettingsOf } from "../models/sampling-settings.js";
import { type Collective, single } from "../platform/collective.js";
import { UserError } from "../platform/errors.js";
import type { Tokenizer } from "../text/tokenizer.js";
import { planned } from "./captured-step.js";
import { reductionOf } from "./gradient-reduction.js";
import { trialOfDecoder, trialOfTokenizer } from "./trial.js";

/** Batches of one call draw from seeds 2³² apart. This leaves room for two million pictures below 2⁵³. */
const highestSeed = 2 ** 48;

/**
 * Creates the captioner of a run, with or without weights; see `CaptionModel`. Its batches are divided among `processes`. Throws a `UserError` if the device cannot hold it.
 */
export function buildCaptioner(
  gpu: Gpu,
  config: Config,
  tokenizer: Tokenizer,
  { processes = 1, ...options }: { initialise?: boolean; processes?: number } = {},
): Captioner {
  checkNumbers(gpu, config, processes);
  return named(
    "the model",
    [
      "decoder.dim",
      "decoder.summaryTokens",
      "data.imageSize",
      "vqvae.downsample",
      "vqvae.channels",
      "data.minCount",
    ],
    config,
    () => new Captioner(gpu, config, tokenizer, options),
  );
}

/**
 * Tries the steps of both stages, and the measuring and captioning of pictures between and after them, as one of the processes of
 * `collective`. Throws a `UserError`.
 */
export function tryRun(captioner: Captioner, collective: Collective = single): void {
  const hook = reductionOf(collective);
  const { gpu, config, imageTokenizer, decoder } = captioner;
  const { imageSize } = config.data;
  const attempt = (what: string, settings: readonly string[], body: () => void) =>
    named(what, settings, config, body);
  const memory = {
    tokenizer: imageTokenizers.get(config.imageTokenizer).memory,
    decoder: captionDecoders.get(config.model).memory,
  };

  if (captioner.trainsTokenizer) {
    attempt("a step of the image tokenizer", memory.tokenizer.step, () => {
      const training = trialOfTokenizer(captioner, hook);
      try {
        training.plan();
      } finally {
        training.dispose();
      }
    });
  }
  attempt("a step of the decoder", memory.decoder.step, () => {
    const training = trialOfDecoder(captioner, {}, hook);
    try {
      training.plan();
    } finally {
      training.dispose();
    }
  });
  const { side } = decoder.shape;
  const atOnce = imageTokenizer.picturesAtOnce ?? imagesPerBatch;
  attempt("measuring pictures", memory.tokenizer.use, () =>
    planned(gpu, () => {
      noGrad(() => {
        imageTokenizer.encode(untracked(gpu, [atOnce, imageSize, imageSize, 3], "f32", "images"));
        imageTokenizer.decode(untracked(gpu, [atOnce, side * side], "u32", "codes"));
      });
    }),
  );
  attempt("drawing captions", memory.decoder.use, () =>
    planned(gpu, () => decoder.planStep(captionedAtOnce(captioner), samplingSettingsOf(config, {}))),
  );
  gpu.trim();
}

/** Rejects numbers that make any step impossible. */
function checkNumbers(gpu: Gpu, { seed, data, vqvae, decoder }: Config, processes: number): void {
  if (seed > highestSeed) {
    throw new UserError(
      `seed=${seed} should be at most ${highestSeed}: the random numbers of later pictures have seeds above it`,
    );
  }
  const { maxBufferSize, maxStorageBufferBindingSize } = gpu.limits;
  const most = Math.min(maxBufferSize, maxStorageBufferBindingSize);
  const check = (key: string, value: number, bytes: number, what: string) => {
    if (value * bytes <= most) return;
    const fits = Math.floor(most / bytes);
    throw new UserError(
      `${key}=${value} should be at most ${fits}: ${what} would take ${formatBytes(value * bytes)}, and this adapter allows ${formatBytes(most)} in one buffer`,
    );
  };
  check("vqvae.batch", vqvae.batch, (data.imageSize ** 2 * 3 * 4) / processes, "the pictures of a batch");
  const [captions, ratio] = [decoder.batch / decoder.microBatches / processes, decoder.mlpRatio];
  const width = Math.max(data.maxLength * decoder.dim * Math.max(1, ratio), data.maxLength);
  if (captions * width * 4 > most) {
    check(
      "decoder.batch",
      decoder.batch,
      (width * 4) / decoder.microBatches / processes,
      "the values of a batch of captions",
    );
  }
}

/** Runs `body`. Turns an error of the device or of an op into a sentence about the settings that determine it. */
function named<T>(what: string, settings: readonly string[], config: Config, body: () => T): T {
  try {
    return body();
  } catch (error) {
    if (error instanceof UserError || error instanceof DeviceLostError || !(error instanceof Error))
      throw error;
    const given = settings.map((key) => `${key}=${settingOf(config, key)}`).join(", ");
    if (error instanceof OutOfMemoryError) {
      throw new UserError(
        `${what} does not fit on this adapter (${error.message}); the settings that decide it are ${given}`,
      );
    }
    throw new UserError(
      `${what} is not possible with these settings (${error.message}); those that decide it are ${given}`,
    );
  }
}

function settingOf(config: Config, key: string): unknown {
  const [section, name] = key.split(".") as [keyof Config, string];
  return (config[section] as Record<string, unknown>)[name];
}
