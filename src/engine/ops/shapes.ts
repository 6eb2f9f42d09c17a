/** Views and copies with other shapes. Views share memory with the tensor and cost no dispatch. */

import type { DType, Float } from "../gpu/kernel.js";
import { checkTensors } from "../tensor/arguments.js";
import { ArgumentError, ShapeError } from "../tensor/errors.js";
import { type BackwardFunction, record } from "../tensor/tape.js";
import { empty, type Tensor, zeros } from "../tensor/tensor.js";
import { concat, copyInto, fill } from "./copy.js";
import { sumTo } from "./reduce.js";

const shown = (shape: readonly number[]) => `[${shape.join(", ")}]`;

function view<D extends DType>(
  op: string,
  x: Tensor<D>,
  shape: readonly number[],
  strides: readonly number[],
  backward: BackwardFunction,
): Tensor<D> {
  const result = x.alias(shape, strides);
  x.gpu.track(result);
  // Integers have no gradient.
  if (x.dtype === "f32" || x.dtype === "f16")
    record(op, [x as unknown as Tensor<Float>], result as unknown as Tensor<Float>, () => backward);
  return result;
}

/** The axes in another order: axis i of the result is axis order[i] of x (negative counts from the last). A view. */
export function permute<D extends DType>(x: Tensor<D>, order: readonly number[]): Tensor<D> {
  checkTensors("permute", "any", x);
  const axes = order.map((axis) => x.axis("permute", axis));
  if (axes.length !== x.rank || new Set(axes).size !== x.rank)
    throw new ShapeError(
      "permute",
      `${shown(order)} does not name each axis of ${x.label} ${shown(x.shape)} once`,
    );
  const back = axes.map((_, i) => axes.indexOf(i));
  return view(
    "permute",
    x,
    axes.map((axis) => x.shape[axis]!),
    axes.map((axis) => x.strides[axis]!),
    (dy, grads) => grads.give(0, permute(dy, back)),
  );
}

/** `x` without an axis of length 1, or without all of them. A view. */
export function squeeze<D extends DType>(x: Tensor<D>, axis?: number): Tensor<D> {
  checkTensors("squeeze", "any", x);
  const only = axis === undefined ? null : x.axis("squeeze", axis);
  if (only !== null && x.shape[only] !== 1)
    throw new ShapeError(
      "squeeze",
      `axis ${axis} of ${x.label} ${shown(x.shape)} has length ${x.shape[only]}, not 1`,
    );
  const stays = (_: unknown, i: number) => (only === null ? x.shape[i] !== 1 : i !== only);
  const from = x.shape;
  return view("squeeze", x, x.shape.filter(stays), x.strides.filter(stays), (dy, grads) =>
    grads.give(0, dy.reshape(from)),
  );
}

/** `x` with a new axis of length 1 in front of `axis`; −1 puts it last. A view. */
export function unsqueeze<D extends DType>(x: Tensor<D>, axis: number): Tensor<D> {
  checkTensors("unsqueeze", "any", x);
  const at = axis < 0 ? axis + x.rank + 1 : axis;
  if (!Number.isInteger(at) || at < 0 || at > x.rank)
    throw new ShapeError(
      "unsqueeze",
      `${x.label} ${shown(x.shape)} takes a new axis from 0 to ${x.rank}, not ${axis}`,
    );
  const from = x.shape;
  return view("unsqueeze", x, from.toSpliced(at, 0, 1), x.strides.toSpliced(at, 0, 0), (dy, grads) =>
    grads.give(0, dy.reshape(from)),
  );
}

/** `x` repeated along axes of length 1 and new axes in front, to `shape`. A view; the gradient is summed. */
export function broadcastTo<D extends DType>(x: Tensor<D>, shape: readonly number[]): Tensor<D> {
  checkTensors("broadcastTo", "any", x);
  const lead = shape.length - x.rank;
  const fits = x.shape.every((length, axis) => length === 1 || length === shape[axis + lead]);
  if (lead < 0 || !fits || !shape.every((length) => Number.isInteger(length) && length > 0))
    throw new ShapeError("broadcastTo", `${x.label} ${shown(x.shape)} does not broadcast to ${shown(shape)}`);
  const strides = shape.map((_, axis) =>
    axis < lead || x.shape[axis - lead] === 1 ? 0 : x.strides[axis - lead]!,
  );
  const from = x.shape;
  return view("broadcastTo", x, [...shape], strides, (dy, grads) => grads.give(0, sumTo(dy, from)));
}

/** Tensors of one shape, joined along a new axis in front of `axis` (−1: last). */
export function stack(tensors: readonly Tensor[], axis = 0): Tensor {
  checkTensors("stack", "f32", ...tensors);
  const first = tensors[0];
  if (!first) throw new ShapeError("stack", "no tensors were given");
  for (const { label, shape } of tensors)
    if (shown(shape) !== shown(first.shape))
      throw new ShapeError("stack", `${first.label} is ${shown(first.shape)}, ${label} ${shown(shape)}`);
  const at = axis < 0 ? axis + first.rank + 1 : axis;
  return first.gpu.scope(() =>
    concat(
      tensors.map((tensor) => unsqueeze(tensor, axis)),
      at,
    ),
  );
}

/** Parts along an axis: a number of equal parts, or parts of the given lengths, which must add up to the axis. Views. */
export function split<D extends DType>(
  x: Tensor<D>,
  parts: number | readonly number[],
  axis = 0,
): Tensor<D>[] {
  checkTensors("split", "any", x);
  const along = x.axis("split", axis);
  const length = x.shape[along]!;
  const lengths = typeof parts === "number" ? new Array<number>(parts).fill(length / parts) : parts;
  const whole = lengths.every((part) => Number.isInteger(part) && part > 0);
  if (!whole || lengths.reduce((sum, part) => sum + part, 0) !== length) {
    const asked = typeof parts === "number" ? `${parts} equal parts` : `parts of ${parts.join(", ")}`;
    throw new ShapeError(
      "split",
      `axis ${axis} of ${x.label} ${shown(x.shape)} does not split into ${asked}`,
    );
  }
  let start = 0;
  return lengths.map((part) => {
    start += part;
    return x.slice(along, start - part, part);
  });
}

/** `x` with `value` before and after it along axes: [before, after] for each axis. A copy. */
export function pad(x: Tensor, widths: readonly (readonly [number, number])[], value = 0): Tensor {
  checkTensors("pad", "f32", x);
  if (widths.length !== x.rank)
    throw new ShapeError(
      "pad",
      `${x.label} ${shown(x.shape)} needs ${x.rank} pairs of widths, not ${widths.length}`,
    );
  for (const width of widths.flat())
    if (!Number.isInteger(width) || width < 0)
      throw new ArgumentError("pad", `${width} is no width of a border`);
  const shape = x.shape.map((length, axis) => length + widths[axis]![0] + widths[axis]![1]);
  const middle = (whole: Tensor) =>
    widths.reduce((part, [before], axis) => part.slice(axis, before, x.shape[axis]!), whole);
  return x.gpu.scope(() => {
    const y = value === 0 ? zeros(x.gpu, shape, "f32", "pad") : empty(x.gpu, shape, "f32", "pad");
    if (value !== 0) fill(y, value);
    copyInto(middle(y), x);
    return record("pad", [x], y, () => (dy, grads) => grads.give(0, middle(dy)));
  });
}
