/** Masks of the condition in training, as the settings of `decoder` ask for them; every decoder is trained with the same. */

import { maskCondition } from "../../diffusion/masking.js";
import type { Rng } from "../../engine/ops/rng.js";
import type { Tensor } from "../../engine/tensor/tensor.js";
import type { McDiffusionSettings } from "./settings.js";

/** The keys of the section `decoder` that say what is masked. */
export type ConditionMasking = Pick<
  McDiffusionSettings,
  "pCond" | "pMask" | "maskRates" | "maskShape" | "pDrop"
>;

/** The codes [P, S] of P pictures, masked by Algorithm 1 of the paper; `maskId` stands where a code is hidden. */
export function maskedForTraining(
  random: Rng,
  codes: Tensor<"u32">,
  { pCond, pMask, maskRates, maskShape, pDrop }: ConditionMasking,
  maskId: number,
): Tensor<"u32"> {
  return maskCondition(random, codes, {
    conditionRate: pCond,
    maskRate: pMask,
    rates: maskRates,
    shape: maskShape,
    dropRate: pDrop,
    maskId,
  });
}
