/**
 * Guidance: two predictions of x_0, under the full condition and under less of it, extrapolated in log space and
 * renormalised before the posterior.
 *
 *   cfg          less = no condition at all:  log p_less + ω (log p_full - log p_less)
 *   mcs          less = a part of the condition, the rest masked; the same formula, ω on the full model, as the paper's
 *                prose and classifier-free guidance have it: ω = 1 is the full model
 *   mcs-printed  as the paper's Definition 2 is printed: ω log p_less + (1 - ω) log p_full. ω multiplies the PARTIAL
 *                model, so ω = 0 is the full model and ω > 1 moves away from the masked information. It is mcs(1 - ω).
 */

import type { Rng } from "../engine/ops/rng.js";
import { empty, fromArray, type Tensor } from "../engine/tensor/tensor.js";
import { UserError } from "../platform/errors.js";
import { maskCondition } from "./noise.js";
import { fixWords } from "./sample-step.js";

export const guidanceMethods = ["none", "cfg", "mcs", "mcs-printed"] as const;
export type GuidanceMethod = (typeof guidanceMethods)[number];

export interface Guidance {
  readonly method: GuidanceMethod;
  /** ω. */
  readonly scale: number;
  /** The id of a masked position of the condition: K. */
  readonly maskId: number;
  /** P_mask of the partial branch (mcs only); default 0.1 as in the paper. */
  readonly maskRate?: number;
  /** Draws the masked positions anew at every step instead of once for each image. */
  readonly redraw?: boolean;
  /** [S]: the positions that the partial branch of mcs does not see (not 0), instead of positions drawn at random. */
  readonly hidden?: ArrayLike<number>;
}

/** The weight of the full model in log p_less + weight · (log p_full - log p_less). */
export function fullWeight({ method, scale }: Pick<Guidance, "method" | "scale">): number {
  if (!guidanceMethods.includes(method)) {
    throw new UserError(`There is no guidance "${method}"; choose one of ${guidanceMethods.join(", ")}.`);
  }
  if (!Number.isFinite(scale)) throw new UserError(`The guidance scale is ${scale}; it must be a number.`);
  if (method === "none") return 1;
  return method === "mcs-printed" ? 1 - scale : scale;
}

/** Both conditions of a guided batch: [2B, S], the full ones of `y` [B, S], then the masked ones. */
export function guidedCondition(rng: Rng, y: Tensor<"u32">, guidance: Guidance): Tensor<"u32"> {
  if (guidance.hidden && guidance.method !== "cfg")
    return hiddenCondition(y, guidance.hidden, guidance.maskId);
  const maskRate = guidance.method === "cfg" ? 1 : (guidance.maskRate ?? 0.1);
  return maskCondition(rng, y, { conditionRate: 1, maskRate, maskId: guidance.maskId }, true);
}

function hiddenCondition(y: Tensor<"u32">, hidden: ArrayLike<number>, maskId: number): Tensor<"u32"> {
  const [samples, positions] = y.shape as [number, number];
  if (hidden.length !== positions) {
    throw new UserError(
      `The hidden positions are ${hidden.length} numbers; the condition has ${positions} positions.`,
    );
  }
  const { gpu } = y;
  const both = empty(gpu, [2 * samples, positions], "u32", "condition");
  gpu.scope(() => {
    const at = Uint32Array.from({ length: y.size }, (_, i) => (hidden[i % positions] ? 1 : 0));
    const partial = fixWords(y, {
      at: fromArray(gpu, at, y.shape, "u32", "hidden positions"),
      words: fromArray(gpu, new Uint32Array(y.size).fill(maskId), y.shape, "u32", "masks"),
    });
    const bytes = 4 * y.size;
    gpu.copyBuffer(y.storage, 4 * y.offset, both.storage, 0, bytes);
    gpu.copyBuffer(partial.storage, 0, both.storage, bytes, bytes);
  });
  return both;
}
