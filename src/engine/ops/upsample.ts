/** Nearest-neighbour enlargement of images and its gradient (shaders/upsample/upsample.wgsl). */

import * as kernels from "../gpu/kernels.generated.js";
import { checkTensors } from "../tensor/arguments.js";
import { ShapeError } from "../tensor/errors.js";
import { record } from "../tensor/tape.js";
import { empty, type Tensor } from "../tensor/tensor.js";

/** x [B, H, W, C] → [B, H·factor, W·factor, C]: every pixel becomes a square of equal pixels. Differentiable. */
export function upsample(x: Tensor, factor = 2): Tensor {
  checkTensors("upsample", "f32", x);
  if (x.rank !== 4) throw new ShapeError("upsample", `x ${x} is not [B, H, W, C]`);
  if (!Number.isInteger(factor) || factor < 1)
    throw new ShapeError("upsample", `factor ${factor} is not a whole number of at least 1`);
  const { gpu } = x;
  const [batch, height, width, channels] = x.shape as [number, number, number, number];
  const vector = channels % 4 === 0;
  const columns = vector ? channels / 4 : channels;
  const params = { lines: batch * height, width, columns, factor, accumulate: 0 };
  const { forward, backward } = kernels.upsample;
  const options = {
    groups: gpu.groups1d(batch * height * width * columns, gpu.tunables(forward).WORKGROUP),
    variant: { Element: vector ? "vector" : "scalar" } as const,
  };
  const output = empty(gpu, [batch, height * factor, width * factor, channels], "f32", "upsample");
  gpu.run(forward, { input: x, output }, params, options);
  return record("upsample", [x], output, () => (dy, grads) => {
    const { tensor, accumulate } = grads.sink(0);
    const flags = { ...params, accumulate: accumulate ? 1 : 0 };
    gpu.run(backward, { doutput: dy, dinput: tensor }, flags, options);
  });
}
