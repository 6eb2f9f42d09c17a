/** Running sums along an axis (shaders/reduce/cumsum.wgsl). */

import type { DType } from "../gpu/kernel.js";
import * as kernels from "../gpu/more-kernels.generated.js";
import { checkTensors } from "../tensor/arguments.js";
import { ArgumentError } from "../tensor/errors.js";
import { record } from "../tensor/tape.js";
import { empty, type Tensor } from "../tensor/tensor.js";
import { type AxesAround, axesAround } from "./axes-around.js";

type Added = "f32" | "u32" | "i32";

/** PART of the shader. */
const partLength = 64;

/** Options of `cumsum`. */
export interface CumsumOptions {
  /** Excludes the element itself from its sum; default false. */
  exclusive?: boolean;
  /** Adds from the end; default false. */
  reverse?: boolean;
}

/** into (+)= running sums of x along an axis, both dense. */
export function cumsumInto<D extends Added>(
  x: Tensor<D>,
  { outer, length, inner }: Omit<AxesAround, "axis">,
  { exclusive = false, reverse = false }: CumsumOptions,
  into: { tensor: Tensor<D>; accumulate: boolean },
): void {
  const { gpu } = x;
  const parts = Math.ceil(length / partLength);
  const count = outer * parts * inner;
  const params = { length, inner, parts, count };
  const { partSums, scan } = kernels.cumsum;
  gpu.scope(() => {
    let offsets: Tensor<D> | null = null;
    if (parts > 1) {
      const sums = empty(gpu, [outer, parts, inner], x.dtype, "sums of parts");
      gpu.run(
        partSums,
        { x, y: sums },
        { ...params, accumulate: 0 },
        {
          groups: gpu.groups1d(count, gpu.tunables(partSums).WORKGROUP),
          variant: { REVERSE: reverse, T: x.dtype },
        },
      );
      offsets = empty(gpu, sums.shape, x.dtype, "where parts start");
      const around = { outer, length: parts, inner };
      cumsumInto(sums, around, { exclusive: true }, { tensor: offsets, accumulate: false });
    }
    gpu.run(
      scan,
      { x, offsets: offsets ?? x, y: into.tensor },
      { ...params, accumulate: into.accumulate ? 1 : 0 },
      {
        groups: gpu.groups1d(count, gpu.tunables(scan).WORKGROUP),
        variant: { EXCLUSIVE: exclusive, REVERSE: reverse, HAS_OFFSETS: offsets !== null, T: x.dtype },
      },
    );
  });
}

/** y[j] = Σ x[i] over i ≤ j along an axis. Shape as x. Integers wrap around. The result is bit-reproducible. */
export function cumsum<D extends Added = "f32">(
  x: Tensor<D>,
  axis = -1,
  options: CumsumOptions = {},
): Tensor<D> {
  checkTensors("cumsum", "any", x);
  if ((x.dtype as DType) === "f16") throw new ArgumentError("cumsum", `${x.label} is f16; cast it to f32`);
  const around = axesAround("cumsum", x, axis);
  const y = empty(x.gpu, x.shape, x.dtype, "cumsum");
  cumsumInto(x, around, options, { tensor: y, accumulate: false });
  if (x.dtype !== "f32") return y;
  const back = { ...options, reverse: !options.reverse };
  const [from, to] = [x, y] as unknown as [Tensor, Tensor];
  record("cumsum", [from], to, () => (dy, grads) => cumsumInto(dy, around, back, grads.sink(0)));
  return y;
}
