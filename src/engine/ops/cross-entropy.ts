/** Cross-entropy with class indices (shaders/softmax/cross-entropy.wgsl). */

import * as kernels from "../gpu/kernels.generated.js";
import { checkTensors } from "../tensor/arguments.js";
import { ShapeError } from "../tensor/errors.js";
import { empty, type Tensor } from "../tensor/tensor.js";
import { lossOfLogits, type RowLossMaker, rowGrid, spanRows } from "./row-loss.js";

const nothingIgnored = 0xffffffff;

/** Options of `crossEntropy`. */
export interface CrossEntropyOptions {
  /** Rows with this target do not count. */
  ignore?: number;
}

/** The loss of a batch and of each row. */
export interface CrossEntropyResult {
  /** `[1]`: mean of the rows that count, in nats; differentiable. 0 if none counts. */
  readonly loss: Tensor;
  /** [rows], without gradient: each row's loss, 0 where ignored. */
  readonly rows: Tensor;
}

/** The loss of logits that are computed in chunks of rows. */
export const crossEntropyRows =
  (targets: Tensor<"u32">, { ignore = nothingIgnored }: CrossEntropyOptions): RowLossMaker =>
  (rows, width, shown) => {
    checkTensors("crossEntropy", "u32", targets);
    const { gpu } = targets;
    if (targets.size !== rows) {
      throw new ShapeError("crossEntropy", `${shown} have ${rows} rows, targets ${targets} does not`);
    }
    gpu.checker?.ids("crossEntropy", targets, `below ${width}`, (id) => id < width || id === ignore);
    const terms = empty(gpu, [rows], "f32", "cross-entropy rows");
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
      terms,
      forward(logits, firstRow) {
        const kernel = kernels.crossEntropy.forward;
        const params = part(logits, firstRow);
        gpu.run(kernel, { logits, targets, row_loss: terms, lse }, params, rowGrid(gpu, kernel, params));
      },
      total(loss) {
        gpu.run(kernels.crossEntropy.reduce, { targets, row_loss: terms, loss, share }, all, { groups: [1] });
      },
      beforeLastRow() {
        gpu.run(kernels.crossEntropy.count, { targets, share }, all, { groups: [1] });
      },
      differentiable(save) {
        const kept = { targets: save(targets), saved_lse: save(lse), saved_share: save(share) };
        return {
          into(logits, dloss, { tensor, accumulate }) {
            const kernel = kernels.crossEntropy.backward;
            gpu.run(kernel, { ...kept, logits, dloss, dlogits: tensor }, all, {
              ...rowGrid(gpu, kernel, all, all.span_rows),
              variant: { ACCUMULATE: accumulate },
            });
          },
          inPlace(logits, firstRow, dloss) {
            const kernel = kernels.crossEntropy.backwardInPlace;
            const params = part(logits, firstRow);
            const grid = rowGrid(gpu, kernel, params, params.span_rows);
            gpu.run(kernel, { ...kept, dloss, vectors: logits }, params, grid);
          },
        };
      },
    };
  };

/**
 * -log softmax(logits)[target] of logits [..., M] for u32 targets, one per row, averaged over the rows whose target is not
 * `ignore`. A target of M or more makes the loss NaN; `checkFinite` names it. Two dispatches; the logits are read once.
 * `headCrossEntropy` computes the same from the hidden state and the layer that makes the logits.
 */
export function crossEntropy(
  logits: Tensor,
  targets: Tensor<"u32">,
  options: CrossEntropyOptions = {},
): CrossEntropyResult {
  const { loss, terms } = lossOfLogits("crossEntropy", logits, crossEntropyRows(targets, options));
  return { loss, rows: terms };
}
