/** Cross-entropy with class indices (shaders/softmax/cross-entropy.wgsl). */

import * as kernels from "../gpu/kernels.generated.js";
import { checkTensors } from "../tensor/arguments.js";
import { ShapeError } from "../tensor/errors.js";
import { empty, type Tensor } from "../tensor/tensor.js";
import { contiguous } from "./copy.js";
import { rowLanes } from "./row-lanes.js";
import { lossOfLogits, type RowLoss, spanRows } from "./row-loss.js";

const nothingIgnored = 0xffffffff;

export interface CrossEntropyOptions {
  /** Rows with this target do not count. */
  ignore?: number;
}

export interface CrossEntropyResult {
  /** [1]: mean of the rows that count, in nats; differentiable. 0 if none counts. */
  readonly loss: Tensor;
  /** [rows], without gradient: each row's loss, 0 where ignored. */
  readonly rows: Tensor;
}

/** The loss of logits [rows, width] that need not exist all at once; `shown` describes them in errors. */
export function crossEntropyRows(
  rows: number,
  width: number,
  targets: Tensor<"u32">,
  { ignore = nothingIgnored }: CrossEntropyOptions,
  shown: string,
): RowLoss & { readonly rowLoss: Tensor } {
  checkTensors("crossEntropy", "u32", targets);
  const { gpu } = targets;
  if (targets.size !== rows) {
    throw new ShapeError(
      "crossEntropy",
      `${shown} have ${rows} rows, targets [${targets.shape.join(", ")}] does not`,
    );
  }
  gpu.checker?.ids("crossEntropy", targets, `below ${width}`, (id) => id < width || id === ignore);
  const rowLoss = empty(gpu, [rows], "f32", "cross-entropy rows");
  const lse = empty(gpu, [rows], "f32", "cross-entropy lse");
  const share = empty(gpu, [1], "f32", "cross-entropy share");
  const all = {
    rows,
    first_row: 0,
    all_rows: rows,
    width,
    span_rows: spanRows(width),
    ignored: ignore,
  };
  const part = (logits: Tensor, firstRow: number) => ({
    ...all,
    rows: logits.size / width,
    first_row: firstRow,
  });
  return {
    name: "crossEntropy",
    rows,
    width,
    rowLoss,
    forward(logits, firstRow) {
      const kernel = kernels.crossEntropy.forward;
      const params = part(logits, firstRow);
      const options = rowLanes(gpu, gpu.tunables(kernel, [params.rows, width]), params.rows);
      gpu.run(kernel, { logits, targets, row_loss: rowLoss, lse }, params, options);
    },
    total(loss) {
      gpu.run(kernels.crossEntropy.reduce, { targets, row_loss: rowLoss, loss, share }, all, { groups: [1] });
    },
    beforeLastRow() {
      gpu.run(kernels.crossEntropy.count, { targets, share }, all, { groups: [1] });
    },
    differentiable(save) {
      const kept = { targets: save(targets), saved_lse: save(lse), saved_share: save(share) };
      return {
        into(logits, dloss, { tensor, accumulate }) {
          const kernel = kernels.crossEntropy.backward;
          const params = part(logits, 0);
          gpu.run(kernel, { ...kept, logits, dloss, dlogits: tensor }, params, {
            ...rowLanes(gpu, gpu.tunables(kernel, [rows, width]), Math.ceil(rows / params.span_rows)),
            variant: { ACCUMULATE: accumulate },
          });
        },
        inPlace(logits, firstRow, dloss) {
          const kernel = kernels.crossEntropy.backwardInPlace;
          const params = part(logits, firstRow);
          const options = rowLanes(
            gpu,
            gpu.tunables(kernel, [params.rows, width]),
            Math.ceil(params.rows / params.span_rows),
          );
          gpu.run(kernel, { ...kept, dloss, vectors: logits }, params, options);
        },
      };
    },
  };
}

/**
 * -log softmax(logits)[target] of logits [..., M] for u32 targets, one a row, averaged over the rows whose target is
 * not `ignore`. A target of M or more makes the loss NaN; `checkFinite` names it. Two dispatches; the logits are read once. `headCrossEntropy` does the same from what the logits are
 * made of.
 */
export function crossEntropy(
  logits: Tensor,
  targets: Tensor<"u32">,
  options: CrossEntropyOptions = {},
): CrossEntropyResult {
  checkTensors("crossEntropy", "f32", logits);
  const dense = contiguous(logits);
  const width = logits.shape.at(-1)!;
  const shown = `logits [${logits.shape.join(", ")}]`;
  const rowLoss = crossEntropyRows(logits.size / width, width, targets, options, shown);
  return { loss: lossOfLogits(dense, rowLoss), rows: rowLoss.rowLoss };
}
