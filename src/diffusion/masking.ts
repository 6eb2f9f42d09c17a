/**
 * The Masked Condition Strategy's masks: the positions of y hidden from a network (shaders/diffusion/masking.wgsl).
 *
 *   Algorithm 1: per sample p ~ U(0, 1);  if p < P_cond:  y_i ← [MASK] wherever its own draw p_i ~ U(0, 1) is <= P_mask
 */

import * as kernels from "../engine/gpu/kernels.generated.js";
import { probabilityThreshold } from "../engine/ops/philox.js";
import type { Rng } from "../engine/ops/rng.js";
import { checkTensors } from "../engine/tensor/arguments.js";
import { ShapeError } from "../engine/tensor/errors.js";
import { empty, fromArray, type Tensor } from "../engine/tensor/tensor.js";
import { UserError } from "../platform/errors.js";
import { fixWords } from "./sample-step.js";

/** How Algorithm 1 of the paper masks the condition. */
export interface ConditionMask {
  /** P_cond: the share of samples with masked positions. */
  readonly conditionRate: number;
  /** P_mask: the share of positions masked in such a sample. 1 drops the condition as classifier-free training does. */
  readonly maskRate: number;
  /** P_drop: the share of samples that lose the whole condition, regardless of P_cond; default 0, as in the paper. */
  readonly dropRate?: number;
  /** The id of a masked position: K, the row after the codebook's. */
  readonly maskId: number;
}

/**
 * Algorithm 1 of the paper on condition ids `y` `[B, S]`: per sample p ~ U(0,1); if p < P_cond, every position whose own
 * draw is <= P_mask becomes `maskId`; with probability P_drop all positions do. With `pair` the result is [2B, S]: the full
 * conditions, then the masked ones, as guidance needs them.
 */
export function maskCondition(
  rng: Rng,
  y: Tensor<"u32">,
  { conditionRate, maskRate, dropRate = 0, maskId }: ConditionMask,
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
