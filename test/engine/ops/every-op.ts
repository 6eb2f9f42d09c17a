/** Every function of the ops, those that only other ops use included. */

export * from "../../../dist/engine/ops/attention.js";
export * from "../../../dist/engine/ops/conv-transpose2d.js";
export * from "../../../dist/engine/ops/conv2d.js";
export * from "../../../dist/engine/ops/copy.js";
export * from "../../../dist/engine/ops/cross-entropy.js";
export * from "../../../dist/engine/ops/dropout.js";
export * from "../../../dist/engine/ops/elementwise.js";
export * from "../../../dist/engine/ops/embedding.js";
export * from "../../../dist/engine/ops/group-norm.js";
export * from "../../../dist/engine/ops/head-loss.js";
export * from "../../../dist/engine/ops/layer-norm.js";
export * from "../../../dist/engine/ops/matmul.js";
export * from "../../../dist/engine/ops/models.js";
export * from "../../../dist/engine/ops/reduce.js";
export * from "../../../dist/engine/ops/rng.js";
export * from "../../../dist/engine/ops/softmax.js";
export * from "../../../dist/engine/ops/upsample.js";
