/**
 * The engine alone: device, tensors, autograd, ops, modules, optimiser. Exported as `mc-diffusion/engine`; `mc-diffusion`
 * contains it together with the models. Nothing here needs Node.
 *
 * @module mc-diffusion/engine
 */

export { openDevice, requestComputeDevice } from "../platform/device.js";
export { UserError } from "../platform/errors.js";
export type { CapturedMemory } from "./gpu/capture-memory.js";
export * from "./gpu/errors.js";
export { type CapturedWork, type Counters, Gpu, type GpuEvents, type GpuOptions } from "./gpu/gpu.js";
export type { DType, Float, Kernel } from "./gpu/kernel.js";
export type { Bindable, BindingsOf, ParamsOf, RunOptions } from "./gpu/kernel-arguments.js";
export type { MemoryStatistics, PoolOptions } from "./gpu/pool.js";
export type { DispatchTime, KernelTime } from "./gpu/profiler.js";
export {
  adapterKey,
  shapeClass,
  type TunedAdapter,
  type TunedKernel,
  type TunedShape,
  type TuningTable,
  tuningFormat,
} from "./gpu/tuning/tuning-table.js";
export * from "./nn/initialisers.js";
export { LayerNorm } from "./nn/layer-norm.js";
export { Linear } from "./nn/linear.js";
export { Module, type Parameter } from "./nn/module.js";
export { PackedParameters } from "./nn/parameters.js";
export * from "./ops/index.js";
export { AdamW, type AdamWOptions, type AdamWSchedule, type Pack } from "./optim/adamw.js";
export { type LearningRateSchedule, learningRateAt } from "./optim/learning-rate.js";
export { backward, backwardFrom, checkpoint, zeroGrad } from "./tensor/autograd.js";
export * from "./tensor/errors.js";
export { type BackwardFunction, noGrad, record, type Save } from "./tensor/tape.js";
export { empty, fromArray, fromBuffer, Tensor, zeros } from "./tensor/tensor.js";
export { loadWeights, readWeights } from "./weights/weights.js";
