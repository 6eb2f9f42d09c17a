/** What a loss over the vocabulary is to those who feed it logits: something that takes rows, all or some at a time. */

import type { Save } from "../tensor/autograd.js";
import type { Tensor } from "../tensor/tensor.js";

export interface RowLossGradient {
  /** Writes or adds d(loss)/d(logits) · dloss for the logits of all rows. */
  into(logits: Tensor, dloss: Tensor, target: { tensor: Tensor; accumulate: boolean }): void;
  /** Replaces the logits of the rows from `firstRow` on by their gradient. */
  inPlace(logits: Tensor, firstRow: number, dloss: Tensor): void;
}

export interface RowLoss {
  readonly name: string;
  readonly rows: number;
  /** M, logits a row. */
  readonly width: number;
  /** Takes the logits [n, M] of the rows from `firstRow` on, dense. Each row once. */
  forward(logits: Tensor, firstRow: number): void;
  /** [1]: the loss, once all rows have been taken. */
  total(): Tensor;
  /** The gradient, from what `save` keeps; for rows that have been taken. */
  differentiable(save: Save): RowLossGradient;
}
