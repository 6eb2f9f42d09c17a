/** Cross-entropy with class indices (shaders/cross-entropy.wgsl). */

import { kernels } from "../gpu/kernels.generated.js";
import { record } from "../tensor/autograd.js";
import { ShapeError } from "../tensor/errors.js";
import { empty, type Tensor } from "../tensor/tensor.js";

const nothingIgnored = 0xffffffff;

export interface CrossEntropyResult {
  /** [1]: mean of the rows that count, in nats; differentiable. 0 if none counts. */
  readonly loss: Tensor;
  /** [rows], without gradient: each row's loss, 0 where ignored. */
  readonly rows: Tensor;
}

/**
 * -log softmax(logits)[target] of logits [..., M] for u32 targets, one a row, averaged over the rows whose target is
 * not `ignore`. Two dispatches; the logits are read once.
 */
export function crossEntropy(
  logits: Tensor,
  targets: Tensor<"u32">,
  options: { ignore?: number } = {},
): CrossEntropyResult {
  const { gpu } = logits;
  const width = logits.shape.at(-1)!;
  const rows = logits.size / width;
  if (targets.size !== rows) {
    throw new ShapeError(
      "crossEntropy",
      `logits [${logits.shape.join(", ")}] have ${rows} rows, targets [${targets.shape.join(", ")}] does not`,
    );
  }
  const rowLoss = empty(gpu, [rows], "f32", "cross-entropy rows");
  const lse = empty(gpu, [rows], "f32", "cross-entropy lse");
  const share = empty(gpu, [1], "f32", "cross-entropy share");
  const loss = empty(gpu, [1], "f32", "cross-entropy");
  const params = { rows, width, ignored: options.ignore ?? nothingIgnored, accumulate: 0 };
  const groups = gpu.groups1d(rows, 1);
  const { forward, reduce, backward } = kernels.crossEntropy;
  gpu.run(forward, { logits, targets, row_loss: rowLoss, lse }, params, { groups });
  gpu.run(reduce, { targets, row_loss: rowLoss, loss, share }, params, { groups: [1] });
  const recorded = record("crossEntropy", [logits], loss, (save) => {
    const kept = {
      logits: save(logits),
      targets: save(targets),
      saved_lse: save(lse),
      saved_share: save(share),
    };
    return (dloss, grads) => {
      const { tensor, accumulate } = grads.sink(0);
      gpu.run(
        backward,
        { ...kept, dloss, dlogits: tensor },
        { ...params, accumulate: accumulate ? 1 : 0 },
        { groups },
      );
    };
  });
  return { loss: recorded, rows: rowLoss };
}
