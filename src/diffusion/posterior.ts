/**
 * The posterior of the forward process and the model's reverse step, for u = t-1 or any earlier u:
 *
 *   q(x_u | x_t, x_0)   = q(x_t | x_u) q(x_u | x_0) / q(x_t | x_0)
 *   p_θ(x_u | x_t, y)   = Σ_k q(x_u | x_t, x_0 = k) p̃_θ(k | x_t, y)    posterior mean, the posterior normalised for each k
 *
 * D3PM's form, Σ_k q(x_u, x_t | k) p̃(k) normalised once at the end, is a different distribution wherever x_t is not [MASK].
 *
 * Three kernels run p_θ. A change of its formula must be made in all three; the tests hold each against the same explicit
 * matrices (test/reference/diffusion.ts):
 *
 *   training   shaders/diffusion/loss.wgsl: fused with log-softmax and the KL of loss.ts, Z_j is its mass at j
 *   sampling   shaders/diffusion/sample-step.wgsl: x_0 ~ p̃, then x_u ~ q(x_u | x_t, x_0), a draw from p_θ (sample-step.ts)
 *   the bound  shaders/diffusion/posterior.wgsl: all log-probabilities, from here (models/mc-diffusion/bound.ts)
 */

import * as kernels from "../engine/gpu/kernels.generated.js";
import * as structs from "../engine/gpu/structs.generated.js";
import { checkTensors } from "../engine/tensor/arguments.js";
import { ShapeError } from "../engine/tensor/errors.js";
import { empty, type Tensor } from "../engine/tensor/tensor.js";
import type { TransitionTable } from "./coefficients.js";
import type { Schedule, Transition } from "./schedule.js";

/** With `checkFinite` on: whether the table of `coefficients` visits all steps of `t`. */
export function checkSteps(op: string, t: Tensor<"u32">, coefficients: Tensor): void {
  const { words, offsets } = structs.coefficients;
  // 0 only if the step is not visited.
  t.gpu.checker?.ids(
    op,
    t,
    "a step that the table visits",
    (id, table) => Boolean(table[words * id + offsets.adaptive]),
    coefficients,
  );
}

/**
 * log p_θ(x_u | x_t) [..., M+1] from normalised log p̃ [..., M], tokens `xt` (one per row, M being [MASK]) and the steps `t`
 * (rows divided evenly among its entries); u is the step that the table visits after t. `coefficients` is
 * `TransitionTable.coefficients`. O(M) per row; without gradient (the loss has a separate one). A row is NaN if its x_t is above
 * M or the table does not visit its t; `checkFinite` names the value.
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
 * q(x_u | x_t, x_0) over the M+1 states in float64, by Bayes' rule: q(x_t | x_u = j) q(x_u = j | x_0) / q(x_t | x_0). NaN if
 * x_t cannot come from x_0.
 */
export function qPosterior(schedule: Schedule, x0: number, xt: number, u: number, t: number): Float64Array {
  const { tokens } = schedule;
  const transition = ({ alpha, beta, gamma }: Transition, from: number, to: number) => {
    if (from === tokens) return to === tokens ? 1 : 0;
    return to === tokens ? gamma : beta + (from === to ? alpha : 0);
  };
  const [before, jump] = [schedule.cumulative(u), schedule.jump(u, t)];
  const likelihood = transition(schedule.cumulative(t), x0, xt);
  return Float64Array.from(
    { length: tokens + 1 },
    (_, j) => (transition(jump, j, xt) * transition(before, x0, j)) / likelihood,
  );
}

/**
 * p_θ(x_u | x_t) of one position in float64 and in O(M): with l_k = q(x_t | x_0 = k), r_k = p_k / l_k, S = Σ r_k and
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
