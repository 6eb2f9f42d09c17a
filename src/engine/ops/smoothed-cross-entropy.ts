/** Cross-entropy with label smoothing (shaders/softmax/smoothed-cross-entropy.wgsl). */

import type { Gpu } from "../gpu/gpu.js";
import * as kernels from "../gpu/more-kernels.generated.js";
import { checkTensors } from "../tensor/arguments.js";
import { ArgumentError, ShapeError } from "../tensor/errors.js";
import { record } from "../tensor/tape.js";
import { empty, type Tensor } from "../tensor/tensor.js";
import type { CrossEntropyOptions, CrossEntropyResult } from "./cross-entropy.js";
import { rowLanes } from "./row-lanes.js";

const nothingIgnored = 0xffffffff;

/** On software adapters barriers cost more than sharing saves: one lane per row. */
function grid(gpu: Gpu, tune: { WORKGROUP: number; LANES: number }, rows: number) {
  return rowLanes(gpu, gpu.software ? { ...tune, LANES: 1 } : tune, rows);
}

/**
 * −Σ_j t_j log softmax(logits)_j of logits [..., M] with t = (1 − ε)·[j = target] + ε/M, ε the `smoothing` (Szegedy et al.
 * 2016), averaged over the rows whose target is not `ignore`; targets u32, one per row. A target of M or more makes the loss
 * NaN; `checkFinite` names it. Two dispatches forward, one backward. With ε = 0 it equals `crossEntropy`.
 */
export function smoothedCrossEntropy(
  logits: Tensor,
  targets: Tensor<"u32">,
  smoothing: number,
  options: CrossEntropyOptions = {},
): CrossEntropyResult {
  const op = "smoothedCrossEntropy";
  const { ignore = nothingIgnored } = options;
  checkTensors(op, "f32", logits);
  checkTensors(op, "u32", targets);
  if (!(smoothing >= 0 && smoothing <= 1))
    throw new ArgumentError(op, `smoothing ${smoothing} is not between 0 and 1`);
  const { gpu } = logits;
  const width = logits.shape.at(-1) ?? 1;
  const rows = logits.size / width;
  if (targets.size !== rows)
    throw new ShapeError(
      op,
      `logits [${logits.shape.join(", ")}] have ${rows} rows, targets [${targets.shape.join(", ")}] does not`,
    );
  gpu.checker?.ids(op, targets, `below ${width}`, (id) => id < width || id === ignore);
  const { forward, reduce, backward } = kernels.smoothedCrossEntropy;
  const params = { rows, width, ignored: ignore, smoothing, accumulate: 0 };
  const rowLoss = empty(gpu, [rows], "f32", `${op} rows`);
  const lse = empty(gpu, [rows], "f32", `${op} lse`);
  const share = empty(gpu, [1], "f32", `${op} share`);
  const loss = empty(gpu, [1], "f32", op);
  gpu.run(forward, { logits, targets, row_loss: rowLoss, lse }, params, {
    ...grid(gpu, gpu.tunables(forward, [rows, width]), rows),
  });
  gpu.run(reduce, { row_losses: rowLoss, targets, loss, share }, params, { groups: [1] });
  record(op, [logits], loss, (save) => {
    const saved = { targets: save(targets), saved_lse: save(lse), saved_share: save(share) };
    const x = save(logits);
    return (dloss, grads) => {
      const { tensor, accumulate } = grads.sink(0);
      gpu.run(
        backward,
        { ...saved, logits: x, dloss, dlogits: tensor },
        { ...params, accumulate: accumulate ? 1 : 0 },
        grid(gpu, gpu.tunables(backward, [rows, width]), rows),
      );
    };
  });
  return { loss, rows: rowLoss };
}
