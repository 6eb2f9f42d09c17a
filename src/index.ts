/**
 * The public API: the engine (device, tensors, autograd, ops), networks, the diffusion mathematics, the captioner and
 * its metrics. Nothing here needs Node; `mc-diffusion/node` opens a device there.
 */

export {
  type Caption,
  Captioner,
  type CaptionOptions,
  type LoadOptions,
  type RgbaPicture,
} from "./captioner.js";
export type { GuidanceSettings } from "./chain.js";
export { type Config, describeConfig, PRESET_NAMES, resolveConfig } from "./config.js";
export * from "./data/augment.js";
export * from "./data/batches.js";
export * from "./data/dataset.js";
export type { DenoiseOptions, DenoiseStep } from "./denoising.js";
export { AttentionReadout } from "./diffusion/attention-readout.js";
export { Decoder, type DecoderShape } from "./diffusion/decoder.js";
export * from "./diffusion/forward.js";
export * from "./diffusion/guidance.js";
export * from "./diffusion/loss.js";
export * from "./diffusion/posterior.js";
export * from "./diffusion/sampler.js";
export * from "./diffusion/schedule.js";
export * from "./diffusion/table.js";
export * from "./diffusion/transition.js";
export * as kernels from "./engine/gpu/kernels.generated.js";
export { tuningProblems } from "./engine/gpu/tuning/tuning-problems.js";
export * from "./engine/index.js";
export { TimestepModulation } from "./engine/nn/timestep-modulation.js";
export * from "./engine/ops/models.js";
export { PhiloxStream, replay } from "./engine/ops/philox.js";
export * from "./engine/weights/safetensors.js";
export {
  type ComparedGuidance,
  differencesTable,
  type Evaluation,
  type EvaluationOptions,
  evaluate,
  type SplitScores,
  scoresTable,
  testSplits,
} from "./evaluation.js";
export * from "./metrics/accuracy.js";
export * from "./metrics/bleu.js";
export {
  bootstrap,
  type Estimate,
  type Measurement,
  type Score,
  type Statistic,
} from "./metrics/bootstrap.js";
export * from "./metrics/cider.js";
export * from "./metrics/image.js";
export * from "./metrics/scores.js";
export * from "./picture-source.js";
export type { PictureWatch, WatchOptions } from "./picture-watch.js";
export { type DrawablePicture, drawablePicture } from "./platform/browser-pictures.js";
export { opfsFiles } from "./platform/opfs.js";
export type { DecodeOptions, Files, ImageCodec, Platform, RgbImage } from "./platform/platform.js";
export type { Tokenizer } from "./text/tokenizer.js";
export { WordTokenizer } from "./text/words.js";
export { DecoderTraining } from "./training/decoder-training.js";
export { saveTrained } from "./training/run.js";
export { VqVaeTraining } from "./training/vqvae-training.js";
export { VqVae, type VqVaeShape } from "./vqvae/vqvae.js";
