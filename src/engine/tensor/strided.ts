/** Strides, and the copy that reads and writes through them (shaders/common/strided.wgsl). */

import type { Gpu } from "../gpu/gpu.js";
import type { DType } from "../gpu/kernel.js";
import * as kernels from "../gpu/kernels.generated.js";
import type { Storage } from "../gpu/pool.js";
import type { Region } from "../gpu/region.js";
import { ShapeError } from "./errors.js";

const maxRank = 6;

/** The properties of a tensor that `copyStrided` needs. */
export interface Strided {
  readonly gpu: Gpu;
  readonly storage: Storage;
  readonly region: Region;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly offset: number;
  readonly size: number;
  readonly rank: number;
  readonly label: string;
}

/** The number of elements of a tensor of this shape. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, length) => product * length, 1);
}

/** The shape that two shapes broadcast to, or null. */
export function broadcast(a: readonly number[], b: readonly number[]): number[] | null {
  const rank = Math.max(a.length, b.length);
  const shape: number[] = [];
  for (let axis = 0; axis < rank; axis++) {
    const x = a[axis - rank + a.length] ?? 1;
    const y = b[axis - rank + b.length] ?? 1;
    if (x !== y && x !== 1 && y !== 1) return null;
    shape.push(Math.max(x, y));
  }
  return shape;
}

/** Row-major strides of a shape, in elements. */
export function denseStrides(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  let step = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = step;
    step *= shape[axis]!;
  }
  return strides;
}

/** Whether strides are row-major without gaps; the stride of an axis of length 1 does not matter. */
export function isDense(shape: readonly number[], strides: readonly number[]): boolean {
  let step = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] !== 1 && strides[axis] !== step) return false;
    step *= shape[axis]!;
  }
  return true;
}

export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((length, axis) => length === b[axis]);
}

function padded(values: readonly number[], filler: number): number[] {
  return [...new Array<number>(maxRank - values.length).fill(filler), ...values];
}

function firstTwo(values: readonly number[]): [number, number, number, number] {
  return [values[0]!, values[1]!, 0, 0];
}

function lastFour(values: readonly number[]): [number, number, number, number] {
  return values.slice(2) as [number, number, number, number];
}

/** The type as which the kernel copies elements; both integer types are copied as words. */
function copiedAs(dtype: DType): "f32" | "f16" | "u32" {
  return dtype === "i32" ? "u32" : dtype;
}

/**
 * target = source, or target += source with `accumulate`, element by element; both may be strided views (at most six
 * axes) of the same shape in different memory. Their element types are the same, or float32 and float16: a conversion
 * rounds to nearest, and values beyond float16's ±65504 become infinite. Not on the tape.
 */
export function copyStrided(source: Strided, target: Strided, options: { accumulate: boolean }): void {
  if (!sameShape(source.shape, target.shape)) {
    throw new ShapeError("copy", `${source} into ${target}`);
  }
  if (source.rank > maxRank)
    throw new ShapeError("copy", `${source.label} has ${source.rank} axes; at most ${maxRank} are supported`);
  const [read, written] = [copiedAs(source.dtype), copiedAs(target.dtype)];
  if (source.dtype !== target.dtype && (read === "u32" || written === "u32"))
    throw new ShapeError("copy", `${source.label} is ${source.dtype}, ${target.label} ${target.dtype}`);
  const { gpu } = source;
  const kernel = kernels.strided.copy;
  const shape = padded(source.shape, 1);
  const from = padded(source.strides, 0);
  const to = padded(target.strides, 0);
  const numbers = [source.offset, target.offset, shape[5]!, ...from.slice(0, 5), ...to.slice(0, 5)];
  const byFours =
    read === "f32" && written === "f32" && from[5] === 1 && to[5] === 1 && numbers.every((n) => n % 4 === 0);
  const unit = byFours ? 4 : 1;
  const counted = (strides: readonly number[]) =>
    strides.map((stride, axis) => (axis < 5 ? stride / unit : stride));
  const [reading, writing] = [counted(from), counted(to)];
  const count = source.size / unit;
  shape[5]! /= unit;
  gpu.run(
    kernel,
    { source: source.storage, destination: target.storage },
    {
      shape_low: lastFour(shape),
      source_low: lastFour(reading),
      target_low: lastFour(writing),
      source_high: firstTwo(reading),
      target_high: firstTwo(writing),
      shape_1: shape[1]!,
      source_offset: source.offset / unit,
      target_offset: target.offset / unit,
      count,
      accumulate: options.accumulate ? 1 : 0,
    },
    {
      groups: gpu.groups1d(count, gpu.tunables(kernel).WORKGROUP),
      variant: byFours
        ? { Source: "vector", Destination: "vector", Value: "vector" }
        : { Source: read, Destination: written, Value: read === "u32" ? "u32" : "f32" },
      writes: target.region,
    },
  );
}
