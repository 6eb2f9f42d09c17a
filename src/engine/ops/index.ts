/**
 * The public general-purpose ops, by name: functions on tensors, forward here, backward on the tape. Ops used only by the
 * models are in `models.ts`.
 */

export {
  type AttentionOptions,
  type AttentionResult,
  attention,
  attentionMap,
  crossAttention,
  selfAttention,
} from "./attention.js";
export { type ConvTranspose2dOptions, convTranspose2d } from "./conv-transpose2d.js";
export { type Conv2dOptions, conv2d, type Padding } from "./conv2d.js";
export { cast, concat, contiguous, fill } from "./copy.js";
export { type CrossEntropyOptions, type CrossEntropyResult, crossEntropy } from "./cross-entropy.js";
export { dropout } from "./dropout.js";
export {
  abs,
  add,
  clamp,
  div,
  exp,
  gelu2,
  log,
  maximum,
  minimum,
  mul,
  neg,
  relu,
  scale,
  sigmoid,
  silu,
  sqrt,
  square,
  straightThrough,
  sub,
  tanh,
} from "./elementwise.js";
export { type EmbeddingOptions, embedding } from "./embedding.js";
export { type GroupNormOptions, groupNorm } from "./group-norm.js";
export { adaLayerNorm, type LayerNormOptions, layerNorm } from "./layer-norm.js";
export { type Activation, type LinearOptions, linear, type MatmulOptions, matmul } from "./matmul.js";
export {
  countNonFinite,
  l1,
  max,
  mean,
  mse,
  type ReduceOptions,
  sum,
  sumAbsolute,
  sumSquares,
  sumTo,
} from "./reduce.js";
export { Rng } from "./rng.js";
export { logSoftmax, logSumExp, softmax } from "./softmax.js";
export { upsample } from "./upsample.js";
