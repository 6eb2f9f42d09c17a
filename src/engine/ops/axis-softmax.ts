/** Softmax and its relatives over any axis: the kernels of softmax.ts between two views. */

import { checkTensors } from "../tensor/arguments.js";
import type { Tensor } from "../tensor/tensor.js";
import { permute } from "./shapes.js";
import * as last from "./softmax.js";

/** Applies `op` over an axis, after moving that axis to the end. */
function along(name: string, op: (x: Tensor) => Tensor, x: Tensor, axis: number): Tensor {
  checkTensors(name, "f32", x);
  if (axis === -1 || x.rank === 0) return op(x);
  const a = x.axis(name, axis);
  if (a === x.rank - 1) return op(x);
  return x.gpu.scope(() => {
    const others = x.shape.map((_, i) => i).filter((i) => i !== a);
    const y = op(permute(x, [...others, a]));
    if (y.rank < x.rank) return y;
    const back = x.shape.map((_, i) => (i === a ? x.rank - 1 : i < a ? i : i - 1));
    return permute(y, back);
  });
}

/** exp(x) / Σ exp(x) over one axis, stable. Shape as x. */
export const softmax = (x: Tensor, axis = -1): Tensor => along("softmax", last.softmax, x, axis);
/** x − log Σ exp(x) over one axis. Shape as x. */
export const logSoftmax = (x: Tensor, axis = -1): Tensor => along("logSoftmax", last.logSoftmax, x, axis);
/** log Σ exp(x) over one axis, which is removed. */
export const logSumExp = (x: Tensor, axis = -1): Tensor => along("logSumExp", last.logSumExp, x, axis);
