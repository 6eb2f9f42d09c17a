/**
 * More samplers for mc-diffusion decoders, `mc-diffusion/samplers`: `margin`, `purity` and `remask` can be chosen as
 * `sampling.sampler` once this entry is imported (docs/samplers.md). Commands and `mc-diffusion/node` have them; a page imports
 * them before it loads or asks for captions. Separate from `mc-diffusion`, whose bundle does not include them.
 *
 * @module mc-diffusion/samplers
 */

import { marginSampler, puritySampler } from "./diffusion/margin-purity.js";
import { remaskSampler } from "./diffusion/remask.js";
import { samplers } from "./diffusion/samplers.js";

for (const sampler of [marginSampler, puritySampler, remaskSampler]) samplers.add(sampler);

export { confidenceSampler } from "./diffusion/best-first.js";
export { marginSampler, puritySampler } from "./diffusion/margin-purity.js";
export { remaskSampler } from "./diffusion/remask.js";
export type { BegunSampler, Sampler, SamplerRun, StepDraw, StepRule } from "./diffusion/sampler.js";
export { samplers } from "./diffusion/samplers.js";
export { type UnmaskOptions, unmask } from "./diffusion/unmask.js";
