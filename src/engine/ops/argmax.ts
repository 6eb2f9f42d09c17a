/** Indices of the largest and smallest elements along an axis (shaders/reduce/extreme.wgsl). */

import * as kernels from "../gpu/more-kernels.generated.js";
import { checkTensors } from "../tensor/arguments.js";
import { empty, type Tensor } from "../tensor/tensor.js";
import { axesAround } from "./axes-around.js";
import { contiguous } from "./copy.js";

/** The axis length up to which one invocation is faster than several that share the axis. */
const serialLength = 64;
/** The number of outputs from which one invocation per output keeps an adapter busy. */
const manyOutputs = 16384;

function extreme(op: string, MINIMUM: boolean, input: Tensor, axis: number): Tensor<"u32"> {
  checkTensors(op, "f32", input);
  const { gpu } = input;
  const { outer, length, inner, axis: a } = axesAround(op, input, axis);
  const shape = input.shape.toSpliced(a, 1);
  const kernel = kernels.extreme.find;
  return gpu.scope(() => {
    const x = contiguous(input.detach());
    let found: Tensor<"u32"> | null = null;
    let left = length;
    do {
      const serial = left <= serialLength || outer * inner >= manyOutputs;
      const parts = serial ? 1 : Math.ceil(left / serialLength);
      const best: Tensor<"u32"> = empty(gpu, parts === 1 ? shape : [outer, parts, inner], "u32", op);
      const count = outer * parts * inner;
      gpu.run(
        kernel,
        { x, candidates: found ?? x.storage, best },
        { length, inner, candidates: left, parts, count },
        {
          groups: gpu.groups1d(count, gpu.tunables(kernel).WORKGROUP),
          variant: { MINIMUM, CANDIDATES: found !== null },
        },
      );
      found = best;
      left = parts;
    } while (left > 1);
    return found;
  });
}

/** The index of the largest element along an axis, which is removed. Ties give the first; a NaN wins. No gradient. */
export const argmax = (x: Tensor, axis = -1): Tensor<"u32"> => extreme("argmax", false, x, axis);
/** The index of the smallest element along an axis, which is removed. Ties give the first; a NaN wins. No gradient. */
export const argmin = (x: Tensor, axis = -1): Tensor<"u32"> => extreme("argmin", true, x, axis);
