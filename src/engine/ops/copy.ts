/** Ops that make views dense, copy, join and fill. The strided copy itself is shaders/common/strided.wgsl. */

import type { DType, Float } from "../gpu/kernel.js";
import * as kernels from "../gpu/kernels.generated.js";
import { checkTensors } from "../tensor/arguments.js";
import { ShapeError } from "../tensor/errors.js";
import { copyStrided, sameShape } from "../tensor/strided.js";
import { passedOn, record } from "../tensor/tape.js";
import { empty, type Tensor } from "../tensor/tensor.js";

/** Returns the tensor if every kernel can bind it, else a dense copy with the same values; under `noGrad` off the tape. */
export function contiguous<D extends DType>(x: Tensor<D>): Tensor<D> {
  checkTensors("contiguous", "any", x);
  return x.gpu.binds(x) ? passedOn(x) : x.dense();
}

/** Converts `x` to a dense tensor of another element type; the gradient, always float32, passes through. */
export function cast<D extends Float>(x: Tensor<Float>, dtype: D): Tensor<D> {
  checkTensors("cast", "float", x);
  const y = empty(x.gpu, x.shape, dtype, x.label);
  copyStrided(x, y, { accumulate: false });
  return record("cast", [x], y, () => (dy, grads) => grads.give(0, dy));
}

/** Copies `source` to `target`; both may be views, of the same shape and in different memory. Not on the tape. */
export function copyInto(target: Tensor<DType>, source: Tensor<DType>): void {
  checkTensors("copyInto", "any", target, source);
  if (!sameShape(target.shape, source.shape)) {
    throw new ShapeError("copyInto", `target ${target} and source ${source} differ`);
  }
  copyStrided(source, target, { accumulate: false });
}

/** Joins tensors along one axis; all other axes have to agree. Negative axes count from the last. */
export function concat(tensors: readonly Tensor[], axis: number): Tensor {
  checkTensors("concat", "f32", ...tensors);
  const first = tensors[0];
  if (!first) throw new ShapeError("concat", "no tensors were given");
  const along = first.axis("concat", axis);
  for (const tensor of tensors) {
    const agrees =
      tensor.rank === first.rank &&
      tensor.shape.every((length, i) => i === along || length === first.shape[i]);
    if (!agrees) {
      throw new ShapeError("concat", `${first} and ${tensor} differ outside axis ${along}`);
    }
  }
  const length = tensors.reduce((sum, tensor) => sum + tensor.shape[along]!, 0);
  const shape = first.shape.map((value, i) => (i === along ? length : value));
  const y = empty(first.gpu, shape, "f32", "concat");
  const starts: number[] = [];
  let start = 0;
  for (const tensor of tensors) {
    starts.push(start);
    copyInto(y.slice(along, start, tensor.shape[along]!), tensor);
    start += tensor.shape[along]!;
  }
  const lengths = tensors.map((tensor) => tensor.shape[along]!);
  return record("concat", tensors, y, () => (dy, grads) => {
    lengths.forEach((part, i) => {
      if (grads.needs(i)) grads.give(i, dy.slice(along, starts[i]!, part));
    });
  });
}

/** Sets every element of a dense tensor. Not on the tape. */
export function fill(target: Tensor, value: number): void {
  checkTensors("fill", "f32", target);
  const kernel = kernels.fill.fill;
  const groups = target.gpu.groups1d(target.size, target.gpu.tunables(kernel).WORKGROUP);
  target.gpu.run(kernel, { x: target }, { count: target.size, value }, { groups });
}
