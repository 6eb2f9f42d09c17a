/**
 * The training loss: variational bound plus auxiliary term (the paper's equation of L, with the sign of the auxiliary
 * term as in D3PM: λ · (-log p̃(x_0|x_t)), which rewards good predictions; the paper's text has lost the minus).
 *
 * Reduction: the mean over all B·L tokens of the batch. VQ-Diffusion divides each term by p(t) = 1/T instead, which
 * makes its loss T times this one; AdamW hides the factor except through its epsilon, through gradient clipping and in
 * reported values. T · loss + priorKl is the bound in nats per token.
 */

import { type KlOptions, type KlResult, klLoss } from "../ops/kl.js";
import type { Tensor } from "../tensor/tensor.js";
import type { TransitionTable } from "./table.js";

export interface DiffusionBatch {
  /** [B, L, M]: what the network says of x_0. */
  readonly logits: Tensor;
  /** [B, L]: clean tokens. */
  readonly x0: Tensor<"u32">;
  /** [B, L]: noised tokens, M being [MASK]. */
  readonly xt: Tensor<"u32">;
  /** [B]: steps 1 … T. */
  readonly t: Tensor<"u32">;
}

/** λ of VQ-Diffusion's code; the paper gives none. */
export const defaultLambda = 5e-4;

/** Mean over tokens of KL (t >= 2) or -log p̃ (t = 1), plus λ · (-log p̃). `table` must visit every step. */
export function diffusionLoss(
  table: TransitionTable,
  batch: DiffusionBatch,
  options: KlOptions = {},
): KlResult {
  return klLoss({ ...batch, coefficients: table.coefficients }, { lambda: defaultLambda, ...options });
}
