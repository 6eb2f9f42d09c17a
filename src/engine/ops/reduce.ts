/** Sums, means and maxima over axes (shaders/reduce/reduce.wgsl), and losses and counts computed by them. */

import type { Vec4 } from "../gpu/kernel.js";
import * as kernels from "../gpu/kernels.generated.js";
import { checkTensors } from "../tensor/arguments.js";
import { ShapeError } from "../tensor/errors.js";
import { denseStrides, sizeOf } from "../tensor/strided.js";
import { record } from "../tensor/tape.js";
import { empty, type Tensor } from "../tensor/tensor.js";
import { contiguous } from "./copy.js";

/** The function applied to an element before the reduction. */
type Map = "identity" | "square" | "absolute" | "squared_difference" | "absolute_difference" | "non_finite";

/** Axes of one kind, kept or reduced, after merging: lengths, strides in x, strides of the second operand or dx. */
interface Axes {
  length: number[];
  stride: number[];
  other: number[];
}

interface Layout {
  kept: Axes;
  reduced: Axes;
  outputs: number;
  length: number;
}

/** A shape's axes split by `isReduced`, neighbours of one kind merged where the strides allow; null if over three remain. */
function layoutOf(x: Tensor, isReduced: readonly boolean[]): Layout | null {
  const dense = denseStrides(x.shape);
  const kept: Axes = { length: [], stride: [], other: [] };
  const reduced: Axes = { length: [], stride: [], other: [] };
  let previous: Axes | null = null;
  x.shape.forEach((length, axis) => {
    if (length === 1) return;
    const axes = isReduced[axis] ? reduced : kept;
    const stride = x.strides[axis]!;
    const last = axes.length.length - 1;
    if (previous === axes && axes.stride[last] === stride * length) {
      axes.length[last]! *= length;
      axes.stride[last] = stride;
      axes.other[last] = dense[axis]!;
    } else {
      axes.length.push(length);
      axes.stride.push(stride);
      axes.other.push(dense[axis]!);
    }
    previous = axes;
  });
  if (kept.length.length > 3 || reduced.length.length > 3) return null;
  return { kept, reduced, outputs: sizeOf(kept.length), length: sizeOf(reduced.length) };
}

function three(values: readonly number[], filler: number): Vec4 {
  const all = [...new Array<number>(3 - values.length).fill(filler), ...values];
  return [all[0]!, all[1]!, all[2]!, 0];
}

function paramsOf(
  layout: Layout,
  offset: number,
  more: { parts?: number; accumulate?: boolean; scale?: number },
) {
  const { kept, reduced, outputs, length } = layout;
  return {
    kept: three(kept.length, 1),
    kept_stride: three(kept.stride, 0),
    reduced: three(reduced.length, 1),
    reduced_stride: three(reduced.stride, 0),
    other_kept: three(kept.other, 0),
    other_reduced: three(reduced.other, 0),
    offset,
    other_offset: 0,
    outputs,
    length,
    parts: more.parts ?? 1,
    accumulate: more.accumulate ? 1 : 0,
    scale: more.scale ?? 1,
  };
}

interface Reduction {
  maximum?: boolean;
  map?: Map;
  /** The second operand of a difference, dense and of x's shape. */
  other?: Tensor;
  scale?: number;
  accumulate?: boolean;
}

/** The sum length up to which one invocation is faster than several that share an output. */
const serialLength = 64;
/** The number of outputs from which one invocation per output keeps an adapter busy. */
const manyOutputs = 64;

/** Reduces x into the dense tensor `y` in one launch, or in two when few outputs have long sums. */
function reduceInto(x: Tensor, layout: Layout, y: Tensor, reduction: Reduction): void {
  const { gpu } = x;
  const { maximum = false, map = "identity", other, scale = 1, accumulate = false } = reduction;
  const { outputs, length } = layout;
  const launch = (
    from: Tensor,
    axes: Layout,
    to: Tensor,
    options: { map: Map; parts: number; scale: number; accumulate: boolean; byLane: boolean },
  ) => {
    const bindings = { x: from.storage, other: (other ?? from).storage, y: to };
    const params = { ...paramsOf(axes, from.offset, options), other_offset: other?.offset ?? 0 };
    const variant = { MAXIMUM: maximum, MAP: options.map } as const;
    const items = axes.outputs * options.parts;
    if (options.byLane) {
      const kernel = kernels.reduce.byLane;
      gpu.run(kernel, bindings, params, {
        groups: gpu.groups1d(items, gpu.tunables(kernel).WORKGROUP),
        variant,
      });
    } else {
      gpu.run(kernels.reduce.byGroup, bindings, params, { groups: gpu.groups1d(items, 1), variant });
    }
  };
  // Neighbouring invocations should read neighbouring elements: along kept axes if these are innermost in memory.
  const keptInside =
    (layout.kept.stride.at(-1) ?? Number.POSITIVE_INFINITY) <
    (layout.reduced.stride.at(-1) ?? Number.POSITIVE_INFINITY);
  // On a software adapter the barriers of a workgroup cost more than sharing saves.
  const byLane = gpu.software || length <= serialLength || (keptInside && outputs >= manyOutputs);
  const perPart = byLane ? serialLength : serialLength * 32;
  const parts =
    outputs * Math.ceil(length / perPart) <= 1
      ? 1
      : Math.min(Math.ceil(length / perPart), Math.max(1, Math.ceil(4096 / outputs)));
  if (parts === 1) {
    launch(x, layout, y, { map, parts, scale, accumulate, byLane });
    return;
  }
  const partial = empty(gpu, [parts, outputs], "f32", "parts of a reduction");
  launch(x, layout, partial, { map, parts, scale: 1, accumulate: false, byLane });
  const second: Layout = {
    kept: { length: [outputs], stride: [1], other: [0] },
    reduced: { length: [parts], stride: [outputs], other: [0] },
    outputs,
    length: parts,
  };
  launch(partial, second, y, {
    map: "identity",
    parts: 1,
    scale,
    accumulate,
    byLane: gpu.software || outputs >= manyOutputs || parts <= serialLength,
  });
}

/** Returns x with its layout, or a dense copy of x if x itself has none. */
function prepared(x: Tensor, isReduced: readonly boolean[], op: string): { x: Tensor; layout: Layout } {
  const layout = layoutOf(x, isReduced);
  if (layout) return { x, layout };
  const dense = contiguous(x);
  const second = layoutOf(dense, isReduced);
  if (!second) throw new ShapeError(op, `the axes of [${x.shape.join(", ")}] alternate too often`);
  return { x: dense, layout: second };
}

function reducedAxes(op: string, x: Tensor, axes: readonly number[] | undefined): boolean[] {
  const isReduced = x.shape.map(() => axes === undefined);
  for (const axis of axes ?? []) isReduced[x.axis(op, axis)] = true;
  return isReduced;
}

/** Options of reductions. */
export interface ReduceOptions {
  /** Keeps reduced axes, with length 1. */
  keepDims?: boolean;
}

/** dx (+)= scale · dy, repeated along the reduced axes, times the derivative of the map. */
function spread(
  x: Tensor,
  layout: Layout,
  dy: Tensor,
  into: { tensor: Tensor; accumulate: boolean },
  options: { map: Map; scale: number; other?: Tensor },
): void {
  const { gpu } = x;
  const kernel = kernels.reduce.spread;
  const { other } = options;
  gpu.run(
    kernel,
    { x: x.storage, other: (other ?? x).storage, dy, y: into.tensor },
    {
      ...paramsOf(layout, x.offset, { accumulate: into.accumulate, scale: options.scale }),
      other_offset: other?.offset ?? 0,
    },
    {
      groups: gpu.groups1d(layout.outputs * layout.length, gpu.tunables(kernel).WORKGROUP),
      variant: { MAP: options.map },
    },
  );
}

function reduction(
  op: string,
  input: Tensor,
  axes: readonly number[] | undefined,
  options: ReduceOptions,
  { map = "identity", mean = false }: { map?: Map; mean?: boolean } = {},
): Tensor {
  checkTensors(op, "f32", input);
  const isReduced = reducedAxes(op, input, axes);
  const { x, layout } = prepared(input, isReduced, op);
  const shape = options.keepDims
    ? x.shape.map((length, axis) => (isReduced[axis] ? 1 : length))
    : x.shape.filter((_, axis) => !isReduced[axis]);
  const factor = mean ? 1 / layout.length : 1;
  const y = empty(x.gpu, shape, "f32", op);
  reduceInto(x, layout, y, { map, scale: factor });
  return record(op, [x], y, (save) => {
    const saved = save(x);
    return (dy, grads) => spread(saved, layout, dy, grads.sink(0), { map, scale: factor });
  });
}

/** The sum over some axes, or all of them (then a scalar). Deterministic: two launches in a fixed order. */
export const sum = (x: Tensor, axes?: readonly number[], options: ReduceOptions = {}): Tensor =>
  reduction("sum", x, axes, options);

/** The mean over some axes, or all of them. */
export const mean = (x: Tensor, axes?: readonly number[], options: ReduceOptions = {}): Tensor =>
  reduction("mean", x, axes, options, { mean: true });

/** Σ x² over some axes, or all of them. */
export const sumSquares = (x: Tensor, axes?: readonly number[], options: ReduceOptions = {}): Tensor =>
  reduction("sumSquares", x, axes, options, { map: "square" });

/** Σ |x| over some axes, or all of them. */
export const sumAbsolute = (x: Tensor, axes?: readonly number[], options: ReduceOptions = {}): Tensor =>
  reduction("sumAbsolute", x, axes, options, { map: "absolute" });

/** The largest element over some axes, or all of them; elements that tie share the gradient. */
export function max(input: Tensor, axes?: readonly number[], options: ReduceOptions = {}): Tensor {
  checkTensors("max", "f32", input);
  const isReduced = reducedAxes("max", input, axes);
  const { x, layout } = prepared(input, isReduced, "max");
  const shape = options.keepDims
    ? x.shape.map((length, axis) => (isReduced[axis] ? 1 : length))
    : x.shape.filter((_, axis) => !isReduced[axis]);
  const y = empty(x.gpu, shape, "f32", "max");
  reduceInto(x, layout, y, { maximum: true });
  return record("max", [x], y, (save) => {
    const saved = save(x);
    return (dy, grads) => {
      const { gpu } = saved;
      const { tensor, accumulate } = grads.sink(0);
      const kernel = kernels.reduce.spreadMax;
      gpu.run(kernel, { x: saved.storage, dy, y: tensor }, paramsOf(layout, saved.offset, { accumulate }), {
        groups: gpu.groups1d(layout.outputs, gpu.tunables(kernel).WORKGROUP),
      });
    };
  });
}

/**
 * scale · x summed over the axes along which `shape` is broadcast (missing in front, or of length 1): reduces the gradient of
 * a broadcast operand to its shape. Writes into a gradient sink if one is given. Not on the tape.
 */
export function sumTo(
  input: Tensor,
  shape: readonly number[],
  into?: { tensor: Tensor; accumulate: boolean; scale?: number },
): Tensor {
  checkTensors("sumTo", "f32", input);
  const lead = input.rank - shape.length;
  const isReduced = input.shape.map(
    (length, axis) => axis < lead || (shape[axis - lead] === 1 && length !== 1),
  );
  const { x, layout } = prepared(input, isReduced, "sumTo");
  const y = into?.tensor ?? empty(x.gpu, shape, "f32", "sumTo");
  reduceInto(x, layout, y, { scale: into?.scale ?? 1, accumulate: into?.accumulate ?? false });
  return y;
}

function meanDifference(
  op: string,
  map: "squared_difference" | "absolute_difference",
  a: Tensor,
  b: Tensor,
): Tensor {
  checkTensors(op, "f32", a, b);
  if (a.rank !== b.rank || a.shape.some((length, axis) => length !== b.shape[axis])) {
    throw new ShapeError(op, `${a} and ${b} differ`);
  }
  const p = contiguous(a);
  const q = contiguous(b);
  const layout = layoutOf(
    p,
    p.shape.map(() => true),
  )!;
  const factor = 1 / p.size;
  const y = empty(p.gpu, [], "f32", op);
  reduceInto(p, layout, y, { map, other: q, scale: factor });
  return record(op, [p, q], y, (save) => {
    const x = save(p);
    const other = save(q);
    return (dy, grads) => {
      if (grads.needs(0)) spread(x, layout, dy, grads.sink(0), { map, scale: factor, other });
      // The derivative with respect to the second operand is that of the reversed difference with respect to its first.
      if (grads.needs(1)) spread(other, layout, dy, grads.sink(1), { map, scale: factor, other: x });
    };
  });
}

/** Mean squared error: mean (a − b)², a scalar. */
export const mse = (a: Tensor, b: Tensor): Tensor => meanDifference("mse", "squared_difference", a, b);

/** Mean absolute error: mean |a − b|, a scalar; the derivative where they are equal is 0. */
export const l1 = (a: Tensor, b: Tensor): Tensor => meanDifference("l1", "absolute_difference", a, b);

/** The number of elements that are infinite or NaN, a scalar (exact up to 2²⁴). Not on the tape. */
export function countNonFinite(input: Tensor): Tensor {
  checkTensors("countNonFinite", "f32", input);
  const { x, layout } = prepared(
    input,
    input.shape.map(() => true),
    "countNonFinite",
  );
  const y = empty(x.gpu, [], "f32", "non-finite elements");
  reduceInto(x, layout, y, { map: "non_finite" });
  return y;
}
