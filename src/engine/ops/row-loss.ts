/** What a loss over the vocabulary is to those who feed it logits: something that takes rows, all or some at a time. */

import { record, type Save } from "../tensor/tape.js";
import { empty, type Tensor } from "../tensor/tensor.js";

export interface RowLossGradient {
  /** Writes or adds d(loss)/d(logits) · dloss for the logits of all rows. */
  into(logits: Tensor, dloss: Tensor, target: { tensor: Tensor; accumulate: boolean }): void;
  /** Replaces the logits of the rows from `firstRow` on by their gradient. */
  inPlace(logits: Tensor, firstRow: number, dloss: Tensor): void;
}

export interface RowLoss {
  /** What the loss is called on the tape and in errors. */
  readonly name: string;
  readonly rows: number;
  /** M, logits a row. */
  readonly width: number;
  /** Takes the logits [n, M] of the rows from `firstRow` on, dense. Each row once. */
  forward(logits: Tensor, firstRow: number): void;
  /** Writes the loss [1], once all rows have been taken. */
  total(loss: Tensor): void;
  /** What a gradient that is taken before `total` needs of all rows, if anything. */
  beforeLastRow?(): void;
  /** The gradient, from what `save` keeps; for rows that have been taken. */
  differentiable(save: Save): RowLossGradient;
}

/** The loss [1] of logits that exist, all rows at once; differentiable. */
export function lossOfLogits(logits: Tensor, rowLoss: RowLoss): Tensor {
  const loss = empty(logits.gpu, [1], "f32", rowLoss.name);
  rowLoss.forward(logits, 0);
  rowLoss.total(loss);
  return record(rowLoss.name, [logits], loss, (save) => {
    const saved = save(logits);
    const gradient = rowLoss.differentiable(save);
    return (dloss, grads) => gradient.into(saved, dloss, grads.sink(0));
  });
}

/** The fewest rows of M logits that end with a whole vector of four: what the kernels of the gradient take together. */
export function spanRows(width: number): number {
  return width % 4 === 0 ? 1 : width % 2 === 0 ? 2 : 4;
}
