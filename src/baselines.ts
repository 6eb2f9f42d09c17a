/**
 * Caption decoders to compare mc-diffusion with, `mc-diffusion/baselines`. The commands know them by name. In a program or a page,
 * `captionDecoders.add(bitDiffusion)` before a configuration or weights name one.
 *
 * @module mc-diffusion/baselines
 */

export { bitsPerToken, codeProducts, codeWords } from "./models/bit-diffusion/analog-bits.js";
export { BitDecoder } from "./models/bit-diffusion/bit-decoder.js";
export { BitDiffusion, type BitDiffusionOptions } from "./models/bit-diffusion/bit-diffusion.js";
export {
  type BitStep,
  bitSteps,
  type GammaSchedule,
  gamma,
  gammaSchedules,
  type StepWeights,
  stepWeights,
  timePairs,
} from "./models/bit-diffusion/gaussian.js";
export { bitDiffusion } from "./models/bit-diffusion/kind.js";
export type { TrainingRates } from "./models/bit-diffusion/objective.js";
export type { BitDiffusionSettings } from "./models/bit-diffusion/settings.js";
