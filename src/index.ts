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
export { type EvaluationOptions, evaluate, type SplitScores, scoresTable } from "./evaluation.js";
export type { CapturedMemory } from "./gpu/capture-memory.js";
export * from "./gpu/errors.js";
export { type CapturedWork, type Counters, Gpu, type GpuEvents, type GpuOptions } from "./gpu/gpu.js";
export type { DType, Float, Kernel } from "./gpu/kernel.js";
export { kernels } from "./gpu/kernels.generated.js";
export type { MemoryStatistics } from "./gpu/pool.js";
export type { KernelTime } from "./gpu/profiler.js";
export {
  adapterKey,
  shapeClass,
  type TunedAdapter,
  type TunedKernel,
  type TunedShape,
  type TuningTable,
  tuningFormat,
} from "./gpu/tuning-table.js";
export * from "./io/safetensors.js";
export * from "./metrics/accuracy.js";
export * from "./metrics/bleu.js";
export * from "./metrics/cider.js";
export * from "./metrics/image.js";
export * from "./metrics/scores.js";
export * from "./nn/initialisers.js";
export { LayerNorm } from "./nn/layer-norm.js";
export { Linear } from "./nn/linear.js";
export { Module, type Parameter } from "./nn/module.js";
export { PackedParameters } from "./nn/parameters.js";
export { TimestepModulation } from "./nn/timestep-modulation.js";
export { loadWeights, readWeights } from "./nn/weights.js";
export * from "./ops/index.js";
export { AdamW, type AdamWOptions, type Pack } from "./optim/adamw.js";
export { type LearningRateSchedule, learningRateAt } from "./optim/learning-rate.js";
export * from "./picture-source.js";
export { openDevice, requestComputeDevice } from "./platform/device.js";
export { UserError } from "./platform/errors.js";
export type { Files, ImageCodec, Platform, RgbImage } from "./platform/platform.js";
export { backward, backwardFrom, checkpoint, noGrad, record, zeroGrad } from "./tensor/autograd.js";
export * from "./tensor/errors.js";
export { empty, fromArray, fromBuffer, Tensor, zeros } from "./tensor/tensor.js";
export type { Tokenizer } from "./text/tokenizer.js";
export { WordTokenizer } from "./text/words.js";
export { DecoderTraining } from "./training/decoder-training.js";
export { VqVaeTraining } from "./training/vqvae-training.js";
export { VqVae, type VqVaeShape } from "./vqvae/vqvae.js";
