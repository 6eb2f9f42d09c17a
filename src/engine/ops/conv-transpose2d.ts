/** Transposed convolution, from small pictures to large ones (kernels of conv2d). */

import { checkTensors } from "../tensor/arguments.js";
import { ShapeError } from "../tensor/errors.js";
import { record } from "../tensor/tape.js";
import { empty, type Tensor } from "../tensor/tensor.js";
import { backwardInput, backwardWeight, forward, type Geometry, planFor } from "./conv2d.js";

/** Options of `convTranspose2d`. */
export interface ConvTranspose2dOptions {
  /** Step in the output between the positions of input pixels; default 1. */
  stride?: number;
  /** Pixels removed on all sides; default 0. */
  padding?: number;
}

/**
 * The adjoint of `conv2d` with the same weight and options: x [B, H, W, I] and weight [KH, KW, O, I] give
 * [B, (H-1)·s + KH - 2p, (W-1)·s + KW - 2p, O],
 * y[b, iy·s + ky - p, ix·s + kx - p, o] += x[b, iy, ix, i] · weight[ky, kx, o, i].
 *
 * With a 4×4 kernel, stride 2 and padding 1 it doubles the picture at less than half the work of nearest upsampling
 * and a 3×3 convolution. Differentiable in x and weight.
 */
export function convTranspose2d(x: Tensor, weight: Tensor, options: ConvTranspose2dOptions = {}): Tensor {
  checkTensors("convTranspose2d", "f32", x, weight);
  const { stride = 1, padding = 0 } = options;
  const shapes = `x ${x} and weight ${weight}`;
  if (x.rank !== 4 || weight.rank !== 4 || x.shape[3] !== weight.shape[3]) {
    throw new ShapeError("convTranspose2d", `${shapes}: x is [B, H, W, in], the weight [kh, kw, out, in]`);
  }
  const [batch, outHeight, outWidth, outChannels] = x.shape as [number, number, number, number];
  const [kernelHeight, kernelWidth, channels] = weight.shape as [number, number, number, number];
  const height = (outHeight - 1) * stride + kernelHeight - 2 * padding;
  const width = (outWidth - 1) * stride + kernelWidth - 2 * padding;
  if (height < 1 || width < 1)
    throw new ShapeError("convTranspose2d", `${shapes}: padding ${padding} leaves nothing`);
  // Names refer to the convolution whose adjoint this is: our output is its input.
  const geometry: Geometry = {
    batch,
    height,
    width,
    channels,
    outHeight,
    outWidth,
    outChannels,
    kernelHeight,
    kernelWidth,
    stride,
    top: padding,
    left: padding,
  };
  const { gpu } = x;
  const plan = planFor(gpu, geometry);
  const y = empty(gpu, [batch, height, width, channels], "f32", "convTranspose2d");
  backwardInput(plan, x, weight, y, false);
  return record("convTranspose2d", [x, weight], y, (save) => {
    const [input, filter] = [save(x), save(weight)];
    return (dy, grads) => {
      if (grads.needs(0)) {
        const { tensor, accumulate } = grads.sink(0);
        const dx = accumulate ? empty(gpu, tensor.shape, "f32", "convTranspose2d gradient") : tensor;
        forward(plan, dy, filter, null, dx);
        if (accumulate) grads.give(0, dx);
      }
      if (grads.needs(1)) {
        // The op has no bias, but the kernel still writes its gradient.
        backwardWeight(plan, dy, input, grads.sink(1), grads.sinkOrUnused(2, [outChannels]));
      }
    };
  });
}
