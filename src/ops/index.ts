/** Every op: a function on tensors, forward here, backward on the tape. */

export * from "./alternatives.js";
export * from "./attention.js";
export * from "./codebook.js";
export * from "./conv-transpose2d.js";
export * from "./conv2d.js";
export * from "./copy.js";
export * from "./cross-entropy.js";
export * from "./dropout.js";
export * from "./elementwise.js";
export * from "./embedding.js";
export * from "./group-norm.js";
export * from "./kl.js";
export * from "./layer-norm.js";
export * from "./matmul.js";
export * from "./modulation.js";
export * from "./noise.js";
export * from "./picture.js";
export * from "./posterior.js";
export * from "./reduce.js";
export * from "./rng.js";
export * from "./sample.js";
export * from "./softmax.js";
export * from "./upsample.js";
