/** q: how clean tokens become noised ones (equations in reference order: q(x_t | x_0) = x_0 Q̄_t). */

import type { Rng } from "../engine/ops/rng.js";
import type { Tensor } from "../engine/tensor/tensor.js";
import type { TransitionTable } from "./coefficients.js";
import { qSample, samplePrior, sampleTimesteps } from "./noise.js";
import type { Schedule } from "./schedule.js";

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

/** t ~ U{1 … T} for each of `batch` sequences, as in Algorithm 1: u32 [batch]. */
export function drawTimesteps(rng: Rng, table: TransitionTable, batch: number): Tensor<"u32"> {
  return sampleTimesteps(rng, batch, table.schedule.steps);
}

/** x_t ~ q(x_t | x_0) for x_0 [B, L] and t [B]: u32 [B, L] with M for [MASK]. */
export function addNoise(
  rng: Rng,
  table: TransitionTable,
  x0: Tensor<"u32">,
  t: Tensor<"u32">,
): Tensor<"u32"> {
  return qSample(rng, x0, t, table.thresholds, table.schedule.tokens);
}

/** x_T ~ p(x_T), the prior that sampling starts from: u32 of the given shape. */
export function drawPrior(rng: Rng, table: TransitionTable, shape: readonly number[]): Tensor<"u32"> {
  return samplePrior(rng, shape, table.thresholds, table.schedule.tokens, table.schedule.steps);
}
