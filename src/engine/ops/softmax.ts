/** Softmax, log-softmax and log-sum-exp over the last axis (shaders/softmax/softmax.wgsl). */

import * as kernels from "../gpu/kernels.generated.js";
import { checkTensors } from "../tensor/arguments.js";
import { ShapeError } from "../tensor/errors.js";
import { record } from "../tensor/tape.js";
import { empty, type Tensor } from "../tensor/tensor.js";
import { rowLanes } from "./row-lanes.js";

function rowsAndWidth(op: string, x: Tensor): { rows: number; width: number } {
  const width = x.shape.at(-1);
  if (width === undefined) throw new ShapeError(op, `${x.label} is a scalar; a last axis is needed`);
  return { rows: x.size / width, width };
}

function normalise(op: string, x: Tensor, LOG: boolean): Tensor {
  checkTensors(op, "f32", x);
  const { gpu } = x;
  const { rows, width } = rowsAndWidth(op, x);
  const y = empty(gpu, x.shape, "f32", op);
  const { groups, tune } = rowLanes(gpu, gpu.tunables(kernels.softmax.forward, [rows, width]), rows);
  gpu.run(
    kernels.softmax.forward,
    { input: x, output: y },
    { rows, width, accumulate: 0 },
    { groups, tune, variant: { LOG } },
  );
  return record(op, [x], y, (save) => {
    const saved = save(y);
    return (dy, grads) => {
      const { tensor: dx, accumulate } = grads.sink(0);
      const { groups, tune } = rowLanes(gpu, gpu.tunables(kernels.softmax.backward, [rows, width]), rows);
      gpu.run(
        kernels.softmax.backward,
        { y_saved: saved, dy, dx },
        { rows, width, accumulate: accumulate ? 1 : 0 },
        { groups, tune, variant: { LOG } },
      );
    };
  });
}

/** exp(x) / Σ exp(x) over the last axis, stable. Shape as x. */
export function softmax(x: Tensor): Tensor {
  return normalise("softmax", x, false);
}

/** x - log Σ exp(x) over the last axis. Shape as x. */
export function logSoftmax(x: Tensor): Tensor {
  return normalise("logSoftmax", x, true);
}

/** log Σ exp(x) over the last axis: [..., width] → [...]. */
export function logSumExp(x: Tensor): Tensor {
  checkTensors("logSumExp", "f32", x);
  const { gpu } = x;
  const { rows, width } = rowsAndWidth("logSumExp", x);
  const lse = empty(gpu, x.shape.slice(0, -1), "f32", "logSumExp");
  const { groups, tune } = rowLanes(gpu, gpu.tunables(kernels.softmax.logSumExp, [rows, width]), rows);
  gpu.run(kernels.softmax.logSumExp, { input: x, lse }, { rows, width, accumulate: 0 }, { groups, tune });
  return record("logSumExp", [x], lse, (save) => {
    const [savedX, savedLse] = [save(x), save(lse)];
    return (dy, grads) => {
      const { tensor: dx, accumulate } = grads.sink(0);
      const { groups, tune } = rowLanes(
        gpu,
        gpu.tunables(kernels.softmax.logSumExpBackward, [rows, width]),
        rows,
      );
      gpu.run(
        kernels.softmax.logSumExpBackward,
        { input: savedX, lse_saved: savedLse, dy, dx },
        { rows, width, accumulate: accumulate ? 1 : 0 },
        { groups, tune },
      );
    };
  });
}
