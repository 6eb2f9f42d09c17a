/**
 * The ways to go from x_T to x_0 by name, as `sampling.sampler` chooses them. Ancestral and confidence sampling are here;
 * `mc-diffusion/samplers` adds the others, so that bundles without them stay small.
 */

import { Registry } from "../platform/registry.js";
import { confidenceSampler } from "./best-first.js";
import type { Sampler } from "./sampler.js";

/** The samplers that a configuration can choose: `sampling.sampler`. */
export const samplers = new Registry<Sampler>("sampler", [{ name: "ancestral" }, confidenceSampler], {
  margin: "mc-diffusion/samplers",
  purity: "mc-diffusion/samplers",
  remask: "mc-diffusion/samplers",
});
