/**
 * The public API, by name: the engine (device, tensors, autograd, ops), networks, the diffusion mathematics, the captioner
 * itself. Nothing here needs Node; `mc-diffusion/node` opens a device there. Metrics: `mc-diffusion/metrics`.
 *
 * @module mc-diffusion
 */

export { Captioner, type LoadOptions } from "./captioner/captioner.js";
export type { DenoiseStep } from "./captioner/denoise-stream.js";
export type { Precision } from "./captioner/files.js";
export type {
  BatchOptions,
  Caption,
  CaptionOptions,
  DenoiseOptions,
  RgbaImage,
} from "./captioner/options.js";
export {
  type ExternalImage,
  type ImageOrFile,
  type ImageSource,
  imageTensor,
  type PixelBuffer,
  type PixelBytes,
} from "./captioner/picture-source.js";
export { type ImageFit, imageFromPixels, imageFromTexture } from "./captioner/picture-tensor.js";
export type { ImageWatch, WatchOptions } from "./captioner/watch.js";
export type { Config } from "./config/config.js";
export { PRESET_NAMES, type PresetName } from "./config/presets.js";
export { type ConfigSources, describeConfig, resolveConfig } from "./config/resolve.js";
export { choice, flag, integer, type Key, number, type Settings, text } from "./config/schema.js";
export { type Augmentation, augment, LIGHT_AUGMENTATION } from "./data/augment.js";
export { type Batch, Batches } from "./data/batches.js";
export {
  type CaptionedImage,
  type Dataset,
  type Images,
  imagesOf,
  MemoryImages,
  readImages,
  selectImages,
  splitsOf,
} from "./data/dataset.js";
export { type TransitionTable, transitionTable } from "./diffusion/coefficients.js";
export {
  forwardProbabilities,
  type NoiseTable,
  qSample,
  samplePrior,
  sampleTimesteps,
} from "./diffusion/forward.js";
export {
  fullWeight,
  type Guidance,
  type GuidanceMethod,
  guidanceMethods,
  guidedCondition,
  mixBranches,
} from "./diffusion/guidance.js";
export {
  type DiffusionBatch,
  defaultLambda,
  diffusionLoss,
  headKlLoss,
  type KlInputs,
  type KlOptions,
  type KlResult,
  type KlTargets,
  klLoss,
} from "./diffusion/loss.js";
export { type ConditionMask, maskCondition } from "./diffusion/masking.js";
export { reverseLogProbs, reverseProbabilities } from "./diffusion/posterior.js";
export { type FixedWords, fixWords, pSample, type StepOptions } from "./diffusion/sample-step.js";
export {
  denoise,
  type Predict,
  type SampleOptions,
  type SampleStep,
  type StepDraw,
  type StepRule,
  sample,
} from "./diffusion/sampler.js";
export {
  defaultPreset,
  Schedule,
  type ScheduleEnds,
  type SchedulePreset,
  schedulePresets,
  type Transition,
} from "./diffusion/schedule.js";
export { cumulativeMatrices, type Matrix, transitionMatrix } from "./diffusion/transition-matrix.js";
export * as kernels from "./engine/gpu/kernels.generated.js";
export { storedTuning, storeTuning } from "./engine/gpu/tuning/stored-tuning.js";
export { tuningProblems } from "./engine/gpu/tuning/tuning-problems.js";
export * from "./engine/index.js";
export { TimestepModulation } from "./engine/nn/timestep-modulation.js";
export { copyInto } from "./engine/ops/copy.js";
export type { ChunkOptions, Head } from "./engine/ops/head-loss.js";
export { modulation } from "./engine/ops/modulation.js";
export { PhiloxStream } from "./engine/ops/philox.js";
export {
  decodeSafetensors,
  encodeSafetensors,
  type SafetensorsFile,
  type StoredDtype,
  type StoredTensor,
} from "./engine/weights/safetensors.js";
export { mapWeights, oihwToHwio, transposed, type WeightMap } from "./engine/weights/weight-map.js";
export { psnr, ssim } from "./metrics/image.js";
export type {
  CaptionDecoder,
  CaptionDecoderKind,
  GeneratedStep,
  GenerateOptions,
  GivenWords,
  Likelihood,
} from "./models/caption-decoder.js";
export type { ImageTokenizer, ImageTokenizerKind } from "./models/image-tokenizer.js";
export { AttentionReadout } from "./models/mc-diffusion/attention-readout.js";
export {
  Decoder,
  type DecoderCall,
  type DecoderShape,
  type NoisyCaption,
  type PreparedCondition,
} from "./models/mc-diffusion/decoder.js";
export type { CrossAttentionWatcher } from "./models/mc-diffusion/decoder-block.js";
export { McDiffusion } from "./models/mc-diffusion/mc-diffusion.js";
export type { DiffusionObjective, DiffusionSettings } from "./models/mc-diffusion/objective.js";
export type { ModelKind } from "./models/model-kind.js";
export type { BatchLoss, Figures, Objective } from "./models/objective.js";
export { captionDecoders, imageTokenizers } from "./models/registry.js";
export type {
  GuidanceOptions,
  SamplingConfig,
  SamplingOptions,
  SamplingSettings,
} from "./models/sampling-settings.js";
export {
  type BatchSums,
  batchSums,
  type CodebookState,
  initialiseCodes,
  type NearestCodes,
  nearestCodes,
  type Quantized,
  quantizeStraightThrough,
  restartCodes,
  type UpdateOptions,
  updateCodebook,
} from "./models/vqvae/codebook.js";
export { VqVae, type VqVaeLoss, type VqVaeLossOptions, type VqVaeShape } from "./models/vqvae/vqvae.js";
export { type DrawableImage, drawableImage } from "./platform/browser-pictures.js";
export { opfsFiles } from "./platform/opfs.js";
export { pickedFiles } from "./platform/picked-files.js";
export type {
  DecodeOptions,
  Files,
  FolderFiles,
  ImageCodec,
  Platform,
  RgbImage,
} from "./platform/platform.js";
export type { Registry } from "./platform/registry.js";
export type { Attributes } from "./text/attributes.js";
export {
  type BuildOptions,
  fixLength,
  type Span,
  type Tokenizer,
  type TokenizerKind,
} from "./text/tokenizer.js";
export { tokenizers } from "./text/tokenizers.js";
export { WordTokenizer } from "./text/words.js";
