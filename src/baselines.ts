/**
 * The baselines of the paper, `mc-diffusion/baselines`: caption decoders that a configuration can name as `model` once this entry
 * is imported. Commands have them; a page imports them before it loads such a captioner. Separate from `mc-diffusion`, whose
 * bundle does not include them.
 *
 * @module mc-diffusion/baselines
 */

import { bitDiffusion } from "./models/bit-diffusion/kind.js";
import { attentionLstm, lstm } from "./models/lstm/kind.js";
import { captionDecoders } from "./models/registry.js";
import { transformer } from "./models/transformer/kind.js";

for (const kind of [transformer, lstm, attentionLstm, bitDiffusion]) captionDecoders.add(kind);

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
export { BitObjective, type NoisyBits, type TrainingRates } from "./models/bit-diffusion/objective.js";
export type { BitDiffusionSettings } from "./models/bit-diffusion/settings.js";
export type { McDiffusionSettings } from "./models/mc-diffusion/settings.js";
export { attentionLstm, bitDiffusion, lstm, transformer };
