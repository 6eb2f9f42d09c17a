/**
 * Guidance: two predictions of x_0, under the full condition and under less of it, extrapolated in log space and
 * renormalised before the posterior (Definitions 1 and 2; shaders/diffusion/guidance.wgsl).
 *
 *   cfg          less = no condition at all:  log p_less + ω (log p_full - log p_less)
 *   mcs          less = a part of the condition, the rest masked; the same formula, ω on the full model, as the paper's
 *                prose and classifier-free guidance have it: ω = 1 is the full model
 *   mcs-printed  as the paper's Definition 2 is printed: ω log p_less + (1 - ω) log p_full. ω multiplies the PARTIAL
 *                model, so ω = 0 is the full model and ω > 1 moves away from the masked information. It is mcs(1 - ω).
 */

import * as kernels from "../engine/gpu/kernels.generated.js";
import type { Rng } from "../engine/ops/rng.js";
import { checkTensors } from "../engine/tensor/arguments.js";
import { ShapeError } from "../engine/tensor/errors.js";
import { empty, type Tensor } from "../engine/tensor/tensor.js";
import { UserError } from "../platform/errors.js";
import { hiddenCondition, type MaskShape, maskCondition } from "./masking.js";

/** The guidance methods by name, `none` first. */
export const guidanceMethods = ["none", "cfg", "mcs", "mcs-printed"] as const;
/** A guidance method by name; the header of guidance.ts lists the equations. */
export type GuidanceMethod = (typeof guidanceMethods)[number];

/** How the full and the partial (or empty) condition are mixed while sampling. */
export interface Guidance {
  readonly method: GuidanceMethod;
  /** ω. */
  readonly scale: number;
  /** The id of a masked position of the condition: K. */
  readonly maskId: number;
  /** P_mask of the partial branch (mcs only); default 0.1 as in the paper. */
  readonly maskRate?: number;
  /** What the partial branch loses (mcs only): single positions, or a rectangle; default "random". */
  readonly maskShape?: MaskShape | undefined;
  /** Redraws the masked positions at every step instead of once for each image. */
  readonly redraw?: boolean;
  /** `[S]`: the positions hidden from the partial branch of mcs (not 0), instead of positions drawn at random. */
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

/** Whether the partial branch has masks that are drawn: each caption then has its own. */
export const drawsMasks = ({ method, hidden }: Pick<Guidance, "method" | "hidden">): boolean =>
  method !== "none" && method !== "cfg" && !hidden;

/** Both conditions of a guided batch: [2B, S], the full ones of `y` [B, S], then the masked ones. */
export function guidedCondition(rng: Rng, y: Tensor<"u32">, guidance: Guidance): Tensor<"u32"> {
  if (guidance.hidden && guidance.method !== "cfg")
    return hiddenCondition(y, guidance.hidden, guidance.maskId);
  const maskRate = guidance.method === "cfg" ? 1 : (guidance.maskRate ?? 0.1);
  const shape = guidance.method === "cfg" ? "random" : guidance.maskShape;
  return maskCondition(rng, y, { conditionRate: 1, maskRate, shape, maskId: guidance.maskId }, true);
}

/**
 * log p = log p_partial + scale · (log p_full - log p_partial), renormalised over the tokens. `logits` [2B, ..., M]
 * holds the full condition's half, then the partial (or empty) condition's; the result is [B, ..., M].
 */
export function mixBranches(logits: Tensor, scale: number): Tensor {
  checkTensors("mixBranches", "f32", logits);
  if (logits.shape[0]! % 2 !== 0) {
    throw new ShapeError(
      "mixBranches",
      `logits [${logits.shape.join(", ")}] do not divide into a full and a partial half`,
    );
  }
  const { gpu } = logits;
  const width = logits.shape.at(-1)!;
  const mixed = empty(gpu, [logits.shape[0]! / 2, ...logits.shape.slice(1)], "f32", "guided log p");
  const rows = mixed.size / width;
  gpu.run(
    kernels.guidance.mixBranches,
    { scores: logits, mixed },
    { rows, width, scale },
    { groups: gpu.groups1d(rows, 1) },
  );
  return mixed;
}
