/**
 * p_θ(x_u | x_t) = Σ_k q(x_u | x_t, x_0 = k) p̃(k), the paper's reverse step (posterior mean, the posterior normalised for
 * each k), for u = t-1 or any earlier u. D3PM's own form, Σ_k q(x_u, x_t | k) p̃(k) normalised once at the end, is a
 * different distribution wherever x_t is not [MASK].
 */

import type { Tensor } from "../engine/tensor/tensor.js";
import type { TransitionTable } from "./coefficients.js";
import { posteriorLogProbs } from "./posterior-sum.js";
import type { Schedule } from "./schedule.js";

/**
 * log p_θ(x_u | x_t) [B, L, M+1] on the GPU, from log p̃ [B, L, M], x_t [B, L] and t [B]; u is the step that the table
 * visits after t. Log 0 is `logZero`.
 */
export function reverseLogProbs(
  table: TransitionTable,
  logProbs: Tensor,
  xt: Tensor<"u32">,
  t: Tensor<"u32">,
): Tensor {
  return posteriorLogProbs(logProbs, xt, t, table.coefficients);
}

/**
 * The same for one position in float64 and in O(M): with l_k = q(x_t | x_0 = k), r_k = p_k / l_k, S = Σ r_k and
 * s_j = q(x_t | x_u = j): out_j = s_j (ᾱ_u r_j + β̄_u S), out_[MASK] = s_[MASK] γ̄_u S. A token under β̄_t = 0 is x_0 itself and
 * stays.
 */
export function reverseProbabilities(
  schedule: Schedule,
  p: ArrayLike<number>,
  xt: number,
  u: number,
  t: number,
): Float64Array {
  const { tokens } = schedule;
  const out = new Float64Array(tokens + 1);
  const before = schedule.cumulative(u);
  const after = schedule.cumulative(t);
  const jump = schedule.jump(u, t);
  const masked = xt === tokens;
  if (!masked && after.beta === 0) {
    out[xt] = 1;
    return out;
  }
  const likelihood = (k: number) => (masked ? after.gamma : after.beta + (k === xt ? after.alpha : 0));
  let sum = 0;
  for (let k = 0; k < tokens; k++) sum += p[k]! / likelihood(k);
  for (let j = 0; j < tokens; j++) {
    const move = masked ? jump.gamma : jump.beta + (j === xt ? jump.alpha : 0);
    out[j] = move * (before.alpha * (p[j]! / likelihood(j)) + before.beta * sum);
  }
  out[tokens] = masked ? before.gamma * sum : 0;
  return out;
}
