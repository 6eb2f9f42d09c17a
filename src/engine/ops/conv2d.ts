/**
 * Two-dimensional convolution, channels last, and its gradients (shaders/conv2d/conv2d.wgsl, conv2d-subgroups.wgsl,
 * conv2d-registers.wgsl).
 */

import type { Gpu } from "../gpu/gpu.js";
import * as kernels from "../gpu/kernels.generated.js";
import * as choices from "../gpu/tuning/choices.js";
import { checkTensors, optional } from "../tensor/arguments.js";
import { ShapeError } from "../tensor/errors.js";
import { record } from "../tensor/tape.js";
import { empty, type Tensor } from "../tensor/tensor.js";
import { combineParts, type Sink } from "./combine.js";
import { type InTable, type Numbers, pick, type Variant } from "./variants.js";

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
  /** One number for all sides, or one per side; default 0. */
  padding?: number | Partial<Padding>;
  /** The bias [O], or null. */
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

/** The entry points that gather: each pixel of the result from the pixels that the taps reach. */
type Gather = "forward" | "backwardInput";

interface ConvolutionVariant extends Variant<void> {
  gather(entry: Gather): InTable<typeof kernels.conv2d.forward>;
  backwardWeight(): InTable<typeof kernels.conv2d.backwardWeight>;
  /** Channels per unit: 4 if the kernel reads vectors. */
  readonly each: 1 | 4;
  /** Whether workgroups are numbered in one dimension, not by pixels and channels. */
  readonly inLine: boolean;
  /** Additional compile-time choices in `gather`. */
  variant(entry: Gather): Record<string, boolean>;
  /** Rows and columns of the result per workgroup, `channels` being all columns, and the tunables that set them. */
  tile(
    gpu: Gpu,
    tuned: Numbers,
    entry: Gather | "backwardWeight",
    channels: number,
  ): { rows: number; columns: number; tune?: Numbers };
}

/** One convolution: its sizes and the kernels for them. */
export interface Plan {
  geometry: Geometry;
  variant: ConvolutionVariant;
}

/**
 * y[b, oy, ox, o] = bias[o] + Σ x[b, oy·s + ky − top, ox·s + kx − left, i] · weight[ky, kx, i, o]: cross-correlation
 * of x [B, H, W, I] with weight [KH, KW, I, O], giving [B, OH, OW, O], OH = ⌊(H + top + bottom − KH)/s⌋ + 1.
 *
 * Channels come last so that neighbouring lanes read neighbouring channels, and so that a 1×1 convolution is a matrix
 * product of the pixels without a copy. Differentiable in x, weight and bias.
 */
export function conv2d(x: Tensor, weight: Tensor, options: Conv2dOptions = {}): Tensor {
  checkTensors("conv2d", "f32", x, weight, ...optional(options.bias));
  const bias = options.bias ?? null;
  const geometry = check(x, weight, bias, options);
  const { gpu } = x;
  const plan = planFor(gpu, geometry);
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
        const weightSink = grads.sinkOrUnused(1, filter.shape);
        backwardWeight(plan, input, dy, weightSink, grads.sinkOrUnused(2, [outChannels]));
      }
    };
  });
}

function check(x: Tensor, weight: Tensor, bias: Tensor | null, options: Conv2dOptions): Geometry {
  const shapes = `x ${x} and weight ${weight}`;
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
    throw new ShapeError("conv2d", `bias ${bias} for ${outChannels} output channels`);
  const { stride = 1, padding = 0 } = options;
  const sides =
    typeof padding === "number"
      ? { top: padding, left: padding, bottom: padding, right: padding }
      : { top: 0, left: 0, bottom: 0, right: 0, ...padding };
  if (!Number.isInteger(stride) || stride < 1)
    throw new ShapeError("conv2d", `stride ${stride} is not a whole number of at least 1`);
  if (Object.values(sides).some((side) => !Number.isInteger(side) || side < 0))
    throw new ShapeError("conv2d", `padding ${JSON.stringify(padding)}: not whole numbers of at least 0`);
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

/** The shape that the tunables of a convolution depend on: output pixels, channels in and out. */
function shapeOf({ batch, outHeight, outWidth, channels, outChannels }: Geometry): number[] {
  return [batch * outHeight * outWidth, channels, outChannels];
}

/** Lanes of a team whose results are `channels` wide: with fewer than 4 channels per lane, some lanes would be idle. */
function lanesFor(most: number, channels: number): number {
  let lanes = 1;
  while (lanes < most && lanes * 4 < channels) lanes *= 2;
  return lanes;
}

const variants: readonly ConvolutionVariant[] = [
  {
    // In registers: 16 pixels × 16 channels for four lanes. For software adapters with subgroups of four.
    name: "subgroup",
    applies: ({ software, teamLanes }) => software && teamLanes === 4,
    gather: () => kernels.conv2dRegisters.gather,
    backwardWeight: () => kernels.conv2dRegisters.backwardWeight,
    each: 4,
    inLine: true,
    variant: (entry) => ({ BACKWARD: entry !== "forward" }),
    tile: () => ({ rows: 16, columns: 16 }),
  },
  {
    name: "subgroup",
    applies: ({ teamLanes }) => teamLanes > 0,
    gather: (entry) => kernels.conv2dSubgroups[entry],
    backwardWeight: () => kernels.conv2dSubgroups.backwardWeight,
    each: 4,
    inLine: false,
    variant: () => ({}),
    tile({ teamLanes }, tuned, entry, channels) {
      const LANES = entry === "forward" ? lanesFor(teamLanes, channels) : teamLanes;
      // The gradient of the weight has 8 rows per team.
      const rows = ((tuned.ROWS ?? 8) * tuned.WORKGROUP!) / LANES;
      return { rows, columns: 4 * LANES, tune: { ...tuned, LANES } };
    },
  },
  {
    name: "portable",
    applies: () => true,
    gather: (entry) => kernels.conv2d[entry],
    backwardWeight: () => kernels.conv2d.backwardWeight,
    each: 1,
    inLine: false,
    variant: () => ({}),
    tile: (_, tune) => ({
      rows: (tune.ROWS! * tune.WORKGROUP!) / tune.LANES!,
      columns: tune.COLUMNS! * tune.LANES!,
      tune,
    }),
  },
];

/** Chooses the kernels of a convolution. Those that read vectors need channel counts divisible by 4. */
export function planFor(gpu: Gpu, geometry: Geometry): Plan {
  const byVectors = geometry.channels % 4 === 0 && geometry.outChannels % 4 === 0;
  const chosen = byVectors ? gpu.tunables(choices.conv2d, shapeOf(geometry)).KERNEL : "portable";
  return { geometry, variant: pick(variants, chosen, gpu, undefined) };
}

export function forward(plan: Plan, x: Tensor, weight: Tensor, bias: Tensor | null, y: Tensor): void {
  gather(plan, "forward", x, weight, bias, y, false);
}

export function backwardInput(plan: Plan, dy: Tensor, weight: Tensor, dx: Tensor, accumulate: boolean): void {
  gather(plan, "backwardInput", dy, weight, null, dx, accumulate);
}

/** Computes each pixel of the target as the weighted sum of the source pixels that its taps reach. */
function gather(
  plan: Plan,
  entry: Gather,
  source: Tensor,
  weight: Tensor,
  bias: Tensor | null,
  target: Tensor,
  accumulate: boolean,
): void {
  const { gpu } = source;
  const { geometry, variant } = plan;
  const [batch, height, width, channels] = target.shape as [number, number, number, number];
  // In the backward pass, pixels that the same taps reach are grouped.
  const step = entry === "forward" ? 1 : geometry.stride;
  const kernel = variant.gather(entry);
  const tile = variant.tile(gpu, gpu.tunables<Numbers>(kernel, shapeOf(geometry)), entry, channels);
  const down = Math.ceil((batch * Math.ceil(height / step) * Math.ceil(width / step)) / tile.rows);
  const across = Math.ceil(channels / tile.columns) * step * step;
  // Workgroups over pixels go along x and, beyond the limit of x, along z.
  const [x, z] = gpu.groups1d(down, 1);
  gpu.run(
    kernel,
    // Without a bias, its binding still needs a buffer.
    { input: source, weight, bias: bias ?? weight, output: target },
    { ...params(plan), accumulate: accumulate ? 1 : 0 },
    {
      groups: variant.inLine ? gpu.groups1d(down * across, 1) : [x, across, z],
      variant: { ...variant.variant(entry), HAS_BIAS: bias !== null },
      tune: tile.tune,
    },
  );
}

export function backwardWeight(plan: Plan, x: Tensor, dy: Tensor, weight: Sink, bias: Sink): void {
  const { gpu } = x;
  const { geometry, variant } = plan;
  const { batch, channels, outChannels, outHeight, kernelHeight, kernelWidth } = geometry;
  const weightRows = kernelHeight * kernelWidth * channels;
  const kernel = variant.backwardWeight();
  const tuned = gpu.tunables<Numbers>(kernel, shapeOf(geometry));
  const tile = variant.tile(gpu, tuned, "backwardWeight", outChannels);
  // Kernels whose workgroups are not in one line sum dy in a separate row.
  const down = Math.ceil((weightRows + (variant.inLine ? 0 : 1)) / tile.rows);
  const across = Math.ceil(outChannels / tile.columns);
  // Split the sum over pixels until there is work for every core of the device.
  const wanted = gpu.software ? 32 : 512;
  const splits = Math.max(1, Math.min(Math.ceil(wanted / (down * across)), batch * outHeight, 64));
  const partial = empty(gpu, [splits, weightRows + 1, outChannels], "f32", "conv2d weight gradient splits");
  gpu.run(
    kernel,
    { input: x, doutput: dy, partial },
    { ...params(plan), splits },
    {
      groups: variant.inLine ? gpu.groups1d(down * across * splits, 1) : [down, across, splits],
      tune: tile.tune,
    },
  );
  combineParts(partial, weightRows * outChannels, weight, bias);
}

function params({ geometry, variant: { each } }: Plan) {
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
