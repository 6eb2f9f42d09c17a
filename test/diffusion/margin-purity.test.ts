/** The orders margin and purity of best-first sampling. */

import "../../dist/samplers.js";
import { test } from "../harness.js";
import { checkChain } from "./sampler-chain.js";

for (const [name, preset, visited] of [
  ["margin", "absorbing", 10],
  ["purity", "absorbing", 10],
  ["purity", "vq-diffusion-paper", 2],
] as const)
  test(`${name} follows its exact chain: ${preset}, ${visited} steps`, (t, gpu) =>
    checkChain(t, gpu, name, { preset, visited }));
