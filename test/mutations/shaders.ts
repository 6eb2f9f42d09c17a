/** Deliberate mistakes in the kernels. */

import type { Mutation } from "./mutation.js";

export const shaders: readonly Mutation[] = [
  {
    name: "kl: the auxiliary term has the wrong sign",
    file: "shaders/kl.wgsl",
    find: "factor * (kl - auxiliary_weight * log_p0)",
    replace: "factor * (kl + auxiliary_weight * log_p0)",
    tests: ["ops/kl.test.ts"],
  },
  {
    name: "kl: masked and unmasked positions have each other's weight",
    file: "shaders/kl.wgsl",
    find: "kl *= select(params.token_weight, params.mask_weight, masked);",
    replace: "kl *= select(params.mask_weight, params.token_weight, masked);",
    tests: ["ops/kl.test.ts"],
  },
  {
    name: "kl: the adaptive weight of the auxiliary term is not used in the gradient",
    file: "shaders/kl.wgsl",
    find: "let auxiliary = factor * params.lambda * select(1.0, step.adaptive, params.adaptive != 0u);",
    replace: "let auxiliary = factor * params.lambda;",
    tests: ["ops/kl.test.ts"],
  },
];
