/**
 * Reverse-mode differentiation in float64, from a handful of primitives: elementwise functions of one and of two arrays,
 * gathering and scattering by a list of places, maxima over groups and the matrix product. Everything else is composed
 * of these, so that no formula of the engine for a gradient is repeated here.
 *
 * With `noise` every primitive's result is moved at random by as much as float32 may move it. How far results of
 * several such runs lie apart is how far float32 may lie from float64 (Monte Carlo arithmetic, Parker 1997), whatever
 * the conditioning of what lies between.
 */

/** Half a unit in the last place of float32, relative: what rounding to nearest may move a number by. */
export const roundoff = 2 ** -24;

/** An array with a shape. Views share the storage, so that writing one is seen by all. */
export class Value {
  readonly shape: readonly number[];
  readonly size: number;
  readonly storage: Float64Array;
  /** Where each element lies in the storage; null if that holds just these elements in order. */
  private readonly chosen: Int32Array | null;
  /** A leaf whose gradient is wanted. */
  leafWithGrad = false;
  node: Node | null = null;
  /** The gradient so far; for a leaf, that of all backward passes since `gradIsCurrent` was false. */
  grad: Float64Array | null = null;
  gradIsCurrent = false;

  constructor(shape: readonly number[], storage: Float64Array, places?: Int32Array) {
    this.shape = shape;
    this.storage = storage;
    this.chosen = places ?? null;
    this.size = sizeOf(shape);
  }

  /** Where an element lies in the storage. */
  place(i: number): number {
    return this.chosen ? this.chosen[i]! : i;
  }

  get rank(): number {
    return this.shape.length;
  }

  get requiresGrad(): boolean {
    return this.leafWithGrad || this.node !== null;
  }

  /** Whether the elements lie one behind the other, in order. */
  get dense(): boolean {
    return !this.chosen || this.chosen.every((place, i) => place === this.chosen![0]! + i);
  }

  /** The elements in row-major order: a copy. */
  get data(): Float64Array {
    return this.chosen ? picked(this.storage, this.chosen) : this.storage.slice();
  }

  /** Replaces the elements, in every view of them. */
  write(data: ArrayLike<number>): void {
    for (let i = 0; i < this.size; i++) this.storage[this.place(i)] = data[i]!;
  }
}

interface Node {
  readonly order: number;
  readonly inputs: readonly Value[];
  /** The gradients of the inputs from that of the result. */
  readonly backward: (dy: Float64Array) => (Float64Array | null)[];
}

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, length) => product * length, 1);
}

/** For each element of an array of `shape`, in row-major order, what `place` says of its indices. */
export function placesOf(shape: readonly number[], place: (at: readonly number[]) => number): Int32Array {
  const at = shape.map(() => 0);
  const places = new Int32Array(sizeOf(shape));
  for (let i = 0; i < places.length; i++) {
    places[i] = place(at);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      at[axis]!++;
      if (at[axis]! < shape[axis]!) break;
      at[axis] = 0;
    }
  }
  return places;
}

/** The place of an element of a row-major array. */
export function flat(shape: readonly number[], at: readonly number[]): number {
  return shape.reduce((place, length, axis) => place * length + at[axis]!, 0);
}

/** The strides of a row-major array. */
function stridesOf(shape: readonly number[]): number[] {
  return shape.map((_, axis) => sizeOf(shape.slice(axis + 1)));
}

/** For each element of an array of `shape`, in row-major order: `start` and the strides times its indices. */
function stridedPlaces(shape: readonly number[], strides: readonly number[], start = 0): Int32Array {
  let places = Int32Array.of(start);
  shape.forEach((length, axis) => {
    const next = new Int32Array(places.length * length);
    for (let i = 0; i < next.length; i++)
      next[i] = places[Math.floor(i / length)]! + (i % length) * strides[axis]!;
    places = next;
  });
  return places;
}

/** The elements of x at `from`, 0 where that is negative. */
function picked(x: Float64Array, from: Int32Array): Float64Array {
  const y = new Float64Array(from.length);
  for (let i = 0; i < y.length; i++) if (from[i]! >= 0) y[i] = x[from[i]!]!;
  return y;
}

/** A function of one number, its derivative, and the errors of both in float32, in units of `roundoff`. */
export interface Rule {
  value(x: number): number;
  slope(x: number): number;
  valueError(x: number): number;
  slopeError(x: number): number;
  /** How far x is from where the function is not smooth or grows without bound; Infinity by default. */
  distance?(x: number): number;
}

/** A function of two numbers, likewise; slopes and their errors by either. */
export interface Rule2 {
  value(x: number, y: number): number;
  slopes(x: number, y: number): readonly [number, number];
  valueError(x: number, y: number): number;
  slopeErrors(x: number, y: number): readonly [number, number];
  distance?(x: number, y: number): number;
}

export class Tape {
  /** Off while nothing is to be differentiated. */
  recording = true;
  /** The least distance of any argument so far from where its function is not smooth, relative to its size. */
  margin = Number.POSITIVE_INFINITY;
  private readonly noise: (() => number) | null;
  private nextOrder = 0;

  /** `noise` gives numbers from -1 to 1. */
  constructor(noise: (() => number) | null = null) {
    this.noise = noise;
  }

  /** Moves each value by up to twice its error: one part that all of a result share, and one of its own. */
  private rounded(values: Float64Array, error: (i: number) => number): Float64Array {
    const { noise } = this;
    if (!noise) return values;
    const common = noise();
    return values.map((value, i) => value + (common + noise()) * roundoff * error(i));
  }

  private smooth(distance: number, size: number): void {
    this.margin = Math.min(this.margin, distance / (1 + Math.abs(size)));
  }

  private record(inputs: readonly Value[], output: Value, backward: Node["backward"]): Value {
    if (this.recording && inputs.some((input) => input.requiresGrad))
      output.node = { order: this.nextOrder++, inputs, backward };
    return output;
  }

  // ---------------------------------------------------------------- primitives

  map(x: Value, rule: Rule): Value {
    const a = x.data;
    if (rule.distance) for (const value of a) this.smooth(rule.distance(value), value);
    const y = this.rounded(a.map(rule.value), (i) => rule.valueError(a[i]!));
    return this.record([x], new Value(x.shape, y), (dy) => [
      this.rounded(
        dy.map((d, i) => d * rule.slope(a[i]!)),
        (i) => Math.abs(dy[i]!) * (rule.slopeError(a[i]!) + Math.abs(rule.slope(a[i]!))),
      ),
    ]);
  }

  /** A function of two arrays, whose shapes broadcast. */
  zip(x: Value, y: Value, rule: Rule2): Value {
    const shape = broadcastShape(x.shape, y.shape);
    if (!shape) throw new Error(`[${x.shape}] and [${y.shape}] do not broadcast`);
    return this.zipSame(this.repeated(x, shape), this.repeated(y, shape), rule);
  }

  private zipSame(x: Value, y: Value, rule: Rule2): Value {
    const [a, b] = [x.data, y.data];
    if (rule.distance)
      a.forEach((value, i) => {
        this.smooth(rule.distance!(value, b[i]!), value);
      });
    const z = this.rounded(
      a.map((value, i) => rule.value(value, b[i]!)),
      (i) => rule.valueError(a[i]!, b[i]!),
    );
    return this.record([x, y], new Value(x.shape, z), (dz) =>
      [0, 1].map((k) =>
        this.rounded(
          dz.map((d, i) => d * rule.slopes(a[i]!, b[i]!)[k]!),
          (i) => {
            const slope = rule.slopes(a[i]!, b[i]!)[k]!;
            // Plain copies and sign changes are exact.
            const product = Math.abs(slope) === 1 ? 0 : Math.abs(slope);
            return Math.abs(dz[i]!) * (rule.slopeErrors(a[i]!, b[i]!)[k]! + product);
          },
        ),
      ),
    );
  }

  /** Other elements of the same storage, or the same in another order: element i of the result is element `from[i]` of x. */
  view(x: Value, shape: readonly number[], from: Int32Array): Value {
    const places = from.map((i) => x.place(i));
    return this.record([x], new Value(shape, x.storage, places), (dy) => [this.scattered(dy, from, x.size)]);
  }

  /** As `view`, but a copy, which may repeat elements; 0 where `from` is negative. */
  gather(x: Value, shape: readonly number[], from: Int32Array): Value {
    return this.record([x], new Value(shape, picked(x.data, from)), (dy) => [
      this.scattered(dy, from, x.size),
    ]);
  }

  /** Sums: element i of x is added to element `to[i]` of the result, or to none if that is negative. */
  scatter(x: Value, shape: readonly number[], to: Int32Array): Value {
    const y = this.scattered(x.data, to, sizeOf(shape));
    return this.record([x], new Value(shape, y), (dy) => [picked(dy, to)]);
  }

  private scattered(x: Float64Array, to: Int32Array, size: number): Float64Array {
    const sums = new Float64Array(size);
    const magnitude = new Float64Array(size);
    const count = new Int32Array(size);
    to.forEach((place, i) => {
      if (place < 0) return;
      sums[place]! += x[i]!;
      magnitude[place]! += Math.abs(x[i]!);
      count[place]!++;
    });
    return this.rounded(sums, (i) => sumError(count[i]!, magnitude[i]!));
  }

  /** The largest of the elements with the same `group`. */
  maximum(x: Value, shape: readonly number[], group: Int32Array): Value {
    const a = x.data;
    const at = new Int32Array(sizeOf(shape)).fill(-1);
    group.forEach((g, i) => {
      if (at[g]! < 0 || a[i]! > a[at[g]!]!) at[g] = i;
    });
    group.forEach((g, i) => {
      if (at[g] !== i) this.smooth(a[at[g]!]! - a[i]!, a[i]!);
    });
    return this.record([x], new Value(shape, picked(a, at)), (dy) => [this.scattered(dy, at, x.size)]);
  }

  /** All elements of all arrays one behind the other, [n]. */
  chain(values: readonly Value[]): Value {
    const y = new Float64Array(values.reduce((sum, { size }) => sum + size, 0));
    let start = 0;
    const starts = values.map((value) => {
      y.set(value.data, start);
      start += value.size;
      return start - value.size;
    });
    return this.record(values, new Value([y.length], y), (dy) =>
      values.map(({ size }, i) => dy.slice(starts[i]!, starts[i]! + size)),
    );
  }

  /** [batch, m, k]·[batch, k, n] → [batch, m, n] */
  product(x: Value, y: Value): Value {
    const [batch, m, k] = x.shape as [number, number, number];
    const n = y.shape[2]!;
    const [a, b] = [x.data, y.data];
    const multiplied = (
      [rows, inner, columns]: readonly [number, number, number],
      left: (s: number, i: number, j: number) => number,
      right: (s: number, i: number, j: number) => number,
    ) => {
      const c = new Float64Array(batch * rows * columns);
      const magnitude = new Float64Array(c.length);
      let at = 0;
      for (let s = 0; s < batch; s++) {
        for (let i = 0; i < rows; i++) {
          for (let j = 0; j < columns; j++, at++) {
            for (let q = 0; q < inner; q++) {
              const term = left(s, i, q) * right(s, q, j);
              c[at]! += term;
              magnitude[at]! += Math.abs(term);
            }
          }
        }
      }
      return this.rounded(c, (i) => sumError(inner + 1, magnitude[i]!));
    };
    const ofA = (s: number, i: number, j: number) => a[(s * m + i) * k + j]!;
    const ofB = (s: number, i: number, j: number) => b[(s * k + i) * n + j]!;
    const c = multiplied([m, k, n], ofA, ofB);
    return this.record([x, y], new Value([batch, m, n], c), (dz) => {
      const ofDz = (s: number, i: number, j: number) => dz[(s * m + i) * n + j]!;
      return [
        multiplied([m, n, k], ofDz, (s, i, j) => ofB(s, j, i)),
        multiplied([k, m, n], (s, i, j) => ofA(s, j, i), ofDz),
      ];
    });
  }

  /** The same elements off the tape; writing either changes both. */
  detach(x: Value): Value {
    return new Value(
      x.shape,
      x.storage,
      stridedPlaces([x.size], [1]).map((i) => x.place(i)),
    );
  }

  // ---------------------------------------------------------------- composed

  /** x repeated along axes that are missing in front or of length 1. */
  repeated(x: Value, shape: readonly number[]): Value {
    if (shape.length === x.rank && shape.every((length, axis) => length === x.shape[axis])) return x;
    const strides = stridesOf(x.shape).map((stride, axis) => (x.shape[axis] === 1 ? 0 : stride));
    const missing = new Array<number>(shape.length - x.rank).fill(0);
    return this.gather(x, shape, stridedPlaces(shape, [...missing, ...strides]));
  }

  reshape(x: Value, shape: readonly number[]): Value {
    return this.view(x, shape, stridedPlaces([x.size], [1]));
  }

  /** Axis i of the result is axis `axes[i]` of x. */
  permute(x: Value, axes: readonly number[]): Value {
    const strides = stridesOf(x.shape);
    const along = (values: readonly number[]) => axes.map((axis) => values[axis]!);
    return this.view(x, along(x.shape), stridedPlaces(along(x.shape), along(strides)));
  }

  transpose(x: Value, a: number, b: number): Value {
    return this.permute(
      x,
      x.shape.map((_, axis) => (axis === a ? b : axis === b ? a : axis)),
    );
  }

  slice(x: Value, axis: number, start: number, length: number): Value {
    const shape = x.shape.map((full, i) => (i === axis ? length : full));
    const strides = stridesOf(x.shape);
    return this.view(x, shape, stridedPlaces(shape, strides, start * strides[axis]!));
  }

  concat(values: readonly Value[], axis: number): Value {
    const shape = values[0]!.shape.map((length, i) =>
      i === axis ? values.reduce((sum, value) => sum + value.shape[axis]!, 0) : length,
    );
    return this.gather(
      this.chain(values),
      shape,
      placesOf(shape, (at) => {
        let start = 0;
        let index = at[axis]!;
        for (const value of values) {
          if (index < value.shape[axis]!)
            return (
              start +
              flat(
                value.shape,
                at.map((along, i) => (i === axis ? index : along)),
              )
            );
          index -= value.shape[axis]!;
          start += value.size;
        }
        throw new Error("beyond the last");
      }),
    );
  }

  /** The shape without the axes (with them as 1, if kept), and for each element of x its place there. */
  private reduced(
    x: Value,
    axes: readonly number[],
    keep: boolean,
  ): { shape: readonly number[]; group: Int32Array } {
    const kept = x.shape.map((length, axis) => (axes.includes(axis) ? 1 : length));
    const strides = stridesOf(kept).map((stride, axis) => (axes.includes(axis) ? 0 : stride));
    const group = stridedPlaces(x.shape, strides);
    return { shape: keep ? kept : x.shape.filter((_, axis) => !axes.includes(axis)), group };
  }

  sum(x: Value, axes: readonly number[], keep = false): Value {
    const { shape, group } = this.reduced(x, axes, keep);
    return this.scatter(x, shape, group);
  }

  mean(x: Value, axes: readonly number[], keep = false): Value {
    const count = axes.reduce((product, axis) => product * x.shape[axis]!, 1);
    return this.map(this.sum(x, axes, keep), affine(1 / count, 0));
  }

  max(x: Value, axes: readonly number[], keep = false): Value {
    const { shape, group } = this.reduced(x, axes, keep);
    return this.maximum(x, shape, group);
  }

  add = (x: Value, y: Value): Value => this.zip(x, y, binaryRules.add);
  sub = (x: Value, y: Value): Value => this.zip(x, y, binaryRules.sub);
  mul = (x: Value, y: Value): Value => this.zip(x, y, binaryRules.mul);
  div = (x: Value, y: Value): Value => this.zip(x, y, binaryRules.div);

  /** log Σ exp over the last axis, kept with length 1. */
  logSumExp(x: Value): Value {
    const last = [x.rank - 1];
    // A constant that keeps the exponentials small; the result does not depend on it.
    const top = this.constantTop(x);
    const sum = this.sum(this.map(this.sub(x, top), unaryRules.exp), last, true);
    return this.add(this.map(sum, unaryRules.logarithm), top);
  }

  logSoftmax(x: Value): Value {
    return this.sub(x, this.logSumExp(x));
  }

  softmax(x: Value): Value {
    const e = this.map(this.sub(x, this.constantTop(x)), unaryRules.exp);
    return this.div(e, this.sum(e, [x.rank - 1], true));
  }

  /** The largest element of each row, off the tape. */
  private constantTop(x: Value): Value {
    const { margin } = this;
    const top = this.max(this.detach(x), [x.rank - 1], true);
    this.margin = margin;
    return top;
  }

  /** (x - mean) / √(variance + epsilon) over some axes. */
  normalised(x: Value, axes: readonly number[], epsilon: number): Value {
    const centered = this.sub(x, this.mean(x, axes, true));
    const variance = this.mean(this.map(centered, unaryRules.square), axes, true);
    return this.div(centered, this.map(this.map(variance, affine(1, epsilon)), unaryRules.sqrt));
  }

  /** [..., m, k]·[..., k, n], batch axes broadcast. */
  matmul(x: Value, y: Value): Value {
    const batch = broadcastShape(x.shape.slice(0, -2), y.shape.slice(0, -2));
    if (!batch) throw new Error(`[${x.shape}] and [${y.shape}]: batch axes do not broadcast`);
    const stack = (value: Value) => {
      const matrix = value.shape.slice(-2);
      return this.reshape(this.repeated(value, [...batch, ...matrix]), [sizeOf(batch), ...matrix]);
    };
    const product = this.product(stack(x), stack(y));
    return this.reshape(product, [...batch, x.shape.at(-2)!, y.shape.at(-1)!]);
  }

  // ---------------------------------------------------------------- backward

  /** Adds the gradient of Σ output∘dy to every leaf that wants one. */
  backward(output: Value, dy: ArrayLike<number>): void {
    const reachable = new Set<Value>();
    const pending = [output];
    while (pending.length > 0) {
      const value = pending.pop()!;
      if (reachable.has(value) || !value.requiresGrad) continue;
      reachable.add(value);
      if (value.node) pending.push(...value.node.inputs);
    }
    this.accumulate(output, Float64Array.from(dy));
    const made = [...reachable].filter(({ node }) => node !== null);
    for (const value of made.sort((a, b) => b.node!.order - a.node!.order)) {
      const { grad, node } = value;
      value.grad = null;
      if (!grad) continue;
      node!.backward(grad).forEach((gradient, i) => {
        const input = node!.inputs[i]!;
        if (gradient && input.requiresGrad) this.accumulate(input, gradient);
      });
    }
  }

  private accumulate(value: Value, gradient: Float64Array): void {
    const leaf = value.node === null;
    if (!value.grad || (leaf && !value.gradIsCurrent)) value.grad = gradient.slice();
    else {
      const sum = value.grad.map((g, i) => g + gradient[i]!);
      value.grad = this.rounded(sum, (i) => Math.abs(sum[i]!));
    }
    if (leaf) value.gradIsCurrent = true;
  }
}

/** Of a sum of `count` terms in any order: rounding errors of either sign, as their root of mean squares. */
function sumError(count: number, magnitude: number): number {
  return count < 2 ? 0 : Math.sqrt(count) * magnitude;
}

/** The shape that two shapes broadcast to, or null. */
export function broadcastShape(a: readonly number[], b: readonly number[]): number[] | null {
  const rank = Math.max(a.length, b.length);
  const shape = Array.from({ length: rank }, (_, axis) => {
    const [p, q] = [a[axis - rank + a.length] ?? 1, b[axis - rank + b.length] ?? 1];
    return p === q || q === 1 ? p : p === 1 ? q : 0;
  });
  return shape.includes(0) ? null : shape;
}

// Errors of the built-in functions are those that WGSL allows: exp 3 + 2|x| units in the last place, log 2⁻²¹ absolute
// between ½ and 2 and 3 units else, division 2½ units, inverse square root 2. A unit is at most two roundoffs.

const exact = () => 0;

function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

/** Of sigmoid(x): the exponential's share, an addition and a division. */
function sigmoidError(x: number): number {
  return sigmoid(x) * ((1 - sigmoid(x)) * (6 + 4 * Math.abs(x)) + 6);
}

/** s·(1 - s), where the difference carries the error of s. */
function sigmoidSlopeError(x: number): number {
  return sigmoidError(x) + 2 * sigmoid(x);
}

/** x·sigmoid(factor·x) */
function gated(factor: number): Rule {
  const slopeOf = (z: number) => sigmoid(z) * (1 - sigmoid(z));
  return {
    value: (x) => x * sigmoid(factor * x),
    slope: (x) => sigmoid(factor * x) + factor * x * slopeOf(factor * x),
    valueError: (x) => Math.abs(x) * sigmoidError(factor * x) + Math.abs(x * sigmoid(factor * x)),
    slopeError: (x) =>
      2 * sigmoidError(factor * x) +
      Math.abs(factor * x) * (sigmoidSlopeError(factor * x) + 3 * slopeOf(factor * x)),
  };
}

/** factor·x + term */
export function affine(factor: number, term: number): Rule {
  return {
    value: (x) => factor * x + term,
    slope: () => factor,
    valueError: (x) => Math.abs(factor * x) + Math.abs(factor * x + term),
    slopeError: () => Math.abs(factor),
  };
}

/** x limited to [low, high] */
export function clamp(low: number, high: number): Rule {
  return {
    value: (x) => Math.min(Math.max(x, low), high),
    slope: (x) => (x >= low && x <= high ? 1 : 0),
    valueError: exact,
    slopeError: exact,
    distance: (x) => Math.min(Math.abs(x - low), Math.abs(x - high)),
  };
}

/** From a pole, or a branch point: an argument at least 0.1 away counts as smooth. */
const fromPole = (distance: number) => distance / 100;

export const unaryRules = {
  neg: { value: (x) => -x, slope: () => -1, valueError: exact, slopeError: exact },
  exp: {
    value: Math.exp,
    slope: Math.exp,
    valueError: (x) => Math.exp(x) * (6 + 4 * Math.abs(x)),
    slopeError: (x) => Math.exp(x) * (6 + 4 * Math.abs(x)),
  },
  log: {
    value: Math.log,
    slope: (x) => 1 / x,
    valueError: (x) => 8 + 6 * Math.abs(Math.log(x)),
    slopeError: (x) => 5 / x,
    distance: fromPole,
  },
  /** As log, for sums of exponentials, which may be small: their gradient does not run into the pole. */
  logarithm: {
    value: Math.log,
    slope: (x) => 1 / x,
    valueError: (x) => 8 + 6 * Math.abs(Math.log(x)),
    slopeError: (x) => 5 / x,
  },
  sqrt: {
    value: Math.sqrt,
    slope: (x) => 0.5 / Math.sqrt(x),
    valueError: (x) => 9 * Math.sqrt(x),
    slopeError: (x) => 7 / Math.sqrt(x),
    distance: fromPole,
  },
  square: {
    value: (x) => x * x,
    slope: (x) => 2 * x,
    valueError: (x) => x * x,
    slopeError: exact,
  },
  abs: {
    value: Math.abs,
    slope: Math.sign,
    valueError: exact,
    slopeError: exact,
    distance: Math.abs,
  },
  relu: {
    value: (x) => Math.max(x, 0),
    slope: (x) => (x > 0 ? 1 : 0),
    valueError: exact,
    slopeError: exact,
    distance: Math.abs,
  },
  silu: gated(1),
  gelu2: gated(1.702),
  sigmoid: {
    value: sigmoid,
    slope: (x) => sigmoid(x) * (1 - sigmoid(x)),
    valueError: sigmoidError,
    slopeError: sigmoidSlopeError,
  },
  tanh: {
    value: Math.tanh,
    slope: (x) => 1 - Math.tanh(x) ** 2,
    // From a quotient of sums of exponentials: an absolute error, and near 0 no relative one.
    valueError: (x) => Math.exp(-2 * Math.abs(x)) * (8 + 8 * Math.abs(x)) + 8 * Math.abs(Math.tanh(x)),
    slopeError: (x) => 2 * Math.exp(-2 * Math.abs(x)) * (8 + 8 * Math.abs(x)) + 18 * Math.tanh(x) ** 2,
  },
} as const satisfies Record<string, Rule>;

const noSlopeErrors = () => [0, 0] as const;

export const binaryRules = {
  add: {
    value: (x, y) => x + y,
    slopes: () => [1, 1],
    valueError: (x, y) => Math.abs(x + y),
    slopeErrors: noSlopeErrors,
  },
  sub: {
    value: (x, y) => x - y,
    slopes: () => [1, -1],
    valueError: (x, y) => Math.abs(x - y),
    slopeErrors: noSlopeErrors,
  },
  mul: {
    value: (x, y) => x * y,
    slopes: (x, y) => [y, x],
    valueError: (x, y) => Math.abs(x * y),
    slopeErrors: noSlopeErrors,
  },
  div: {
    value: (x, y) => x / y,
    slopes: (x, y) => [1 / y, -x / (y * y)],
    valueError: (x, y) => 5 * Math.abs(x / y),
    slopeErrors: (x, y) => [5 / Math.abs(y), (6 * Math.abs(x)) / (y * y)],
    distance: (_, y) => fromPole(Math.abs(y)),
  },
  maximum: {
    value: Math.max,
    slopes: (x, y) => (x > y ? [1, 0] : [0, 1]),
    valueError: exact,
    slopeErrors: noSlopeErrors,
    distance: (x, y) => Math.abs(x - y),
  },
  minimum: {
    value: Math.min,
    slopes: (x, y) => (x < y ? [1, 0] : [0, 1]),
    valueError: exact,
    slopeErrors: noSlopeErrors,
    distance: (x, y) => Math.abs(x - y),
  },
} as const satisfies Record<string, Rule2>;
