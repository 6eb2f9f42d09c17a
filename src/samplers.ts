/**
 * More samplers for mc-diffusion decoders, `mc-diffusion/samplers`: `confidence`, `margin`, `purity` and `remask` can be chosen as
 * `sampling.sampler` once this entry is imported (docs/samplers.md). Commands have them; a page imports them before it loads
 * or asks for captions. Separate from `mc-diffusion`, whose bundle does not include them.
 *
 * @module mc-diffusion/samplers
 */

import { bestFirstSamplers } from "./diffusion/best-first.js";
import { remaskSampler } from "./diffusion/remask.js";
import { samplers } from "./diffusion/samplers.js";

for (const sampler of [...bestFirstSamplers, remaskSampler]) samplers.add(sampler);

export { bestFirstSamplers } from "./diffusion/best-first.js";
export { remaskSampler } from "./diffusion/remask.js";
export type { StepDraw, StepRule } from "./diffusion/sampler.js";
export { type BegunSampler, type Sampler, type SamplerRun, samplers } from "./diffusion/samplers.js";
export { type UnmaskOptions, unmask } from "./diffusion/unmask.js";
