/** The ops of any network: functions on tensors, forward here, backward on the tape. Those of the models alone are in `models.ts`. */

export * from "./attention.js";
export * from "./conv-transpose2d.js";
export * from "./conv2d.js";
export * from "./copy.js";
export * from "./cross-entropy.js";
export * from "./dropout.js";
export * from "./elementwise.js";
export * from "./embedding.js";
export * from "./group-norm.js";
export * from "./layer-norm.js";
export * from "./matmul.js";
export * from "./reduce.js";
export * from "./rng.js";
export * from "./softmax.js";
export * from "./upsample.js";
