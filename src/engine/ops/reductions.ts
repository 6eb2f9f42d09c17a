/** The smallest element and the variance, composed of sums and maxima. */

import { checkTensors } from "../tensor/arguments.js";
import { ArgumentError } from "../tensor/errors.js";
import type { Tensor } from "../tensor/tensor.js";
import { neg, scale, square, sub } from "./elementwise.js";
import { max, mean, type ReduceOptions } from "./reduce.js";

/** The smallest element over some axes, or all of them; elements that tie share the gradient. −max(−x). */
export function min(x: Tensor, axes?: readonly number[], options: ReduceOptions = {}): Tensor {
  checkTensors("min", "f32", x);
  return x.gpu.scope(() => neg(max(neg(x), axes, options)));
}

export interface VarianceOptions extends ReduceOptions {
  /** Subtracted from the number of elements in the divisor of the sum of squares; default 0: the population variance. */
  correction?: number;
}

/** Σ (x − mean)² / (n − correction) over some axes, or all of them. Two passes: no cancellation of large squares. */
export function variance(x: Tensor, axes?: readonly number[], options: VarianceOptions = {}): Tensor {
  checkTensors("variance", "f32", x);
  const { correction = 0, keepDims = false } = options;
  return x.gpu.scope(() => {
    const average = mean(x, axes, { keepDims: true });
    const n = x.size / average.size;
    if (!(n > correction))
      throw new ArgumentError("variance", `${n} elements, less a correction of ${correction}`);
    const spread = mean(square(sub(x, average)), axes, { keepDims });
    return correction === 0 ? spread : scale(spread, n / (n - correction));
  });
}
