/**
 * Debug modes, the profiler and the engine's internals, `mc-diffusion/debug`: separate from the other entries, so that pages
 * download them only on request. The internals are for tools below the public API, such as the bench. They follow the
 * implementation and may change in any release.
 *
 * @module mc-diffusion/debug
 */

// Debug modes and the profiler.

export { checkFinite } from "./engine/gpu/finite-check.js";
export { poison } from "./engine/gpu/poison.js";
export { profile, timeline, timesByKernel } from "./engine/gpu/profiler.js";

// Internals: data for observers of the device, and tuning tables.

export type { KernelSpec } from "./engine/gpu/kernel.js";
export type { BoundRange, Dispatch, Observer } from "./engine/gpu/recording.js";
export { shippedTuning } from "./engine/gpu/tuning/tuning.generated.js";
export { sourceHash, type Tunable, valuesFault } from "./engine/gpu/tuning/tuning-table.js";

// Internals: float16 and random numbers exactly as the kernels compute them.

export { below, gumbel, happens, philox, replay, seedWords } from "./engine/ops/philox.js";
export { float16ToFloat32, float32ToFloat16 } from "./engine/tensor/float16.js";

// Internals: parts of the models and of reports.

export { stepCoefficients, stepThresholds } from "./diffusion/coefficients.js";
export { posteriorLogProbs } from "./diffusion/posterior.js";
export { headCrossEntropy } from "./engine/ops/head-loss.js";
export { DecoderBlock } from "./models/mc-diffusion/decoder-block.js";
export { escapeXml } from "./report/text.js";
export { operationsOf, type Uniforms } from "./training/step-work.js";
