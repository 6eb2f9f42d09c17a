/**
 * The Masked Condition Strategy's masks: the positions of y hidden from a network (shaders/diffusion/masking.wgsl).
 *
 *   Algorithm 1: per sample p ~ U(0, 1);  if p < P_cond:  y_i ← [MASK] wherever its own draw p_i ~ U(0, 1) is <= P_mask
 *   or, with shape "blocks", wherever i lies in a rectangle of nearly P_mask · S codes at a random place
 *   or, with rates "drawn", with a P_mask of the sample's own, uniform between 0 and the given one
 */

import * as kernels from "../engine/gpu/kernels.generated.js";
import { probabilityThreshold } from "../engine/ops/philox.js";
import type { Rng } from "../engine/ops/rng.js";
import { checkTensors } from "../engine/tensor/arguments.js";
import { ShapeError } from "../engine/tensor/errors.js";
import { empty, fromArray, type Tensor } from "../engine/tensor/tensor.js";
import { UserError } from "../platform/errors.js";
import { fixWords } from "./sample-step.js";

/** What is masked: single positions, each by its own draw, or one rectangle of the code grid of nearly that share. */
export const maskShapes = ["random", "blocks"] as const;
/** Whether all masked samples have one P_mask, or each its own. */
export const maskRateKinds = ["same", "drawn"] as const;

/** A shape of masks by name. */
export type MaskShape = (typeof maskShapes)[number];

/** How Algorithm 1 of the paper masks the condition. */
export interface ConditionMask {
  /** P_cond: the share of samples with masked positions. */
  readonly conditionRate: number;
  /** P_mask: the share of positions masked in such a sample. 1 drops the condition as classifier-free training does. */
  readonly maskRate: number;
  /**
   * Default "same", as in the paper. "drawn": each sample draws its own rate, uniform between 0 and `maskRate`, or each side of its
   * rectangle, from 1 to that of the rectangle of `maskRate`. One network then learns every share of the condition.
   */
  readonly rates?: (typeof maskRateKinds)[number] | undefined;
  /** Default "random", as in the paper; "blocks" needs positions that form a square grid. */
  readonly shape?: MaskShape | undefined;
  /** P_drop: the share of samples that lose the whole condition, regardless of P_cond; default 0, as in the paper. */
  readonly dropRate?: number;
  /** The id of a masked position: K, the row after the codebook's. */
  readonly maskId: number;
}

/**
 * Rows and columns of the rectangle that "blocks" hides of a grid of side² codes: of those at most twice as long as wide, the one
 * whose area is nearest to `share` of the grid; of equally near ones that with the fewest rows. Either side may be the rows.
 */
export function maskBlock(side: number, share: number): [rows: number, columns: number] {
  const wanted = share * side * side;
  let best: [number, number] = [0, 0];
  for (let rows = 1; rows <= side; rows++)
    for (let columns = rows; columns <= Math.min(side, 2 * rows); columns++)
      if (Math.abs(rows * columns - wanted) < Math.abs(best[0] * best[1] - wanted)) best = [rows, columns];
  return best;
}

/**
 * Algorithm 1 of the paper on condition ids `y` `[B, S]`: per sample p ~ U(0,1); if p < P_cond, every position whose own
 * draw is <= P_mask becomes `maskId` (or every position of a rectangle); with probability P_drop all positions do. With `pair` the result is [2B, S]: the full
 * conditions, then the masked ones, as guidance needs them.
 */
export function maskCondition(
  rng: Rng,
  y: Tensor<"u32">,
  { conditionRate, maskRate, dropRate = 0, maskId, rates = "same", shape = "random" }: ConditionMask,
  pair = false,
): Tensor<"u32"> {
  checkTensors("maskCondition", "u32", y);
  if (y.rank !== 2)
    throw new ShapeError(
      "maskCondition",
      `the condition [${y.shape.join(", ")}] is not [samples, positions]`,
    );
  for (const [name, rate] of [
    ["P_cond", conditionRate],
    ["P_mask", maskRate],
    ["P_drop", dropRate],
  ] as const) {
    if (!(rate >= 0 && rate <= 1))
      throw new UserError(`The probability ${name} is ${rate}; it must lie between 0 and 1.`);
  }
  const [samples, positions] = y.shape as [number, number];
  const side = shape === "blocks" ? Math.sqrt(positions) : 0;
  if (!Number.isInteger(side))
    throw new ShapeError("maskCondition", `${positions} positions are no square grid to mask blocks of`);
  const [rows, columns] = side > 0 ? maskBlock(side, maskRate) : [0, 0];
  const kernel = kernels.masking.maskCondition;
  const drawn = empty(rng.gpu, [pair ? 2 * samples : samples, positions], "u32", "condition");
  const params = {
    count: y.size,
    stream: rng.nextStream(),
    per_sample: positions,
    sample_threshold: probabilityThreshold(conditionRate),
    position_threshold: probabilityThreshold(maskRate),
    drop_threshold: probabilityThreshold(dropRate),
    mask: maskId,
    pair: pair ? 1 : 0,
    side,
    rows,
    columns,
    rates_drawn: rates === "drawn" ? 1 : 0,
  };
  rng.gpu.run(kernel, { rng: rng.state, condition: y, drawn }, params, {
    groups: rng.gpu.groups1d(y.size, rng.gpu.tunables(kernel).WORKGROUP),
  });
  return drawn;
}

/** The full conditions of `y` [B, S], then those without the positions listed in `hidden` [S]: [2B, S]. */
export function hiddenCondition(y: Tensor<"u32">, hidden: ArrayLike<number>, maskId: number): Tensor<"u32"> {
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
