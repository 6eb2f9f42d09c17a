/** Convolution in groups of channels, depthwise convolution among them (shaders/conv2d/conv2d-groups.wgsl). */

import * as kernels from "../gpu/more-kernels.generated.js";
import { checkTensors, optional } from "../tensor/arguments.js";
import { ShapeError } from "../tensor/errors.js";
import { record } from "../tensor/tape.js";
import { empty, type Tensor } from "../tensor/tensor.js";
import { combineParts } from "./combine.js";
import type { Padding } from "./conv2d.js";
import { type Pair, window2d } from "./window2d.js";

/** Options of `conv2dGroups`. */
export interface Conv2dGroupsOptions {
  /** Step between output pixels; default 1. */
  stride?: Pair;
  /** One number for all sides, or one per side; default 0. */
  padding?: number | Partial<Padding>;
  /** The bias [O], or null. */
  bias?: Tensor | null;
}

/**
 * y[b, oy, ox, o] = bias[o] + Σ x[b, oy·s + ky − top, ox·s + kx − left, g(o)·I/groups + i] · weight[ky, kx, i, o]: output
 * channels [O] and input channels [I] are split into `groups` equal runs, and a run of outputs reads the run of inputs with the
 * same index, g(o). x [B, H, W, I], weight [KH, KW, I/groups, O] → [B, OH, OW, O]. With groups = I it is a depthwise
 * convolution. Differentiable in x, weight and bias. With one group, `conv2d` is faster.
 */
export function conv2dGroups(
  x: Tensor,
  weight: Tensor,
  groups: number,
  options: Conv2dGroupsOptions = {},
): Tensor {
  const op = "conv2dGroups";
  const { stride = 1, padding = 0, bias = null } = options;
  checkTensors(op, "f32", x, weight, ...optional(bias));
  const shapes = `x [${x.shape.join(", ")}] and weight [${weight.shape.join(", ")}]`;
  if (x.rank !== 4 || weight.rank !== 4)
    throw new ShapeError(op, `${shapes}: x is [B, H, W, in], the weight [kh, kw, in / groups, out]`);
  const [batch, height, width, channels] = x.shape as [number, number, number, number];
  const [kernelHeight, kernelWidth, inputs, outputs] = weight.shape as [number, number, number, number];
  if (!Number.isInteger(groups) || groups < 1 || channels !== inputs * groups || outputs % groups !== 0)
    throw new ShapeError(
      op,
      `${shapes} in ${groups} groups: the weight needs a ${groups}th of the ${channels} input channels, and ${groups} has to divide its output channels`,
    );
  if (bias && (bias.rank !== 1 || bias.size !== outputs))
    throw new ShapeError(op, `bias [${bias.shape.join(", ")}] for ${outputs} output channels`);
  const window = window2d(op, x.shape, [kernelHeight, kernelWidth], stride, padding);
  const { outHeight, outWidth } = window;
  const { gpu } = x;
  const params = {
    batch,
    height,
    width,
    group_count: groups,
    inputs,
    outputs,
    out_height: outHeight,
    out_width: outWidth,
    kernel_height: kernelHeight,
    kernel_width: kernelWidth,
    stride_y: window.strideY,
    stride_x: window.strideX,
    top: window.top,
    left: window.left,
    splits: 1,
    accumulate: 0,
  };
  const tunedFor = [batch * outHeight * outWidth, channels, outputs];
  const { forward, backwardInput, backwardWeight } = kernels.conv2dGroups;
  const y = empty(gpu, [batch, outHeight, outWidth, outputs], "f32", op);
  const tune = gpu.tunables(forward, tunedFor);
  // Without a bias, its binding still needs a buffer.
  gpu.run(forward, { input: x, weight, bias: bias ?? weight, output: y }, params, {
    groups: gpu.groups1d(batch * outHeight * Math.ceil(outWidth / tune.PIXELS) * outputs, tune.WORKGROUP),
    variant: { HAS_BIAS: bias !== null },
    tune,
  });
  return record(op, [x, weight, bias], y, (save) => {
    const [input, filter] = [save(x), save(weight)];
    return (dy, grads) => {
      if (grads.needs(0)) {
        const { tensor, accumulate } = grads.sink(0);
        const tune = gpu.tunables(backwardInput, tunedFor);
        const count = batch * height * Math.ceil(width / tune.PIXELS) * channels;
        gpu.run(
          backwardInput,
          { doutput: dy, weight: filter, dinput: tensor },
          { ...params, accumulate: accumulate ? 1 : 0 },
          { groups: gpu.groups1d(count, tune.WORKGROUP), tune },
        );
      }
      if (!grads.needs(1) && !grads.needs(2)) return;
      const rows = kernelHeight * kernelWidth * inputs + 1;
      // Split the sum over pixels until there is work for every core of the device.
      const wanted = gpu.software ? 1024 : 65536;
      const splits = Math.max(1, Math.min(Math.ceil(wanted / (rows * outputs)), batch * outHeight, 64));
      const partial = empty(gpu, [splits, rows, outputs], "f32", "conv2dGroups weight gradient splits");
      gpu.run(
        backwardWeight,
        { input, dy, partial },
        { ...params, splits },
        {
          groups: gpu.groups1d(partial.size, gpu.tunables(backwardWeight).WORKGROUP),
        },
      );
      // An unused gradient goes into memory that is freed with the scope of the backward pass.
      const sinkOf = (i: number, shape: readonly number[]) =>
        grads.needs(i) ? grads.sink(i) : { tensor: empty(gpu, shape, "f32", "unused"), accumulate: false };
      combineParts(partial, (rows - 1) * outputs, sinkOf(1, filter.shape), sinkOf(2, [outputs]));
    };
  });
}
