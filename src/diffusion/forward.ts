/**
 * q, the forward process from clean to noised tokens (shaders/diffusion/forward.wgsl).
 *
 *   q(x_t | x_{t-1}) = x_{t-1} Q_t  β_t at each token, α_t more at x_{t-1}, γ_t at [MASK]; [MASK] stays  (`Schedule.step`)
 *   q(x_t | x_0)     = x_0 Q̄_t      β̄_t at each token, ᾱ_t more at x_0, γ̄_t at [MASK]                    (`Schedule.cumulative`)
 */

import * as kernels from "../engine/gpu/kernels.generated.js";
import type { Tunable } from "../engine/gpu/tuning/tuning-table.js";
import type { Rng } from "../engine/ops/rng.js";
import { checkTensors } from "../engine/tensor/arguments.js";
import { ShapeError } from "../engine/tensor/errors.js";
import { empty, type Tensor } from "../engine/tensor/tensor.js";
import type { Schedule } from "./schedule.js";

/** Default values of the parameters of shaders/diffusion/forward.wgsl that an entry point does not use. */
const unused = { tokens: 0, per_step: 1, last: 0 };

/** One invocation for each of `count` elements. */
const perElement = ({ gpu }: Rng, kernel: Tunable<{ WORKGROUP: number }>, count: number) => ({
  groups: gpu.groups1d(count, gpu.tunables(kernel).WORKGROUP),
});

/** The part of a `TransitionTable` that the forward process uses. */
export interface NoiseTable {
  readonly thresholds: Tensor<"u32">;
  readonly schedule: Pick<Schedule, "tokens" | "steps">;
}

/**
 * q(x_t | x_0) over the M+1 states, x_0 given as a distribution over M tokens, or M+1 with mass on [MASK]:
 * ᾱ_t p_j + β̄_t (1 - m) at token j, γ̄_t + (1 - γ̄_t) m at [MASK], m being the mass on [MASK].
 */
export function forwardProbabilities(schedule: Schedule, p: ArrayLike<number>, t: number): Float64Array {
  const { tokens } = schedule;
  const { alpha, beta, gamma } = schedule.cumulative(t);
  const masked = p.length > tokens ? p[tokens]! : 0;
  const out = new Float64Array(tokens + 1);
  for (let j = 0; j < tokens; j++) out[j] = alpha * p[j]! + beta * (1 - masked);
  out[tokens] = gamma + (1 - gamma) * masked;
  return out;
}

/** t ~ U{1 … T} for each of `count` sequences, as in Algorithm 1: u32 [count]. */
export function sampleTimesteps(
  rng: Rng,
  { schedule }: Pick<NoiseTable, "schedule">,
  count: number,
): Tensor<"u32"> {
  const kernel = kernels.forward.timesteps;
  const drawn = empty(rng.gpu, [count], "u32", "t");
  const params = { ...unused, count, stream: rng.nextStream(), last: schedule.steps };
  rng.gpu.run(kernel, { rng: rng.state, drawn }, params, perElement(rng, kernel, count));
  return drawn;
}

/**
 * x_t ~ q(x_t | x_0) = x_0 Q̄_t: u32 tokens shaped like `x0`, M being [MASK]. `t` holds a step for each sequence: the elements of
 * `x0` are divided evenly among its entries. If x_0 or t is out of range the result is 2^32 - 1, which is not a token;
 * `checkFinite` names the value.
 */
export function qSample(
  rng: Rng,
  { thresholds, schedule: { tokens } }: NoiseTable,
  x0: Tensor<"u32">,
  t: Tensor<"u32">,
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
  const kernel = kernels.forward.qSample;
  const drawn = empty(rng.gpu, x0.shape, "u32", "x_t");
  const params = {
    ...unused,
    count: x0.size,
    stream: rng.nextStream(),
    tokens,
    per_step: x0.size / t.size,
  };
  rng.gpu.run(
    kernel,
    { rng: rng.state, x0, time: t, thresholds, drawn },
    params,
    perElement(rng, kernel, x0.size),
  );
  return drawn;
}

/** x_T ~ p(x_T), the prior from which sampling starts: [MASK] with γ̄_T, else a uniform token; u32 of the given shape. */
export function samplePrior(
  rng: Rng,
  { thresholds, schedule: { tokens, steps } }: NoiseTable,
  shape: readonly number[],
): Tensor<"u32"> {
  checkTensors("samplePrior", "u32", thresholds);
  const kernel = kernels.forward.prior;
  const drawn = empty(rng.gpu, shape, "u32", "x_T");
  const params = { ...unused, count: drawn.size, stream: rng.nextStream(), tokens, last: steps };
  rng.gpu.run(kernel, { rng: rng.state, thresholds, drawn }, params, perElement(rng, kernel, drawn.size));
  return drawn;
}
