/**
 * The process as explicit (M+1)×(M+1) matrices in float64: the reference for the closed forms, and the way to run any other
 * transition on a small vocabulary. Row convention: Q[i, j] = q(x_t = j | x_{t-1} = i), so that rows sum to one, token rows end
 * in γ_t and the [MASK] row is (0, …, 0, 1). (The paper states this convention but prints the matrix transposed.)
 */

import * as kernels from "../engine/gpu/kernels.generated.js";
import { checkTensors } from "../engine/tensor/arguments.js";
import { ShapeError } from "../engine/tensor/errors.js";
import { empty, type Tensor } from "../engine/tensor/tensor.js";

import { UserError } from "../platform/errors.js";
import type { Schedule, Transition } from "./schedule.js";

/** A square matrix, row by row. */
export interface Matrix {
  readonly size: number;
  readonly values: Float64Array;
}

/**
 * Q_t, or the matrix of a jump: α + β on the diagonal of the M tokens, β beside it, γ in the column of [MASK]; the row of [MASK]
 * is (0, …, 0, 1).
 */
export function transitionMatrix({ alpha, beta, gamma }: Transition, tokens: number): Matrix {
  const size = tokens + 1;
  const values = new Float64Array(size * size);
  for (let i = 0; i < tokens; i++) {
    for (let j = 0; j < tokens; j++) values[i * size + j] = beta + (i === j ? alpha : 0);
    values[i * size + tokens] = gamma;
  }
  values[size * size - 1] = 1;
  return { size, values };
}

export function multiply(a: Matrix, b: Matrix): Matrix {
  if (a.size !== b.size)
    throw new UserError(`A matrix of ${a.size} rows cannot be multiplied with one of ${b.size}.`);
  const { size } = a;
  const values = new Float64Array(size * size);
  for (let i = 0; i < size; i++) {
    for (let k = 0; k < size; k++) {
      const factor = a.values[i * size + k]!;
      for (let j = 0; j < size; j++) values[i * size + j]! += factor * b.values[k * size + j]!;
    }
  }
  return { size, values };
}

export function identity(size: number): Matrix {
  const values = new Float64Array(size * size);
  for (let i = 0; i < size; i++) values[i * size + i] = 1;
  return { size, values };
}

/** Q̄_t = Q_1 Q_2 … Q_t for t = 0 … T, multiplied out step by step. */
export function cumulativeMatrices(schedule: Schedule): Matrix[] {
  const all = [identity(schedule.tokens + 1)];
  for (let t = 1; t <= schedule.steps; t++) {
    all.push(multiply(all[t - 1]!, transitionMatrix(schedule.step(t), schedule.tokens)));
  }
  return all;
}

/**
 * Posterior mean p_θ(x_u | x_t) = Σ_k q(x_u | x_t, x_0 = k) p̃(k), the posterior normalised for each k, of any process: `toT` is
 * the transition from u to t, `barU` and `barT` those from 0 to u and to t. `p` has one entry per state, or one fewer ([MASK] has
 * none). If q(x_t | x_0 = k) = 0 the pair cannot occur and p̃(k) is left out; the remaining ones are scaled to sum to one, and if
 * none remains all possible x_0 count alike.
 */
export function posterior(
  p: ArrayLike<number>,
  xt: number,
  toT: Matrix,
  barU: Matrix,
  barT: Matrix,
): Float64Array {
  const { size } = toT;
  const out = new Float64Array(size);
  let used = 0;
  for (let k = 0; k < p.length; k++) {
    const likelihood = barT.values[k * size + xt]!;
    if (likelihood === 0) continue;
    used += p[k]!;
    for (let j = 0; j < size; j++) {
      out[j]! += (p[k]! * barU.values[k * size + j]! * toT.values[j * size + xt]!) / likelihood;
    }
  }
  if (used === 0) {
    // p̃ excludes every x_0 that x_t can come from: use the posterior of all of them, equally weighted.
    const flat = new Float64Array(p.length);
    for (let k = 0; k < p.length; k++) flat[k] = barT.values[k * size + xt]! > 0 ? 1 : 0;
    if (!flat.some((value) => value > 0)) throw new UserError(`State ${xt} cannot be reached from any x_0.`);
    const total = flat.reduce((sum, value) => sum + value, 0);
    return posterior(
      flat.map((value) => value / total),
      xt,
      toT,
      barU,
      barT,
    );
  }
  return out.map((value) => value / used);
}

/**
 * log p_θ(x_u | x_t) of posterior.ts for any process over S states (shaders/diffusion/transition-matrix.wgsl), given as [S, S]
 * matrices (rows from, columns to): `toT` from u to t, `barU` and `barT` from 0. `logProbs` is [..., S], or [..., S-1] if the
 * last state ([MASK]) is never an x_0.
 */
export function posteriorDense(
  logProbs: Tensor,
  xt: Tensor<"u32">,
  matrices: { toT: Tensor; barU: Tensor; barT: Tensor },
): Tensor {
  checkTensors("posteriorDense", "f32", logProbs, matrices.toT, matrices.barU, matrices.barT);
  checkTensors("posteriorDense", "u32", xt);
  const { gpu } = logProbs;
  const { toT, barU, barT } = matrices;
  const width = logProbs.shape.at(-1)!;
  const rows = logProbs.size / width;
  const states = toT.shape[0]!;
  for (const matrix of [toT, barU, barT]) {
    if (matrix.rank !== 2 || matrix.shape[0] !== states || matrix.shape[1] !== states) {
      throw new ShapeError(
        "posteriorDense",
        `${matrix.label} [${matrix.shape.join(", ")}] is not [${states}, ${states}]`,
      );
    }
  }
  if ((width !== states && width !== states - 1) || xt.size !== rows) {
    throw new ShapeError(
      "posteriorDense",
      `log p̃ [${logProbs.shape.join(", ")}] and x_t [${xt.shape.join(", ")}] do not fit ${states} states`,
    );
  }
  gpu.checker?.ids("posteriorDense", xt, `below ${states}`, (id) => id < states);
  const result = empty(gpu, [...logProbs.shape.slice(0, -1), states], "f32", "log p(x_u)");
  gpu.run(
    kernels.transitionMatrix.posterior,
    { log_probs: logProbs, xt, to_t: toT, bar_u: barU, bar_t: barT, result },
    { rows, width, states },
    { groups: gpu.groups1d(rows, 1) },
  );
  return result;
}
