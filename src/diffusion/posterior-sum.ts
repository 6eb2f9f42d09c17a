/** p_θ(x_u | x_t) from p̃(x_0 | x_t): closed form (shaders/posterior.wgsl) and dense (shaders/posterior-dense.wgsl). */

import * as kernels from "../engine/gpu/kernels.generated.js";
import { checkTensors } from "../engine/tensor/arguments.js";
import { ShapeError } from "../engine/tensor/errors.js";
import { empty, type Tensor } from "../engine/tensor/tensor.js";

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
 * The same for any process over S states, given as [S, S] matrices (rows from, columns to): `toT` from u to t, `barU`
 * and `barT` from 0. `logProbs` is [..., S], or [..., S-1] when the last state ([MASK]) is never an x_0.
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
    kernels.posteriorDense.forward,
    { log_probs: logProbs, xt, to_t: toT, bar_u: barU, bar_t: barT, result },
    { rows, width, states },
    { groups: gpu.groups1d(rows, 1) },
  );
  return result;
}
