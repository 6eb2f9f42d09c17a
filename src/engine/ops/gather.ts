/** Elements by index along an axis, and sums of elements by index (shaders/gather/gather.wgsl). */

import type { DType } from "../gpu/kernel.js";
import * as kernels from "../gpu/more-kernels.generated.js";
import { checkTensors } from "../tensor/arguments.js";
import { ArgumentError, ShapeError } from "../tensor/errors.js";
import { record } from "../tensor/tape.js";
import { empty, type Tensor } from "../tensor/tensor.js";
import { type AxesAround, axesAround } from "./axes-around.js";
import { copyInto } from "./copy.js";
import { cumsumInto } from "./cumsum.js";
import { embedding } from "./embedding.js";
import { permute } from "./shapes.js";

type Gathered = "f32" | "u32" | "i32";

/** Up to this number of picks per column, an invocation scans all of them; more are sorted first. */
const fewPicks = 64;
/** STRETCH and CHUNK of the shader. */
const [stretchLength, chunkLength] = [64, 64];

const shown = (shape: readonly number[]) => `[${shape.join(", ")}]`;

/** Picks from an axis: [outer, length, inner] of the source, and the number of picks per column. */
interface Picks extends AxesAround {
  picks: number;
}

function picksOf(op: string, x: Tensor<DType>, axis: number, index: Tensor<"u32">): Picks {
  checkTensors(op, "u32", index);
  const around = axesAround(op, x, axis);
  const fits =
    index.rank === x.rank && index.shape.every((length, i) => i === around.axis || length === x.shape[i]);
  if (!fits) {
    throw new ShapeError(
      op,
      `${x.label} ${shown(x.shape)} and index ${shown(index.shape)} differ outside axis ${axis}`,
    );
  }
  const range = `below ${around.length}, the length of axis ${axis} of ${x.label}`;
  x.gpu.checker?.ids(op, index, range, (id) => id < around.length);
  return { ...around, picks: index.shape[around.axis]! };
}

const paramsOf = ({ length, inner, picks }: Picks, more: Partial<Record<string, number>>) => ({
  length,
  inner,
  picks,
  count: 0,
  sources: 0,
  shift: 0,
  stretches: 0,
  accumulate: 0,
  ...more,
});

/** into (+)= x[index]; all dense. */
function gatherInto(
  x: Tensor<Gathered>,
  index: Tensor<"u32">,
  picks: Picks,
  into: { tensor: Tensor<Gathered>; accumulate: boolean },
): void {
  const { gpu } = x;
  const kernel = kernels.gather.gather;
  const count = index.size;
  gpu.run(
    kernel,
    { x, index, y: into.tensor },
    paramsOf(picks, { count, accumulate: into.accumulate ? 1 : 0 }),
    { groups: gpu.groups1d(count, gpu.tunables(kernel).WORKGROUP), variant: { T: x.dtype } },
  );
}

/**
 * y[…, k, …] = x[…, index[…, k, …], …] along an axis: `index` has the shape of x but for the length of that axis, which the
 * result takes from it. An index beyond the axis counts as the last, in the gradient too; `checkFinite` names such an index.
 * The gradient, a `scatterAdd`, is bit-reproducible.
 */
export function gather<D extends Gathered = "f32">(
  x: Tensor<D>,
  axis: number,
  index: Tensor<"u32">,
): Tensor<D> {
  checkTensors("gather", "any", x);
  if ((x.dtype as DType) === "f16") throw new ArgumentError("gather", `${x.label} is f16; cast it to f32`);
  const picks = picksOf("gather", x, axis, index);
  const y = empty(x.gpu, index.shape, x.dtype, "gather");
  gatherInto(x as Tensor<Gathered>, index, picks, { tensor: y as Tensor<Gathered>, accumulate: false });
  if (x.dtype !== "f32") return y;
  const [from, to] = [x, y] as unknown as [Tensor, Tensor];
  record("gather", [from], to, (save) => {
    const saved = save(index);
    return (dy, grads) => scatterInto(dy, saved, picks, grads.sink(0));
  });
  return y;
}

/**
 * y = target, and y[…, index[…, k, …], …] += source[…, k, …] along an axis, for every k; `source` and `index` have one
 * shape, that of the target but for the length of the axis. An index beyond the axis counts as the last. The result is
 * bit-reproducible: sums by destination follow the order of k, directly for up to 64 picks per column, else by a stable sort.
 */
export function scatterAdd(target: Tensor, axis: number, index: Tensor<"u32">, source: Tensor): Tensor {
  checkTensors("scatterAdd", "f32", target, source);
  const picks = picksOf("scatterAdd", target, axis, index);
  if (shown(source.shape) !== shown(index.shape))
    throw new ShapeError(
      "scatterAdd",
      `source ${shown(source.shape)} and index ${shown(index.shape)} differ`,
    );
  const y = empty(target.gpu, target.shape, "f32", "scatterAdd");
  copyInto(y, target);
  scatterInto(source, index, picks, { tensor: y, accumulate: true });
  return record("scatterAdd", [target, source], y, (save) => {
    const saved = save(index);
    return (dy, grads) => {
      if (grads.needs(0)) grads.give(0, dy);
      if (grads.needs(1)) gatherInto(dy, saved, picks, grads.sink(1));
    };
  });
}

/** into (+)= the sums of `source` by index; all dense. */
function scatterInto(
  source: Tensor,
  index: Tensor<"u32">,
  picks: Picks,
  into: { tensor: Tensor; accumulate: boolean },
): void {
  const { gpu } = source;
  const count = picks.outer * picks.length * picks.inner;
  const params = paramsOf(picks, {
    count,
    sources: index.size,
    stretches: Math.ceil(index.size / stretchLength),
    accumulate: into.accumulate ? 1 : 0,
  });
  if (picks.picks <= fewPicks) {
    const kernel = kernels.gather.scatterFew;
    const groups = gpu.groups1d(count, gpu.tunables(kernel).WORKGROUP);
    gpu.run(kernel, { index, source, hot: into.tensor }, params, { groups });
    return;
  }
  const { chunkSums, sumSorted } = kernels.gather;
  gpu.scope(() => {
    const { keys, order } = sortByDestination(index, count, params);
    const chunks = Math.ceil(index.size / chunkLength);
    const sums = empty(gpu, [chunks], "f32", "sums of chunks");
    gpu.run(chunkSums, { old_keys: keys, source, sorted: order, sums }, params, {
      groups: gpu.groups1d(chunks, gpu.tunables(chunkSums).WORKGROUP),
    });
    gpu.run(
      sumSorted,
      { old_keys: keys, source, sorted: order, whole_chunks: sums, hot: into.tensor },
      params,
      { groups: gpu.groups1d(count, gpu.tunables(sumSorted).WORKGROUP) },
    );
  });
}

/** Sorts by destination: ascending destinations and their source numbers, by a stable radix sort of four bits per pass. */
function sortByDestination(index: Tensor<"u32">, destinations: number, params: ReturnType<typeof paramsOf>) {
  const { gpu } = index;
  const n = index.size;
  const words = (label: string, length = n) => empty(gpu, [length], "u32", label);
  const { destinations: destine, countDigits, place } = kernels.gather;
  let keys = words("destinations");
  gpu.run(destine, { index, keys }, params, { groups: gpu.groups1d(n, gpu.tunables(destine).WORKGROUP) });
  let order: Tensor<"u32"> | null = null;
  const { stretches } = params;
  for (let shift = 0; shift === 0 || 2 ** shift < destinations; shift += 4) {
    const counts = words("counts of digits", 16 * stretches);
    gpu.run(
      countDigits,
      { old_keys: keys, counts },
      { ...params, shift },
      {
        groups: gpu.groups1d(stretches, gpu.tunables(countDigits).WORKGROUP),
      },
    );
    const starts = words("starts of digits", 16 * stretches);
    const around = { outer: 1, length: 16 * stretches, inner: 1 };
    cumsumInto(counts, around, { exclusive: true }, { tensor: starts, accumulate: false });
    const [nextKeys, nextOrder]: Tensor<"u32">[] = [words("sorted destinations"), words("order of sources")];
    gpu.run(
      place,
      { old_keys: keys, old_order: order ?? keys, starts, keys: nextKeys!, order: nextOrder! },
      { ...params, shift },
      {
        groups: gpu.groups1d(stretches, gpu.tunables(place).WORKGROUP),
        variant: { FIRST: order === null },
      },
    );
    keys = nextKeys!;
    order = nextOrder!;
  }
  return { keys, order: order! };
}

/**
 * Slices by index: y[…, n, …] = x[…, ids[n], …] along an axis, for a vector of ids, whose number becomes the length of the
 * axis. Composed of `embedding`, with its treatment of ids that are too large. The gradient is bit-reproducible.
 */
export function take(x: Tensor, ids: Tensor<"u32">, axis = 0): Tensor {
  checkTensors("take", "f32", x);
  checkTensors("take", "u32", ids);
  const { axis: a, length } = axesAround("take", x, axis);
  if (ids.rank !== 1) throw new ShapeError("take", `ids ${shown(ids.shape)} must be a vector`);
  return x.gpu.scope(() => {
    const others = x.shape.map((_, i) => i).filter((i) => i !== a);
    const table = permute(x, [a, ...others]).reshape([length, x.size / length]);
    const rows = embedding(table, ids).reshape([ids.size, ...others.map((i) => x.shape[i]!)]);
    return permute(
      rows,
      x.shape.map((_, i) => (i === a ? 0 : i < a ? i + 1 : i)),
    );
  });
}

/** One-hot vectors: 1 at the id along a new last axis of length `classes`, 0 elsewhere; all 0 for an id beyond it. */
export function oneHot(ids: Tensor<"u32">, classes: number): Tensor {
  checkTensors("oneHot", "u32", ids);
  const { gpu } = ids;
  const hot = empty(gpu, [...ids.shape, classes], "f32", "oneHot");
  const kernel = kernels.gather.oneHot;
  const picks = { outer: 1, length: classes, inner: 1, axis: 0, picks: 1 };
  gpu.run(kernel, { index: ids, hot }, paramsOf(picks, { count: hot.size }), {
    groups: gpu.groups1d(hot.size, gpu.tunables(kernel).WORKGROUP),
  });
  return hot;
}
