/**
 * The training loss: variational bound plus auxiliary term (the paper's equation of L, with the sign of the auxiliary
 * term as in D3PM: λ · (-log p̃(x_0|x_t)), which rewards good predictions; the paper's text has lost the minus).
 *
 *   L = mean over tokens of  KL(q(x_{t-1} | x_t, x_0) ‖ p_θ(x_{t-1} | x_t, y))  for t ≥ 2,  -log p̃(x_0 | x_t, y)  for t = 1,
 *       each + λ · (-log p̃(x_0 | x_t, y))
 *
 * One kernel computes it from the logits, log-softmax included (shaders/diffusion/loss.wgsl).
 *
 * Reduction: the mean over all B·L tokens of the batch. VQ-Diffusion divides each term by p(t) = 1/T instead, which
 * makes its loss T times this one; AdamW hides the factor except through its epsilon, through gradient clipping and in
 * reported values. T · loss + priorKl is the bound in nats per token.
 */

import * as kernels from "../engine/gpu/kernels.generated.js";
import { type ChunkOptions, type Head, headLoss } from "../engine/ops/head-loss.js";
import { lossOfLogits, type RowLossMaker, rowGrid, spanRows } from "../engine/ops/row-loss.js";
import { checkTensors, optional } from "../engine/tensor/arguments.js";
import { ShapeError } from "../engine/tensor/errors.js";
import { empty, type Tensor } from "../engine/tensor/tensor.js";
import type { TransitionTable } from "./coefficients.js";
import { checkSteps } from "./posterior.js";

/** The clean and the noised tokens of a loss, their steps and the coefficients of the process. */
export interface KlTargets {
  /** One per row: the clean tokens, 0 … M-1. */
  readonly x0: Tensor<"u32">;
  /** One per row: the noised tokens, 0 … M; M is [MASK]. */
  readonly xt: Tensor<"u32">;
  /** The step 1 … T of each sequence; the rows are divided evenly among its entries. */
  readonly t: Tensor<"u32">;
  /** `TransitionTable.coefficients`, [T+1] structs. */
  readonly coefficients: Tensor;
}

/** Inputs of `klLoss`. */
export interface KlInputs extends KlTargets {
  /** `[..., M]`: the network's logits of x_0 over the M tokens, one row per position. */
  readonly logits: Tensor;
}

/** Weights of the terms of the diffusion loss. */
export interface KlOptions {
  /** λ of the auxiliary loss -log p̃(x_0). */
  lambda?: number;
  /** Multiplies λ by 2 - (t-1)/T, as the VQ-Diffusion code can: 2 at t = 1, towards 1 at T. */
  adaptive?: boolean;
  /** Factors of the KL where x_t is [MASK] and where it is not; default 1 and 1. */
  maskWeight?: readonly [number, number];
  /** A factor for each row, or for each sequence (rows divided evenly); not renormalised. */
  weights?: Tensor | null;
}

/** The diffusion loss and its terms. */
export interface KlResult {
  /** `[1]`: mean over all rows of weight · (KL + λ · auxiliary); differentiable. */
  readonly loss: Tensor;
  /** [3, rows], without gradient: KL (at t = 1: -log p̃), -log p̃(x_0), and each row's share of the loss. */
  readonly terms: Tensor;
}

/** The loss of logits that are computed in chunks of rows. */
export const klRows =
  (targets: KlTargets, options: KlOptions): RowLossMaker =>
  (rows, width, shown) => {
    checkTensors("klLoss", "u32", targets.x0, targets.xt, targets.t);
    checkTensors("klLoss", "f32", targets.coefficients, ...optional(options.weights));
    const { x0, xt, t, coefficients } = targets;
    const { lambda = 0, adaptive = false, maskWeight = [1, 1], weights = null } = options;
    const { gpu } = coefficients;
    if (width < 2) throw new ShapeError("klLoss", `${shown}: a vocabulary needs at least 2 tokens`);
    for (const [name, tensor] of [
      ["x0", x0],
      ["xt", xt],
    ] as const) {
      if (tensor.size !== rows)
        throw new ShapeError(
          "klLoss",
          `${shown} have ${rows} rows, ${name} [${tensor.shape.join(", ")}] does not`,
        );
    }
    for (const [name, tensor] of [
      ["t", t],
      ["weights", weights],
    ] as const) {
      if (tensor && rows % tensor.size !== 0)
        throw new ShapeError(
          "klLoss",
          `the ${rows} rows of ${shown} are not divisible among ${name} [${tensor.shape.join(", ")}]`,
        );
    }
    gpu.checker?.ids("klLoss", x0, `below ${width}`, (id) => id < width);
    gpu.checker?.ids("klLoss", xt, `at most ${width}`, (id) => id <= width);
    checkSteps("klLoss", t, coefficients);
    const terms = empty(gpu, [3, rows], "f32", "kl terms");
    const stats = empty(gpu, [rows, 4], "f32", "kl stats");
    const all = {
      rows,
      first_row: 0,
      all_rows: rows,
      width,
      span_rows: spanRows(width),
      per_step: rows / t.size,
      per_weight: weights ? rows / weights.size : 0,
      lambda,
      adaptive: adaptive ? 1 : 0,
      mask_weight: maskWeight[0],
      token_weight: maskWeight[1],
    };
    const part = (logits: Tensor, firstRow: number) => ({
      ...all,
      rows: logits.size / width,
      first_row: firstRow,
    });
    return {
      name: "klLoss",
      rows,
      width,
      terms,
      forward(logits, firstRow) {
        const kernel = kernels.loss.forward;
        const params = part(logits, firstRow);
        gpu.run(
          kernel,
          {
            logits,
            x0,
            xt,
            t,
            steps: coefficients,
            weights: weights ?? coefficients,
            terms,
            stats,
          },
          params,
          rowGrid(gpu, kernel, params),
        );
      },
      total(loss) {
        gpu.run(kernels.loss.reduce, { terms, loss }, all, { groups: [1] });
      },
      differentiable(save) {
        const kept = {
          x0: save(x0),
          xt: save(xt),
          t: save(t),
          steps: save(coefficients),
          saved: save(stats),
        };
        return {
          into(logits, dloss, { tensor, accumulate }) {
            const kernel = kernels.loss.backward;
            gpu.run(kernel, { ...kept, logits, dloss, dlogits: tensor }, all, {
              ...rowGrid(gpu, kernel, all, all.span_rows),
              variant: { ACCUMULATE: accumulate },
            });
          },
          inPlace(logits, firstRow, dloss) {
            const kernel = kernels.loss.backwardInPlace;
            const params = part(logits, firstRow);
            const grid = rowGrid(gpu, kernel, params, params.span_rows);
            gpu.run(kernel, { ...kept, dloss, vectors: logits }, params, grid);
          },
        };
      },
    };
  };

/**
 * L: KL(q(x_{t-1}|x_t,x_0) ‖ p_θ(x_{t-1}|x_t)) + λ (-log p̃(x_0)) per row, in nats, and its mean. Two dispatches forward;
 * the gradient is recomputed from the logits and four floats per row, in one pass. `headKlLoss` does the same from the
 * inputs of the logits. If x_0, x_t or t is out of range, terms, loss and gradient are NaN; `checkFinite` names the id.
 */
export function klLoss(inputs: KlInputs, options: KlOptions = {}): KlResult {
  return lossOfLogits("klLoss", inputs.logits, klRows(inputs, options));
}

/** `klLoss` of the head's logits, in chunks of rows: the loss is differentiable in hidden, weight and bias. */
export function headKlLoss(head: Head, targets: KlTargets, options: KlOptions & ChunkOptions = {}): KlResult {
  return headLoss("headKlLoss", head, klRows(targets, options), options);
}

/**
 * A batch of the diffusion loss: B captions of L tokens, their noised versions, and the network on them.
 */
export interface DiffusionBatch {
  /** The network's prediction of x_0: its last hidden state [B, L, d] and the layer that turns it into logits [B, L, M]. */
  readonly head: Head;
  /** `[B, L]`: clean tokens. */
  readonly x0: Tensor<"u32">;
  /** `[B, L]`: noised tokens, M being [MASK]. */
  readonly xt: Tensor<"u32">;
  /** `[B]`: steps 1 … T. */
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
