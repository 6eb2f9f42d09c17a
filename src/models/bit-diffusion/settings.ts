/** Settings of Bit Diffusion beside those of the network and its training, which are `decoder.…`: the section `bitDiffusion`. */

import { type ConfigOf, choice, flag, number } from "../../config/schema.js";
import { bitSteps, gammaSchedules } from "./gaussian.js";

/** The losses by name. */
export const bitLosses = ["sigmoid-cross-entropy", "squared-error"] as const;

export const bitDiffusionSettings = {
  loss: choice(
    "sigmoid-cross-entropy",
    bitLosses,
    "the network predicts logits of the clean bits, or the clean analog bits themselves",
  ),
  schedule: choice("cosine", gammaSchedules, "signal level γ(t) of the noised bits"),
  selfConditioning: number(
    0.5,
    0,
    1,
    "share of the captions whose input in training holds a first estimate of the network; 0 = none, and no second forward pass",
  ),
  step: choice(
    "ddim",
    bitSteps,
    "denoising step: deterministic from the first noise on, or with new noise at each step",
  ),
  timeDifference: number(
    0,
    0,
    10000,
    "asymmetric time intervals: each denoising step aims this many steps further than the next one starts; for few steps",
  ),
  sameSize: flag(
    true,
    "widens the MLPs until the network has as many parameters as mc-diffusion has with its tables over the vocabulary",
  ),
} as const;

/** The values of the section `bitDiffusion`. */
export type BitDiffusionSettings = ConfigOf<typeof bitDiffusionSettings>;
