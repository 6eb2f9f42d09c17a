/** Binary cross-entropy of logits (shaders/elementwise/binary-cross-entropy.wgsl). */

import * as kernels from "../gpu/more-kernels.generated.js";
import { checkTensors } from "../tensor/arguments.js";
import { ArgumentError, ShapeError } from "../tensor/errors.js";
import { sameShape } from "../tensor/strided.js";
import { noGrad, record } from "../tensor/tape.js";
import { empty, type Tensor } from "../tensor/tensor.js";
import { mean } from "./reduce.js";

/** Options of `binaryCrossEntropy`. */
export interface BinaryCrossEntropyOptions {
  /** Factor on the loss of positives, for rare classes; default 1. */
  positiveWeight?: number;
}

/**
 * mean of −w t log σ(x) − (1 − t) log(1 − σ(x)), a scalar in nats: logits x and targets t in [0, 1] of one shape, w the
 * `positiveWeight`. Exact for logits of any size. Differentiable in the logits.
 */
export function binaryCrossEntropy(
  logits: Tensor,
  targets: Tensor,
  options: BinaryCrossEntropyOptions = {},
): Tensor {
  const op = "binaryCrossEntropy";
  const { positiveWeight = 1 } = options;
  checkTensors(op, "f32", logits, targets);
  if (!sameShape(logits.shape, targets.shape))
    throw new ShapeError(
      op,
      `logits [${logits.shape.join(", ")}] and targets [${targets.shape.join(", ")}] differ`,
    );
  if (!(positiveWeight >= 0 && Number.isFinite(positiveWeight)))
    throw new ArgumentError(op, `positiveWeight ${positiveWeight} is not a number of at least 0`);
  const { gpu } = logits;
  const { forward, backward } = kernels.binaryCrossEntropy;
  const params = { count: logits.size, positive_weight: positiveWeight, accumulate: 0 };
  const elements = empty(gpu, logits.shape, "f32", `${op} elements`);
  gpu.run(forward, { logits, targets, elements }, params, {
    groups: gpu.groups1d(params.count, gpu.tunables(forward).WORKGROUP),
  });
  const loss = noGrad(() => mean(elements));
  elements.dispose();
  return record(op, [logits], loss, (save) => {
    const [x, t] = [save(logits), save(targets)];
    return (dloss, grads) => {
      const { tensor, accumulate } = grads.sink(0);
      gpu.run(
        backward,
        { logits: x, targets: t, dloss, dlogits: tensor },
        { ...params, accumulate: accumulate ? 1 : 0 },
        { groups: gpu.groups1d(params.count, gpu.tunables(backward).WORKGROUP) },
      );
    };
  });
}
