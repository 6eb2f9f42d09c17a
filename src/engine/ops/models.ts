/** The ops that only the models need: apart, so that the engine alone does not carry their kernels. */

export * from "./alternatives.js";
export * from "./codebook.js";
export * from "./kl.js";
export * from "./modulation.js";
export * from "./noise.js";
export * from "./picture.js";
export * from "./posterior.js";
export * from "./sample.js";
