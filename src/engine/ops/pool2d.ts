/** Average and max pooling of pictures, channels last, and their gradients (shaders/pool/pool2d.wgsl). */

import * as kernels from "../gpu/more-kernels.generated.js";
import { checkTensors } from "../tensor/arguments.js";
import { ShapeError } from "../tensor/errors.js";
import { record } from "../tensor/tape.js";
import { empty, type Tensor } from "../tensor/tensor.js";
import type { Padding } from "./conv2d.js";
import { type Pair, window2d } from "./window2d.js";

/** Options of `maxPool2d`. */
export interface Pool2dOptions {
  /** Height and width of the window. */
  kernel: Pair;
  /** Step between windows; default: the size of the window. */
  stride?: Pair;
  /** One number for all sides, or one per side; default 0. Smaller than the window, so that each window contains a pixel. */
  padding?: number | Partial<Padding>;
}

/** Options of `avgPool2d`. */
export interface AvgPool2dOptions extends Pool2dOptions {
  /** Whether padding counts as pixels of 0 in a mean. Default false: a mean is over the pixels inside the image. */
  countPadding?: boolean;
}

/** Sizes, grids and variants of pooling x [B, H, W, C]. */
function planOf(op: string, x: Tensor, { kernel, stride = kernel, padding = 0 }: Pool2dOptions) {
  checkTensors(op, "f32", x);
  if (x.rank !== 4) throw new ShapeError(op, `x [${x.shape.join(", ")}] is not [B, H, W, C]`);
  const [batch, height, width, channels] = x.shape as [number, number, number, number];
  const window = window2d(op, x.shape, kernel, stride, padding);
  const { outHeight, outWidth, kernelHeight, kernelWidth, strideY, strideX } = window;
  const { top, left, bottom, right } = window.padding;
  if (Math.max(top, bottom) >= kernelHeight || Math.max(left, right) >= kernelWidth)
    throw new ShapeError(
      op,
      `padding ${JSON.stringify(padding)} is not smaller than the window of ${kernelHeight}×${kernelWidth}`,
    );
  return {
    shape: [batch, outHeight, outWidth, channels],
    params: {
      batch,
      height,
      width,
      channels,
      out_height: outHeight,
      out_width: outWidth,
      kernel_height: kernelHeight,
      kernel_width: kernelWidth,
      stride_y: strideY,
      stride_x: strideX,
      top,
      left,
      accumulate: 0,
    },
  };
}

/**
 * y[b, oy, ox, c] = max over the window of x[b, oy·s + ky − top, ox·s + kx − left, c]: x [B, H, W, C] → [B, OH, OW, C],
 * OH = ⌊(H + top + bottom − KH)/s⌋ + 1. Pixels outside the picture do not take part. Differentiable: the gradient goes to the
 * first of equal maxima, row by row. One dispatch forward, one backward.
 */
export function maxPool2d(x: Tensor, options: Pool2dOptions): Tensor {
  const { shape, params } = planOf("maxPool2d", x, options);
  const { gpu } = x;
  const { maximum, backwardMaximum } = kernels.pool2d;
  const output = empty(gpu, shape, "f32", "maxPool2d");
  const places = empty(gpu, shape, "u32", "maxPool2d places");
  gpu.run(maximum, { input: x, output, places }, params, {
    groups: gpu.groups1d(output.size, gpu.tunables(maximum).WORKGROUP),
  });
  return record("maxPool2d", [x], output, (save) => {
    const saved = save(places);
    const count = x.size;
    return (dy, grads) => {
      const { tensor, accumulate } = grads.sink(0);
      gpu.run(
        backwardMaximum,
        { doutput: dy, saved_places: saved, dinput: tensor },
        { ...params, accumulate: accumulate ? 1 : 0 },
        { groups: gpu.groups1d(count, gpu.tunables(backwardMaximum).WORKGROUP) },
      );
    };
  });
}

/** As `maxPool2d` with the mean of each window. Differentiable; one dispatch forward, one backward. */
export function avgPool2d(x: Tensor, options: AvgPool2dOptions): Tensor {
  const { shape, params } = planOf("avgPool2d", x, options);
  const { gpu } = x;
  const { mean, backwardMean } = kernels.pool2d;
  const variant = { COUNT_PADDING: options.countPadding ?? false };
  const output = empty(gpu, shape, "f32", "avgPool2d");
  gpu.run(mean, { input: x, output }, params, {
    groups: gpu.groups1d(output.size, gpu.tunables(mean).WORKGROUP),
    variant,
  });
  const count = x.size;
  return record("avgPool2d", [x], output, () => (dy, grads) => {
    const { tensor, accumulate } = grads.sink(0);
    gpu.run(
      backwardMean,
      { doutput: dy, dinput: tensor },
      { ...params, accumulate: accumulate ? 1 : 0 },
      { groups: gpu.groups1d(count, gpu.tunables(backwardMean).WORKGROUP), variant },
    );
  });
}
