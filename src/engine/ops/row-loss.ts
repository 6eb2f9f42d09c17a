/** A loss over vocabulary logits that can be computed in chunks of rows. */

import type { Gpu } from "../gpu/gpu.js";
import type { Tunable } from "../gpu/tuning/tuning-table.js";
import { checkTensors } from "../tensor/arguments.js";
import { record, type Save } from "../tensor/tape.js";
import { empty, type Tensor } from "../tensor/tensor.js";
import { contiguous } from "./copy.js";
import { rowLanes } from "./row-lanes.js";

export interface RowLossGradient {
  /** Writes or adds d(loss)/d(logits) · dloss for the logits of all rows. */
  into(logits: Tensor, dloss: Tensor, target: { tensor: Tensor; accumulate: boolean }): void;
  /** Replaces the logits of the rows from `firstRow` on by their gradient. */
  inPlace(logits: Tensor, firstRow: number, dloss: Tensor): void;
}

export interface RowLoss {
  /** Name of the loss on the tape and in errors. */
  readonly name: string;
  readonly rows: number;
  /** M, logits per row. */
  readonly width: number;
  /** The loss of each row, without gradient. */
  readonly terms: Tensor;
  /** Processes the dense logits [n, M] of the rows from `firstRow` on. Each row is passed once. */
  forward(logits: Tensor, firstRow: number): void;
  /** Writes the loss [1], after all rows have been processed. */
  total(loss: Tensor): void;
  /** Prepares the values over all rows, if any, that a gradient needs when it is taken before `total`. */
  beforeLastRow?(): void;
  /** The gradient, from the tensors kept by `save`, for rows that have been processed. */
  differentiable(save: Save): RowLossGradient;
}

/** Creates the loss of logits [rows, width] that are computed in chunks; `shown` describes them in errors. */
export type RowLossMaker = (rows: number, width: number, shown: string) => RowLoss;

export interface RowLossResult {
  /** [1]; differentiable. */
  readonly loss: Tensor;
  /** The loss of each row, without gradient. */
  readonly terms: Tensor;
}

/** The loss of existing logits [..., M], all rows at once. */
export function lossOfLogits(op: string, logits: Tensor, rowLossOf: RowLossMaker): RowLossResult {
  checkTensors(op, "f32", logits);
  const dense = contiguous(logits);
  const width = logits.shape.at(-1)!;
  const rowLoss = rowLossOf(logits.size / width, width, `logits [${logits.shape.join(", ")}]`);
  const loss = empty(logits.gpu, [1], "f32", rowLoss.name);
  rowLoss.forward(dense, 0);
  rowLoss.total(loss);
  const recorded = record(rowLoss.name, [dense], loss, (save) => {
    const saved = save(dense);
    const gradient = rowLoss.differentiable(save);
    return (dloss, grads) => gradient.into(saved, dloss, grads.sink(0));
  });
  return { loss: recorded, terms: rowLoss.terms };
}

/** Grid and tunables of a kernel over `rows` rows of `width` logits, in which LANES invocations take `span` rows together. */
export function rowGrid<T extends { WORKGROUP: number; LANES: number }>(
  gpu: Gpu,
  kernel: Tunable<T>,
  { rows, width }: { rows: number; width: number },
  span = 1,
): { groups: [number, number, number]; tune: T } {
  return rowLanes(gpu, gpu.tunables(kernel, [rows, width]), Math.ceil(rows / span));
}

/** The fewest rows of M logits whose length is a multiple of four: the gradient's kernels process that number together. */
export function spanRows(width: number): number {
  return width % 4 === 0 ? 1 : width % 2 === 0 ? 2 : 4;
}
