/** The largest elements along an axis (shaders/gather/top-k.wgsl). */

import * as kernels from "../gpu/more-kernels.generated.js";
import { checkTensors } from "../tensor/arguments.js";
import { ArgumentError, ShapeError } from "../tensor/errors.js";
import { empty, type Tensor } from "../tensor/tensor.js";
import { axesAround } from "./axes-around.js";
import { contiguous } from "./copy.js";
import { gather } from "./gather.js";
import { permute } from "./shapes.js";

/** TILE of the shader. */
const tileLength = 1024;
const mostLargest = tileLength / 2;

/** The result of `topK`. */
export interface TopK {
  /** The k largest elements along the axis, largest first; the gradient goes to those elements of the input. */
  values: Tensor;
  /** Their indices along the axis. */
  indices: Tensor<"u32">;
}

/**
 * The k ≤ 512 largest elements along an axis, largest first. Ties take the first; a NaN comes before all numbers. Values and
 * indices have the shape of x with k as the length of the axis.
 */
export function topK(x: Tensor, k: number, axis = -1): TopK {
  checkTensors("topK", "f32", x);
  const { axis: a, length } = axesAround("topK", x, axis);
  if (!Number.isInteger(k) || k < 1 || k > mostLargest)
    throw new ArgumentError("topK", `k is ${k}, not a whole number from 1 to ${mostLargest}`);
  if (k > length)
    throw new ShapeError(
      "topK",
      `axis ${axis} of ${x.label} [${x.shape.join(", ")}] has fewer than ${k} elements`,
    );
  return x.gpu.scope(() => {
    const others = x.shape.map((_, i) => i).filter((i) => i !== a);
    const rows = contiguous(permute(x.detach(), [...others, a]));
    const found = largestOfRows(rows, k);
    const indices = contiguous(
      permute(
        found,
        x.shape.map((_, i) => (i === a ? x.rank - 1 : i < a ? i : i - 1)),
      ),
    );
    return { values: gather(x, a, indices), indices };
  });
}

/** Indices of the k largest elements in each row of the last axis: [..., width] → [..., k]. */
function largestOfRows(x: Tensor, k: number): Tensor<"u32"> {
  const { gpu } = x;
  const width = x.shape.at(-1)!;
  const rows = x.size / width;
  const kernel = kernels.topK.selectTile;
  let found: Tensor<"u32"> | null = null;
  let left = width;
  for (;;) {
    const tiles = Math.ceil(left / tileLength);
    const span = Math.min(tileLength, 2 ** Math.ceil(Math.log2(Math.max(2, left))));
    const shape = tiles === 1 ? [...x.shape.slice(0, -1), k] : [rows, tiles, k];
    const largest: Tensor<"u32"> = empty(gpu, shape, "u32", "topK");
    gpu.run(
      kernel,
      { x, candidates: found ?? x.storage, largest },
      { width, candidates: left, tiles, rows, k, span },
      { groups: gpu.groups1d(rows * tiles, 1), variant: { CANDIDATES: found !== null } },
    );
    if (tiles === 1) return largest;
    found = largest;
    left = tiles * k;
  }
}
