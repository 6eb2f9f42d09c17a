/** Two-dimensional convolution, channels last, and its gradients (shaders/conv2d/conv2d.wgsl, conv2d-subgroups.wgsl, conv2d-registers.wgsl). */

import type { Gpu } from "../gpu/gpu.js";
import * as kernels from "../gpu/kernels.generated.js";
import * as choices from "../gpu/tuning/choices.js";
import { checkTensors, optional } from "../tensor/arguments.js";
import { ShapeError } from "../tensor/errors.js";
import { record } from "../tensor/tape.js";
import { empty, type Tensor } from "../tensor/tensor.js";
import { combineParts, type Sink } from "./combine.js";

/** Pixels of zeros around the image. */
export interface Padding {
  top: number;
  left: number;
  bottom: number;
  right: number;
}

/** Options of `conv2d`. */
export interface Conv2dOptions {
  /** Step between output pixels, in both directions; default 1. */
  stride?: number;
  /** One number for all sides, or each by itself; default 0. */
  padding?: number | Partial<Padding>;
  /** [O] or null. */
  bias?: Tensor | null;
}

/** The sizes of one convolution. */
export interface Geometry {
  batch: number;
  height: number;
  width: number;
  channels: number;
  outHeight: number;
  outWidth: number;
  outChannels: number;
  kernelHeight: number;
  kernelWidth: number;
  stride: number;
  top: number;
  left: number;
}

/** Both files have the same entry points; the scalar one counts channels singly, the other in vec4s. */
export interface Plan {
  geometry: Geometry;
  /** Lanes of a team in the subgroup kernels, or 0 for the portable ones. */
  lanes: number;
}

/**
 * y[b, oy, ox, o] = bias[o] + Σ x[b, oy·s + ky − top, ox·s + kx − left, i] · weight[ky, kx, i, o]: cross-correlation
 * of x [B, H, W, I] with weight [KH, KW, I, O], giving [B, OH, OW, O], OH = ⌊(H + top + bottom − KH)/s⌋ + 1.
 *
 * Channels come last so that neighbouring lanes read neighbouring channels, and so that a 1×1 convolution is a
 * matrix product of the pixels as they lie in memory. Differentiable in x, weight and bias.
 */
export function conv2d(x: Tensor, weight: Tensor, options: Conv2dOptions = {}): Tensor {
  checkTensors("conv2d", "f32", x, weight, ...optional(options.bias));
  const bias = options.bias ?? null;
  const geometry = check(x, weight, bias, options);
  const { gpu } = x;
  const plan = { geometry, lanes: teamLanes(gpu, geometry) };
  const { batch, outHeight, outWidth, outChannels } = geometry;
  const y = empty(gpu, [batch, outHeight, outWidth, outChannels], "f32", "conv2d");
  forward(plan, x, weight, bias, y);
  return record("conv2d", [x, weight, bias], y, (save) => {
    const input = save(x);
    const filter = save(weight);
    return (dy, grads) => {
      if (grads.needs(0)) {
        const { tensor, accumulate } = grads.sink(0);
        backwardInput(plan, dy, filter, tensor, accumulate);
      }
      if (grads.needs(1) || grads.needs(2)) {
        // A gradient that nobody wants goes where it is freed with the scope of the backward pass.
        const weightSink = grads.needs(1)
          ? grads.sink(1)
          : { tensor: empty(gpu, filter.shape, "f32", "conv2d unused"), accumulate: false };
        const biasSink = grads.needs(2)
          ? grads.sink(2)
          : { tensor: empty(gpu, [outChannels], "f32", "conv2d unused"), accumulate: false };
        backwardWeight(plan, input, dy, weightSink, biasSink);
      }
    };
  });
}

function check(x: Tensor, weight: Tensor, bias: Tensor | null, options: Conv2dOptions): Geometry {
  const shapes = `x [${x.shape.join(", ")}] and weight [${weight.shape.join(", ")}]`;
  if (x.rank !== 4 || weight.rank !== 4)
    throw new ShapeError("conv2d", `${shapes}: x is [B, H, W, in], the weight [kh, kw, in, out]`);
  const [batch, height, width, channels] = x.shape as [number, number, number, number];
  const [kernelHeight, kernelWidth, weightChannels, outChannels] = weight.shape as [
    number,
    number,
    number,
    number,
  ];
  if (channels !== weightChannels)
    throw new ShapeError("conv2d", `${shapes}: ${channels} and ${weightChannels} input channels differ`);
  if (bias && (bias.rank !== 1 || bias.size !== outChannels))
    throw new ShapeError("conv2d", `bias [${bias.shape.join(", ")}] for ${outChannels} output channels`);
  const { stride = 1, padding = 0 } = options;
  const sides =
    typeof padding === "number"
      ? { top: padding, left: padding, bottom: padding, right: padding }
      : { top: 0, left: 0, bottom: 0, right: 0, ...padding };
  if (!Number.isInteger(stride) || stride < 1)
    throw new ShapeError("conv2d", `stride ${stride} is not a whole number of at least 1`);
  if (Object.values(sides).some((side) => !Number.isInteger(side) || side < 0))
    throw new ShapeError(
      "conv2d",
      `padding ${JSON.stringify(padding)}: whole numbers of at least 0 are needed`,
    );
  const outHeight = Math.floor((height + sides.top + sides.bottom - kernelHeight) / stride) + 1;
  const outWidth = Math.floor((width + sides.left + sides.right - kernelWidth) / stride) + 1;
  if (outHeight < 1 || outWidth < 1)
    throw new ShapeError("conv2d", `${shapes}: the kernel is larger than the padded image`);
  return {
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
    top: sides.top,
    left: sides.left,
  };
}

/** What the tunables of a convolution depend on: output pixels, channels in and out. */
function shapeOf({ batch, outHeight, outWidth, channels, outChannels }: Geometry): number[] {
  return [batch * outHeight * outWidth, channels, outChannels];
}

/** How many lanes may exchange values: 8, 4 where subgroups are that small, 0 where the portable kernels work. */
export function teamLanes(gpu: Gpu, geometry: Geometry): number {
  if (geometry.channels % 4 !== 0 || geometry.outChannels % 4 !== 0) return 0;
  return gpu.tunables(choices.conv2d, shapeOf(geometry)).KERNEL === "subgroup" ? gpu.teamLanes : 0;
}

/** Lanes of a team whose results are `channels` wide: with fewer than 4 channels a lane, some would only watch. */
function lanesFor(most: number, channels: number): number {
  let lanes = 1;
  while (lanes < most && lanes * 4 < channels) lanes *= 2;
  return lanes;
}

/** On software adapters with subgroups of four lanes, 16 pixels × 16 channels to four lanes. */
function inRegisters(gpu: Gpu, { lanes }: Plan): boolean {
  return gpu.software && lanes === 4;
}

/** The grid of 16 × 16 tiles in `layers`. */
function tiles(gpu: Gpu, rows: number, columns: number, layers: number) {
  return gpu.groups1d(Math.ceil(rows / 16) * Math.ceil(columns / 16) * layers, 1);
}

/** x and z of a grid of `blocks` workgroups, folded where one axis could not hold them. */
function folded(gpu: Gpu, blocks: number): [number, number] {
  const [x, z] = gpu.groups1d(blocks, 1);
  return [x, z];
}

export function forward(plan: Plan, x: Tensor, weight: Tensor, bias: Tensor | null, y: Tensor): void {
  gather(plan, "forward", x, weight, bias, y, false);
}

export function backwardInput(plan: Plan, dy: Tensor, weight: Tensor, dx: Tensor, accumulate: boolean): void {
  gather(plan, "backwardInput", dy, weight, null, dx, accumulate);
}

/** For each pixel of the target what its taps weigh in the source. */
function gather(
  plan: Plan,
  entry: "forward" | "backwardInput",
  source: Tensor,
  weight: Tensor,
  bias: Tensor | null,
  target: Tensor,
  accumulate: boolean,
): void {
  const { gpu } = source;
  const { geometry, lanes } = plan;
  const [batch, height, width, channels] = target.shape as [number, number, number, number];
  // Backward, pixels that the same taps reach go together.
  const step = entry === "forward" ? 1 : geometry.stride;
  const rows = batch * Math.ceil(height / step) * Math.ceil(width / step);
  const phases = step * step;
  // Something has to be bound where there is no bias.
  const bindings = { input: source, weight, bias: bias ?? weight, output: target };
  const variant = { HAS_BIAS: bias !== null };
  const values = { ...params(geometry, lanes ? 4 : 1), accumulate: accumulate ? 1 : 0 };
  if (inRegisters(gpu, plan)) {
    gpu.run(kernels.conv2dRegisters.gather, bindings, values, {
      groups: tiles(gpu, rows, channels, phases),
      variant: { ...variant, BACKWARD: entry !== "forward" },
    });
  } else if (lanes) {
    const kernel = kernels.conv2dSubgroups[entry];
    const tuned = gpu.tunables(kernel, shapeOf(geometry));
    const LANES = entry === "forward" ? lanesFor(lanes, channels) : lanes;
    const [gx, gz] = folded(gpu, Math.ceil(rows / ((tuned.ROWS * tuned.WORKGROUP) / LANES)));
    const groups = [gx, Math.ceil(channels / (4 * LANES)) * phases, gz] as const;
    gpu.run(kernel, bindings, values, { groups, variant, tune: { ...tuned, LANES } });
  } else {
    const kernel = kernels.conv2d[entry];
    const tune = gpu.tunables(kernel, shapeOf(geometry));
    const { WORKGROUP, LANES, ROWS, COLUMNS } = tune;
    const [gx, gz] = folded(gpu, Math.ceil(rows / ((ROWS * WORKGROUP) / LANES)));
    const groups = [gx, Math.ceil(channels / (COLUMNS * LANES)) * phases, gz] as const;
    gpu.run(kernel, bindings, values, { groups, variant, tune });
  }
}

export function backwardWeight(plan: Plan, x: Tensor, dy: Tensor, weight: Sink, bias: Sink): void {
  const { gpu } = x;
  const { geometry, lanes } = plan;
  const { batch, channels, outChannels, outHeight, kernelHeight, kernelWidth } = geometry;
  const weightRows = kernelHeight * kernelWidth * channels;
  const rows = weightRows + 1;
  // The sum over pixels is split until there is work for every core of the device.
  const wanted = gpu.software ? 32 : 512;
  const splitsFor = (groups: number) =>
    Math.max(1, Math.min(Math.ceil(wanted / groups), batch * outHeight, 64));
  const bindingsFor = (splits: number) => ({
    input: x,
    doutput: dy,
    partial: empty(gpu, [splits, rows, outChannels], "f32", "conv2d weight gradient splits"),
  });
  const values = params(geometry, lanes ? 4 : 1);
  let splits: number;
  let bindings: ReturnType<typeof bindingsFor>;
  if (inRegisters(gpu, plan)) {
    splits = splitsFor(tiles(gpu, weightRows, outChannels, 1)[0]);
    bindings = bindingsFor(splits);
    const groups = tiles(gpu, weightRows, outChannels, splits);
    gpu.run(kernels.conv2dRegisters.backwardWeight, bindings, { ...values, splits }, { groups });
  } else if (lanes) {
    const kernel = kernels.conv2dSubgroups.backwardWeight;
    const tuned = gpu.tunables(kernel, shapeOf(geometry));
    const gx = Math.ceil(rows / ((8 * tuned.WORKGROUP) / lanes));
    const gy = Math.ceil(outChannels / (4 * lanes));
    splits = splitsFor(gx * gy);
    bindings = bindingsFor(splits);
    const options = { groups: [gx, gy, splits] as const, tune: { ...tuned, LANES: lanes } };
    gpu.run(kernel, bindings, { ...values, splits }, options);
  } else {
    const kernel = kernels.conv2d.backwardWeight;
    const tune = gpu.tunables(kernel, shapeOf(geometry));
    const { WORKGROUP, LANES, ROWS, COLUMNS } = tune;
    const gx = Math.ceil(rows / ((ROWS * WORKGROUP) / LANES));
    const gy = Math.ceil(outChannels / (COLUMNS * LANES));
    splits = splitsFor(gx * gy);
    bindings = bindingsFor(splits);
    gpu.run(kernel, bindings, { ...values, splits }, { groups: [gx, gy, splits], tune });
  }
  combineParts(bindings.partial, weightRows * outChannels, weight, bias);
}

/** Channels by `each` at once. */
function params(geometry: Geometry, each: 1 | 4) {
  return {
    batch: geometry.batch,
    height: geometry.height,
    width: geometry.width,
    inputs: geometry.channels / each,
    outputs: geometry.outChannels / each,
    out_height: geometry.outHeight,
    out_width: geometry.outWidth,
    kernel_height: geometry.kernelHeight,
    kernel_width: geometry.kernelWidth,
    stride: geometry.stride,
    top: geometry.top,
    left: geometry.left,
    accumulate: 0,
    splits: 1,
  };
}
