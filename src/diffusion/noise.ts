/** The random steps of training and of the start of sampling (shaders/noise.wgsl): tokens, steps, masked conditions. */

import * as kernels from "../engine/gpu/kernels.generated.js";
import type { Tunable } from "../engine/gpu/tuning/tuning-table.js";
import { probabilityThreshold } from "../engine/ops/philox.js";
import type { Rng } from "../engine/ops/rng.js";
import { checkTensors } from "../engine/tensor/arguments.js";
import { ShapeError } from "../engine/tensor/errors.js";
import { empty, type Tensor } from "../engine/tensor/tensor.js";
import { UserError } from "../platform/errors.js";

const unused = {
  count: 0,
  stream: 0,
  tokens: 0,
  per_step: 1,
  last: 0,
  sample_threshold: 0,
  position_threshold: 0,
  drop_threshold: 0,
  mask: 0,
  pair: 0,
  restart_after: 0,
};

function grid(
  rng: Rng,
  kernel: Tunable<{ WORKGROUP: number }>,
  count: number,
): { groups: [number, number, number] } {
  return { groups: rng.gpu.groups1d(count, rng.gpu.tunables(kernel).WORKGROUP) };
}

/**
 * x_t ~ q(x_t | x_0): u32 tokens shaped like `x0`, `tokens` (M) being [MASK]. `t` holds a step for each sequence: the
 * elements of `x0` are divided evenly among its entries. `thresholds` is `TransitionTable.thresholds`. Where x_0 or t is out of
 * range the result is 2^32 - 1, which is no token; `checkFinite` names it.
 */
export function qSample(
  rng: Rng,
  x0: Tensor<"u32">,
  t: Tensor<"u32">,
  thresholds: Tensor<"u32">,
  tokens: number,
): Tensor<"u32"> {
  checkTensors("qSample", "u32", x0, t, thresholds);
  if (x0.size % t.size !== 0) {
    throw new ShapeError(
      "qSample",
      `x0 [${x0.shape.join(", ")}] is not divisible among t [${t.shape.join(", ")}]`,
    );
  }
  const { gpu } = rng;
  gpu.checker?.ids("qSample", x0, `below ${tokens}`, (id) => id < tokens);
  const last = thresholds.shape[0]! - 1;
  gpu.checker?.ids("qSample", t, `a step from 1 to ${last}`, (id) => id > 0 && id <= last);
  const kernel = kernels.noise.qSample;
  const drawn = empty(rng.gpu, x0.shape, "u32", "x_t");
  const params = { ...unused, count: x0.size, stream: rng.nextStream(), tokens, per_step: x0.size / t.size };
  rng.gpu.run(kernel, { rng: rng.state, x0, time: t, thresholds, drawn }, params, grid(rng, kernel, x0.size));
  return drawn;
}

/** x_T ~ p(x_T): [MASK] with γ̄_T, else a uniform token; u32 of the given shape. `last` is T. */
export function samplePrior(
  rng: Rng,
  shape: readonly number[],
  thresholds: Tensor<"u32">,
  tokens: number,
  last: number,
): Tensor<"u32"> {
  checkTensors("samplePrior", "u32", thresholds);
  const kernel = kernels.noise.prior;
  const drawn = empty(rng.gpu, shape, "u32", "x_T");
  const params = { ...unused, count: drawn.size, stream: rng.nextStream(), tokens, last };
  rng.gpu.run(kernel, { rng: rng.state, thresholds, drawn }, params, grid(rng, kernel, drawn.size));
  return drawn;
}

/** t ~ U{1 … steps}: u32 of length `count`. */
export function sampleTimesteps(rng: Rng, count: number, steps: number): Tensor<"u32"> {
  const kernel = kernels.noise.timesteps;
  const drawn = empty(rng.gpu, [count], "u32", "t");
  const params = { ...unused, count, stream: rng.nextStream(), last: steps };
  rng.gpu.run(kernel, { rng: rng.state, drawn }, params, grid(rng, kernel, count));
  return drawn;
}

/**
 * A row of `rows` for each code that is due for a restart, idle[k] >= `restartAfter`: u32 shaped like `idle` (0 where it
 * is not due). Rows are drawn without replacement. If more codes are due than there are rows, every row is drawn equally
 * often, give or take one.
 */
export function drawRestartRows(rng: Rng, idle: Tensor, rows: number, restartAfter: number): Tensor<"u32"> {
  const kernel = kernels.noise.restartRows;
  const drawn = empty(rng.gpu, idle.shape, "u32", "restart rows");
  const params = {
    ...unused,
    count: idle.size,
    stream: rng.nextStream(),
    last: rows,
    restart_after: restartAfter,
  };
  rng.gpu.run(kernel, { rng: rng.state, idle, drawn }, params, grid(rng, kernel, idle.size));
  return drawn;
}

export interface ConditionMask {
  /** P_cond: the share of samples that lose anything. */
  readonly conditionRate: number;
  /** P_mask: the share of its positions that such a sample loses. 1 drops the condition as classifier-free training does. */
  readonly maskRate: number;
  /** P_drop: the share of samples that lose the whole condition, whatever P_cond says; default 0, as in the paper. */
  readonly dropRate?: number;
  /** The id that stands for a masked position: K, the row after the codebook's. */
  readonly maskId: number;
}

/**
 * Algorithm 1 of the paper on condition ids `y` [B, S]: per sample p ~ U(0,1); where p < P_cond, every position whose own
 * draw is <= P_mask becomes `maskId`; with probability P_drop all of them do. With `pair` the result is [2B, S]: the full conditions, then the masked ones, as
 * guidance needs them.
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
  const kernel = kernels.noise.maskCondition;
  const drawn = empty(rng.gpu, [pair ? 2 * samples : samples, positions], "u32", "condition");
  const params = {
    ...unused,
    count: y.size,
    stream: rng.nextStream(),
    per_step: positions,
    sample_threshold: probabilityThreshold(conditionRate),
    position_threshold: probabilityThreshold(maskRate),
    drop_threshold: probabilityThreshold(dropRate),
    mask: maskId,
    pair: pair ? 1 : 0,
  };
  rng.gpu.run(kernel, { rng: rng.state, condition: y, drawn }, params, grid(rng, kernel, y.size));
  return drawn;
}
