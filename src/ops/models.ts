/** The ops that only a VQ-VAE and a discrete diffusion need: apart, so that the engine alone does not carry their kernels. */

export * from "./alternatives.js";
export * from "./codebook.js";
export * from "./kl.js";
export * from "./modulation.js";
export * from "./noise.js";
export * from "./posterior.js";
export * from "./sample.js";
