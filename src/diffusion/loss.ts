/**
 * The training loss: variational bound plus auxiliary term (the paper's equation of L, with the sign of the auxiliary
 * term as in D3PM: λ · (-log p̃(x_0|x_t)), which rewards good predictions; the paper's text has lost the minus).
 *
 * Reduction: the mean over all B·L tokens of the batch. VQ-Diffusion divides each term by p(t) = 1/T instead, which
 * makes its loss T times this one; AdamW hides the factor except through its epsilon, through gradient clipping and in
 * reported values. T · loss + priorKl is the bound in nats per token.
 */

import type { ChunkOptions, Head } from "../engine/ops/head-loss.js";
import type { Tensor } from "../engine/tensor/tensor.js";
import type { TransitionTable } from "./coefficients.js";
import { headKlLoss, type KlOptions, type KlResult } from "./kl.js";

export interface DiffusionBatch {
  /** What the network says of x_0: its last hidden state [B, L, d] and the layer that makes logits [B, L, M] of it. */
  readonly head: Head;
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
  { head, x0, xt, t }: DiffusionBatch,
  options: KlOptions & ChunkOptions = {},
): KlResult {
  const targets = { x0, xt, t, coefficients: table.coefficients };
  return headKlLoss(head, targets, { lambda: defaultLambda, ...options });
}
