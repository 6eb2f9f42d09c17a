/**
 * Modules, losses, optimisers and schedules for networks of any kind, `mc-diffusion/nn`, with the ops that they need beside those
 * of `mc-diffusion/engine`. A bundle includes only what it names, kernels included. Nothing here needs Node.
 *
 * @module mc-diffusion/nn
 */

export {
  Attention,
  type AttentionInputs,
  type AttentionModuleOptions,
} from "./engine/nn/attention.js";
export { Conv2d, type Conv2dModuleOptions } from "./engine/nn/conv2d.js";
export { Dropout } from "./engine/nn/dropout.js";
export { Embedding, type EmbeddingModuleOptions } from "./engine/nn/embedding.js";
export { GroupNorm } from "./engine/nn/group-norm.js";
export { constant, fanIn, type Initialiser, normal } from "./engine/nn/initialisers.js";
export { LayerNorm } from "./engine/nn/layer-norm.js";
export { Linear } from "./engine/nn/linear.js";
export { Lstm, LstmCell } from "./engine/nn/lstm.js";
export { Module, type Parameter, type ParameterOptions } from "./engine/nn/module.js";
export { type BinaryCrossEntropyOptions, binaryCrossEntropy } from "./engine/ops/binary-cross-entropy.js";
export { type Conv2dGroupsOptions, conv2dGroups } from "./engine/ops/conv2d-groups.js";
export {
  type CrossEntropyOptions,
  type CrossEntropyResult,
  crossEntropy,
} from "./engine/ops/cross-entropy.js";
export { type LstmResult, type LstmState, lstm, lstmCell } from "./engine/ops/lstm.js";
export {
  type MaskedAttentionOptions,
  maskedAttention,
  maskedCrossAttention,
  maskedSelfAttention,
} from "./engine/ops/masked-attention.js";
export { type AvgPool2dOptions, avgPool2d, maxPool2d, type Pool2dOptions } from "./engine/ops/pool2d.js";
export { l1, mse } from "./engine/ops/reduce.js";
export { smoothedCrossEntropy } from "./engine/ops/smoothed-cross-entropy.js";
export type { Pair } from "./engine/ops/window2d.js";
export { AdamW, type AdamWGroupsOptions } from "./engine/optim/groups/adamw.js";
export {
  Optimizer,
  type OptimizerOptions,
  type ParameterGroup,
  type Trained,
} from "./engine/optim/groups/optimizer.js";
export { Sgd, type SgdOptions } from "./engine/optim/groups/sgd.js";
export {
  constantRate,
  cosineRate,
  linearRate,
  type Schedule,
  stepRate,
  warmUp,
} from "./engine/optim/schedules.js";
