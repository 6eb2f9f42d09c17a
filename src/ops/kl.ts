/** The diffusion loss, fused with log-softmax (shaders/kl.wgsl). */

import { kernels } from "../gpu/kernels.generated.js";
import { record } from "../tensor/autograd.js";
import { ShapeError } from "../tensor/errors.js";
import { empty, type Tensor } from "../tensor/tensor.js";

export interface KlInputs {
  /** [..., M]: the network's logits of x_0 over the M tokens, one row a position. */
  readonly logits: Tensor;
  /** As many as rows: the clean tokens, 0 … M-1. */
  readonly x0: Tensor<"u32">;
  /** As many as rows: the noised tokens, 0 … M; M is [MASK]. */
  readonly xt: Tensor<"u32">;
  /** The step 1 … T of each sequence; the rows are divided evenly among its entries. */
  readonly t: Tensor<"u32">;
  /** `TransitionTable.coefficients`, [T+1, 20]. */
  readonly coefficients: Tensor;
}

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

export interface KlResult {
  /** [1]: mean over all rows of weight · (KL + λ · auxiliary); differentiable with respect to the logits. */
  readonly loss: Tensor;
  /** [3, rows], without gradient: KL (at t = 1: -log p̃), -log p̃(x_0), and each row's share of the loss. */
  readonly terms: Tensor;
}

/**
 * KL(q(x_{t-1}|x_t,x_0) ‖ p_θ(x_{t-1}|x_t)) + λ (-log p̃(x_0)) per row, in nats, and its mean. Two dispatches forward;
 * the gradient is computed again from the logits and four floats a row, in one pass.
 */
export function klLoss(inputs: KlInputs, options: KlOptions = {}): KlResult {
  const { logits, x0, xt, t, coefficients } = inputs;
  const { lambda = 0, adaptive = false, maskWeight = [1, 1], weights = null } = options;
  const { gpu } = logits;
  const width = logits.shape.at(-1)!;
  const rows = logits.size / width;
  const shown = `logits [${logits.shape.join(", ")}]`;
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
  if (rows % t.size !== 0)
    throw new ShapeError(
      "klLoss",
      `the ${rows} rows of ${shown} are not divisible among t [${t.shape.join(", ")}]`,
    );
  if (weights && rows % weights.size !== 0) {
    throw new ShapeError(
      "klLoss",
      `the ${rows} rows of ${shown} are not divisible among weights [${weights.shape.join(", ")}]`,
    );
  }
  const terms = empty(gpu, [3, rows], "f32", "kl terms");
  const stats = empty(gpu, [rows, 4], "f32", "kl stats");
  const loss = empty(gpu, [1], "f32", "kl loss");
  const params = {
    rows,
    width,
    per_step: rows / t.size,
    per_weight: weights ? rows / weights.size : 0,
    lambda,
    adaptive: adaptive ? 1 : 0,
    mask_weight: maskWeight[0],
    token_weight: maskWeight[1],
    accumulate: 0,
  };
  const groups = gpu.groups1d(rows, 1);
  gpu.run(
    kernels.kl.forward,
    { logits, x0, xt, t, steps: coefficients, weights: weights ?? coefficients, terms, stats },
    params,
    { groups },
  );
  gpu.run(kernels.kl.reduce, { terms, loss }, params, { groups: [1] });
  const recorded = record("klLoss", [logits], loss, (save) => {
    const kept = { logits: save(logits), x0: save(x0), xt: save(xt), t: save(t), steps: save(coefficients) };
    const saved = save(stats);
    return (dloss, grads) => {
      const { tensor, accumulate } = grads.sink(0);
      gpu.run(
        kernels.kl.backward,
        { ...kept, saved, dloss, dlogits: tensor },
        { ...params, accumulate: accumulate ? 1 : 0 },
        { groups },
      );
    };
  });
  return { loss: recorded, terms };
}
