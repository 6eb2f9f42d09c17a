/** Float64 references of the functions of `mc-diffusion/ops`, written from their formulas. */

import { broadcastIndex, indices, sigmoid } from "./dense.js";

/** The error function by its series of positive terms, 2/√π e^(−x²) Σ 2ⁿ x^(2n+1) / (2n+1)!!; ±1 from 6 on. */
export function erf(x: number): number {
  if (Math.abs(x) > 6) return Math.sign(x);
  let [term, sum] = [x, x];
  for (let n = 1; n < 200; n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

export const functions: Record<string, (x: number) => number> = {
  rsqrt: (x) => 1 / Math.sqrt(x),
  sin: Math.sin,
  cos: Math.cos,
  sign: Math.sign,
  softplus: (x) => Math.log1p(Math.exp(-Math.abs(x))) + Math.max(x, 0),
  gelu: (x) => 0.5 * x * (1 + erf(x / Math.SQRT2)),
  geluTanh: (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  quickGelu: (x) => x * sigmoid(1.702 * x),
};

export const relations: Record<string, (x: number, y: number) => boolean> = {
  eq: (x, y) => x === y,
  ne: (x, y) => x !== y,
  lt: (x, y) => x < y,
  le: (x, y) => x <= y,
  gt: (x, y) => x > y,
  ge: (x, y) => x >= y,
};

/** The shape that shapes broadcast to, for shapes that do. */
export function broadcastShape(...shapes: readonly (readonly number[])[]): number[] {
  const rank = Math.max(...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, axis) =>
    Math.max(...shapes.map((shape) => shape[axis - rank + shape.length] ?? 1)),
  );
}

/** f of the elements that meet when arrays of these shapes are broadcast. */
export function broadcast(
  arrays: readonly ArrayLike<number>[],
  shapes: readonly (readonly number[])[],
  f: (...values: number[]) => number,
): Float64Array {
  return Float64Array.from(indices(broadcastShape(...shapes)), (index) =>
    f(...arrays.map((array, i) => array[broadcastIndex(index, shapes[i]!)]!)),
  );
}

/** The place in an array of `shape`. */
export function placeOf(index: readonly number[], shape: readonly number[]): number {
  return shape.reduce((at, length, axis) => at * length + index[axis]!, 0);
}

/** An array whose axes are in another order: axis i of the result is axis order[i]. */
export function permute(x: Float64Array, shape: readonly number[], order: readonly number[]): Float64Array {
  return Float64Array.from(indices(order.map((axis) => shape[axis]!)), (index) => {
    const from = shape.map((_, axis) => index[order.indexOf(axis)]!);
    return x[placeOf(from, shape)]!;
  });
}

/** Running sums along an axis. */
export function cumsum(
  x: ArrayLike<number>,
  shape: readonly number[],
  axis: number,
  { exclusive = false, reverse = false } = {},
): Float64Array {
  return Float64Array.from(indices(shape), (index) => {
    let sum = 0;
    for (let j = 0; j < shape[axis]!; j++) {
      const here = index[axis]!;
      const counts = reverse ? (exclusive ? j > here : j >= here) : exclusive ? j < here : j <= here;
      if (counts) sum += x[placeOf(index.with(axis, j), shape)]!;
    }
    return sum;
  });
}

/** x[…, index[…, k, …], …] along an axis, for an index of `indexShape`; beyond the axis, its last. */
export function gather(
  x: ArrayLike<number>,
  shape: readonly number[],
  axis: number,
  index: ArrayLike<number>,
  indexShape: readonly number[],
): Float64Array {
  return Float64Array.from(indices(indexShape), (at, n) => {
    const j = Math.min(index[n]!, shape[axis]! - 1);
    return x[placeOf(at.with(axis, j), shape)]!;
  });
}

/** The target with every source added at its index. */
export function scatterAdd(
  target: ArrayLike<number>,
  shape: readonly number[],
  axis: number,
  index: ArrayLike<number>,
  indexShape: readonly number[],
  source: ArrayLike<number>,
): Float64Array {
  const sums = Float64Array.from(target);
  for (const [n, at] of indices(indexShape).entries()) {
    const j = Math.min(index[n]!, shape[axis]! - 1);
    sums[placeOf(at.with(axis, j), shape)]! += source[n]!;
  }
  return sums;
}

/** Indices along an axis by falling (or rising) element, NaN first, equals by index; `count` of them. */
export function ranked(
  x: ArrayLike<number>,
  shape: readonly number[],
  axis: number,
  count: number,
  rising = false,
): number[] {
  const result: number[] = [];
  const outShape = shape.with(axis, count);
  const places = indices(outShape);
  for (const at of places) {
    const column = Array.from({ length: shape[axis]! }, (_, j) => x[placeOf(at.with(axis, j), shape)]!);
    const order = column
      .map((_, j) => j)
      .sort((a, b) => {
        const [p, q] = [column[a]!, column[b]!];
        if (Number.isNaN(p) || Number.isNaN(q))
          return Number(Number.isNaN(q)) - Number(Number.isNaN(p)) || a - b;
        return (rising ? p - q : q - p) || a - b;
      });
    result.push(order[at[axis]!]!);
  }
  return result;
}
