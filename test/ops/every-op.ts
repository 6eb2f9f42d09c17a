/** Every function of the ops, those that only other ops use included. */

export * from "../../dist/ops/attention.js";
export * from "../../dist/ops/conv-transpose2d.js";
export * from "../../dist/ops/conv2d.js";
export * from "../../dist/ops/copy.js";
export * from "../../dist/ops/cross-entropy.js";
export * from "../../dist/ops/dropout.js";
export * from "../../dist/ops/elementwise.js";
export * from "../../dist/ops/embedding.js";
export * from "../../dist/ops/group-norm.js";
export * from "../../dist/ops/head-loss.js";
export * from "../../dist/ops/layer-norm.js";
export * from "../../dist/ops/matmul.js";
export * from "../../dist/ops/models.js";
export * from "../../dist/ops/reduce.js";
export * from "../../dist/ops/rng.js";
export * from "../../dist/ops/softmax.js";
export * from "../../dist/ops/upsample.js";
