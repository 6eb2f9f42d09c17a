/** Float64 references of products, elementwise functions and reductions, written from their formulas. */

/** [batch, m, k] · [batch, k, n], each operand optionally stored transposed; a batch of 1 repeats. */
export function matmul(
  a: Float64Array,
  b: Float64Array,
  size: { batch?: number; m: number; k: number; n: number; repeatA?: boolean; repeatB?: boolean },
  transpose: { a?: boolean; b?: boolean } = {},
): Float64Array {
  const { batch = 1, m, k, n } = size;
  const c = new Float64Array(batch * m * n);
  for (let l = 0; l < batch; l++) {
    const ofA = size.repeatA ? 0 : l * m * k;
    const ofB = size.repeatB ? 0 : l * k * n;
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        let sum = 0;
        for (let p = 0; p < k; p++) {
          sum +=
            a[ofA + (transpose.a ? p * m + i : i * k + p)]! * b[ofB + (transpose.b ? j * k + p : p * n + j)]!;
        }
        c[(l * m + i) * n + j] = sum;
      }
    }
  }
  return c;
}

export const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** The unary functions by name. */
export const unary: Record<string, (x: number) => number> = {
  neg: (x) => -x,
  exp: Math.exp,
  log: Math.log,
  sqrt: Math.sqrt,
  square: (x) => x * x,
  abs: Math.abs,
  relu: (x) => Math.max(x, 0),
  silu: (x) => x * sigmoid(x),
  gelu2: (x) => x * sigmoid(1.702 * x),
  sigmoid,
  tanh: Math.tanh,
};

/** The functions of two numbers by name. */
export const binary: Record<string, (x: number, y: number) => number> = {
  add: (x, y) => x + y,
  sub: (x, y) => x - y,
  mul: (x, y) => x * y,
  div: (x, y) => x / y,
  maximum: Math.max,
  minimum: Math.min,
};

/** Flat index in an array of `shape` with axes of length 1 repeated, for a multi-index of the broadcast shape. */
export function broadcastIndex(index: readonly number[], shape: readonly number[]): number {
  const lead = index.length - shape.length;
  return shape.reduce((at, length, axis) => at * length + (length === 1 ? 0 : index[axis + lead]!), 0);
}

/** All multi-indices of a shape in row-major order. */
export function indices(shape: readonly number[]): number[][] {
  return shape.reduce<number[][]>(
    (all, length) => all.flatMap((index) => Array.from({ length }, (_, i) => [...index, i])),
    [[]],
  );
}

/** Reduction of an array over some axes by a function of the gathered elements. */
export function reduce(
  x: Float64Array,
  shape: readonly number[],
  axes: readonly number[],
  join: (values: number[]) => number,
): Float64Array {
  const kept = shape.map((length, axis) => (axes.includes(axis) ? 1 : length));
  const groups = Array.from({ length: kept.reduce((p, q) => p * q, 1) }, () => [] as number[]);
  for (const [i, index] of indices(shape).entries()) groups[broadcastIndex(index, kept)]!.push(x[i]!);
  return Float64Array.from(groups, join);
}
