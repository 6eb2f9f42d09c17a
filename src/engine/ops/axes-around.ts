/** The shape of a tensor for a kernel along one axis. */

import type { DType } from "../gpu/kernel.js";
import { ShapeError } from "../tensor/errors.js";
import { sizeOf } from "../tensor/strided.js";
import type { Tensor } from "../tensor/tensor.js";

/** `[outer, length, inner]`: the elements in front of an axis, along it, and behind it. */
export interface AxesAround {
  outer: number;
  length: number;
  inner: number;
  /** Index of the axis, counted from the first. */
  axis: number;
}

export function axesAround(op: string, x: Tensor<DType>, axis: number): AxesAround {
  if (x.rank === 0) throw new ShapeError(op, `${x.label} is a scalar; an axis is needed`);
  const a = x.axis(op, axis);
  return {
    outer: sizeOf(x.shape.slice(0, a)),
    length: x.shape[a]!,
    inner: sizeOf(x.shape.slice(a + 1)),
    axis: a,
  };
}
