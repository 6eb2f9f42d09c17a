/**
 * More ops, `mc-diffusion/ops`: tensor functions that the captioner does not use, custom kernels, and tools for gradients.
 * Separate from `mc-diffusion/engine`, whose bundle does not include them; a bundle includes only the kernels of the ops that it
 * names. If both entries export a name, the op here accepts more: numbers beside tensors, any axis.
 *
 * @module mc-diffusion/ops
 */

export type { DType, Float, Kernel, Vec4 } from "./engine/gpu/kernel.js";
export { argmax, argmin } from "./engine/ops/argmax.js";
export { add, div, maximum, minimum, mul, type Operand, pow, sub } from "./engine/ops/arithmetic.js";
export { logSoftmax, logSumExp, softmax } from "./engine/ops/axis-softmax.js";
export {
  type CheckedElement,
  type CheckedInput,
  checkGradients,
  type GradientCheckOptions,
  GradientReport,
} from "./engine/ops/check-gradients.js";
export { eq, ge, gt, le, lt, ne, where } from "./engine/ops/compare.js";
export { type CumsumOptions, cumsum } from "./engine/ops/cumsum.js";
export { gelu2 as quickGelu } from "./engine/ops/elementwise.js";
export {
  allclose,
  type CloseOptions,
  describe,
  type FormatOptions,
  format,
  print,
} from "./engine/ops/format.js";
export { cos, gelu, geluTanh, rsqrt, sign, sin, softplus } from "./engine/ops/functions.js";
export { gather, oneHot, scatterAdd, take } from "./engine/ops/gather.js";
export { type GradientHook, onGradient, retainGrad } from "./engine/ops/gradients.js";
export { min, type VarianceOptions, variance } from "./engine/ops/reductions.js";
export { broadcastTo, pad, permute, split, squeeze, stack, unsqueeze } from "./engine/ops/shapes.js";
export { type TopK, topK } from "./engine/ops/top-k.js";
export { kernelTypes, type UntypedKernel, wgsl } from "./engine/ops/wgsl.js";
