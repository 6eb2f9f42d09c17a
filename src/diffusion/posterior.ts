/**
 * p_θ(x_u | x_t) = Σ_k q(x_u | x_t, x_0 = k) p̃(k), the paper's reverse step (posterior mean, the posterior normalised for
 * each k), for u = t-1 or any earlier u. D3PM's own form, Σ_k q(x_u, x_t | k) p̃(k) normalised once at the end, is a
 * different distribution wherever x_t is not [MASK].
 *
 * Training does not call this: shaders/diffusion/loss.wgsl has the posterior in the loss (loss.ts). Sampling draws x_0 and then x_u from
 * q(x_u | x_t, x_0) (sample-step.ts), which is a draw from the same distribution. The bound and the tests use it.
 */

import * as kernels from "../engine/gpu/kernels.generated.js";
import { checkTensors } from "../engine/tensor/arguments.js";
import { ShapeError } from "../engine/tensor/errors.js";
import { empty, type Tensor } from "../engine/tensor/tensor.js";
import type { TransitionTable } from "./coefficients.js";
import type { Schedule } from "./schedule.js";

/** With `checkFinite` on: whether the table of `coefficients` [T+1, 20] visits all steps of `t`. */
export function checkSteps(op: string, t: Tensor<"u32">, coefficients: Tensor): void {
  // The seventh coefficient of a step is 0 only if the step is not visited.
  t.gpu.checker?.ids(
    op,
    t,
    "a step that the table visits",
    (id, table) => Boolean(table[20 * id + 6]),
    coefficients,
  );
}

/**
 * log p_θ(x_u | x_t) [..., M+1] from normalised log p̃ [..., M], tokens `xt` (one a row, M being [MASK]) and the steps
 * `t` (rows divided evenly among its entries); u is the step that the table visits after t. `coefficients` is
 * `TransitionTable.coefficients`. O(M) a row; without gradient (the loss has its own). A row is NaN whose x_t is above M, or
 * whose t the table does not visit; `checkFinite` names it.
 */
export function posteriorLogProbs(
  logProbs: Tensor,
  xt: Tensor<"u32">,
  t: Tensor<"u32">,
  coefficients: Tensor,
): Tensor {
  checkTensors("posterior", "f32", logProbs, coefficients);
  checkTensors("posterior", "u32", xt, t);
  const { gpu } = logProbs;
  const width = logProbs.shape.at(-1)!;
  const rows = logProbs.size / width;
  if (xt.size !== rows || rows % t.size !== 0) {
    const shapes = [logProbs, xt, t].map((tensor) => `[${tensor.shape.join(", ")}]`);
    throw new ShapeError(
      "posterior",
      `log p̃ ${shapes[0]} with x_t ${shapes[1]} and t ${shapes[2]}: one x_t a row, rows divisible among t`,
    );
  }
  gpu.checker?.ids("posterior", xt, `at most ${width}`, (id) => id <= width);
  checkSteps("posterior", t, coefficients);
  const result = empty(gpu, [...logProbs.shape.slice(0, -1), width + 1], "f32", "log p(x_u)");
  gpu.run(
    kernels.posterior.forward,
    { log_probs: logProbs, xt, time: t, steps: coefficients, result },
    { rows, width, per_step: rows / t.size },
    { groups: gpu.groups1d(rows, 1) },
  );
  return result;
}

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
