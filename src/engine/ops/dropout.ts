/** Inverted dropout whose mask is recomputed instead of stored (shaders/elementwise/dropout.wgsl). */

import { UserError } from "../../platform/errors.js";
import * as kernels from "../gpu/kernels.generated.js";
import { checkTensors } from "../tensor/arguments.js";
import { passedOn, record } from "../tensor/tape.js";
import { empty, type Tensor } from "../tensor/tensor.js";
import { probabilityThreshold } from "./philox.js";
import type { Rng } from "./rng.js";

/**
 * Sets each element to 0 with probability `rate` and scales the others by 1 / (1 - rate). Takes one stream of `rng`;
 * the step of `rng` must not change between this and the gradient. With rate 0, returns `x` itself and takes no stream.
 */
export function dropout(x: Tensor, rate: number, rng: Rng): Tensor {
  checkTensors("dropout", "f32", x);
  if (!(rate >= 0 && rate < 1))
    throw new UserError(`A dropout rate must be at least 0 and below 1, not ${rate}.`);
  if (rate === 0) return passedOn(x);
  const { gpu } = x;
  const kernel = kernels.dropout.apply;
  const params = {
    count: x.size,
    stream: rng.nextStream(),
    scale: 1 / (1 - rate),
    threshold: probabilityThreshold(1 - rate),
    accumulate: 0,
  };
  const options = { groups: gpu.groups1d(Math.ceil(x.size / 4), gpu.tunables(kernel).WORKGROUP) };
  const output = empty(gpu, x.shape, "f32", "dropout");
  gpu.run(kernel, { rng: rng.state, input: x, output }, params, options);
  return record("dropout", [x], output, (save) => {
    const state = save(rng.state);
    return (dy, grads) => {
      const { tensor, accumulate } = grads.sink(0);
      const backward = { ...params, accumulate: accumulate ? 1 : 0 };
      gpu.run(kernel, { rng: state, input: dy, output: tensor }, backward, options);
    };
  });
}
