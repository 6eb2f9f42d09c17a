/** Weights of other programs: maps their names and layouts to those of a model's parameters. */

import { UserError } from "../../platform/errors.js";
import { shown } from "../../platform/shown.js";
import { suggestion } from "../../platform/suggest.js";
import type { Parameter } from "../nn/module.js";
import { float16ToFloat32 } from "../tensor/float16.js";
import type { StoredTensor } from "./safetensors.js";

/**
 * The rules that map the tensors of a file to parameters. `ignore`, `rename` and `split` apply to each name, and `axes` to the
 * axes of each tensor; a parameter takes the tensor of its name, or those of `join`.
 */
export interface WeightMap {
  /** Tensors that the model does not use. */
  ignore?: readonly RegExp[];
  /** Changes of names, applied in order: text replaces a whole name, a pattern works as in `String.replace`. */
  rename?: readonly (readonly [from: string | RegExp, to: string])[];
  /** Tensors that hold several parameters, in equal parts along their first axis. `$1` … are groups of the pattern. */
  split?: readonly (readonly [tensor: RegExp, parameters: readonly string[]])[];
  /** Parameters that hold several tensors, side by side along their last axis. `$1` … are groups of the pattern. */
  join?: readonly (readonly [parameter: RegExp, tensors: readonly string[]])[];
  /** Axis orders by new name: axis i of the parameter is axis `order[i]` of the tensor. The first matching pattern applies. */
  axes?: readonly (readonly [name: RegExp, order: readonly number[]])[];
}

/** [outputs, inputs] → [inputs, outputs]: weights of PyTorch's linear layers. */
export const transposed: readonly number[] = [1, 0];
/** [outputs, inputs, height, width] → [height, width, inputs, outputs]: weights of PyTorch's convolutions. */
export const oihwToHwio: readonly number[] = [2, 3, 1, 0];

/** A tensor of the file, or a part of it, under its new name. */
interface Source {
  /** Name in the file. */
  name: string;
  stored: StoredTensor;
  part: number;
  parts: number;
  order: readonly number[];
  /** Shape with the axes in their new order. */
  shape: readonly number[];
}

/** The maximum number of names in a message. */
const most = 3;

/**
 * The parameters of `module` by name, for `loadWeights`, from the tensors of a file. Axes of length 1 are ignored: a
 * convolution [1, 1, I, O] matches a matrix [I, O]. Element types stay. A tensor whose axes keep their order is not copied;
 * others are copied when they are requested.
 *
 * Throws a `UserError` that lists the parameters without a tensor, the tensors without a parameter and those that do not fit.
 */
export function mapWeights(
  weights: ReadonlyMap<string, StoredTensor>,
  map: WeightMap,
  module: { parameters(): readonly Pick<Parameter, "name" | "tensor">[] },
  fileName: string,
): Pick<ReadonlyMap<string, StoredTensor>, "get"> {
  const sources = sourcesOf(weights, map, fileName);
  const plans = new Map<string, { shape: readonly number[]; pieces: Source[] }>();
  const unused = new Set(sources.keys());
  const missing: string[] = [];
  const unfit: string[] = [];
  for (const { name, tensor } of module.parameters()) {
    const join = sources.has(name) ? undefined : map.join?.find(([pattern]) => matches(name, pattern));
    const names = join ? join[1].map((piece) => name.replace(join[0], piece)) : [name];
    for (const piece of names) if (!sources.has(piece)) missing.push(piece);
    const pieces = names.flatMap((piece) => sources.get(piece) ?? []);
    for (const piece of names) unused.delete(piece);
    plans.set(name, { shape: tensor.shape, pieces });
    if (pieces.length < names.length) continue;
    const shape = joined(pieces.map((piece) => piece.shape));
    const isFloat = pieces.every(({ stored }) => /F(16|32)/.test(stored.dtype));
    if (shape && isFloat && long(shape).join() === long(tensor.shape).join()) continue;
    const found = pieces.map((piece) => `${piece.stored.dtype} [${piece.shape.join(", ")}]`).join(" beside ");
    unfit.push(`${name} [${tensor.shape.join(", ")}] by ${found} of ${shown(pieces[0]!.name)}`);
  }
  const left = [...unused];
  const problems = [
    listed("has no", missing, (name) => `${name}${suggestion(name, left)}`),
    listed("has the unknown", left, (name) => {
      const { name: original, stored } = sources.get(name)!;
      return `${shown(original)} [${stored.shape.join(", ")}]`;
    }),
    listed("cannot fill", unfit, (text) => text),
  ].filter(Boolean);
  if (problems.length > 0) throw new UserError(`${fileName} ${problems.join("; it ")}`);
  return {
    get(name) {
      const plan = plans.get(name);
      return plan && valuesOf(plan.pieces, plan.shape);
    },
  };
}

/** The tensors of the file by their new names. */
function sourcesOf(
  weights: ReadonlyMap<string, StoredTensor>,
  { ignore = [], rename = [], split = [], axes = [] }: WeightMap,
  fileName: string,
): Map<string, Source> {
  const sources = new Map<string, Source>();
  for (const [name, stored] of weights) {
    if (ignore.some((pattern) => matches(name, pattern))) continue;
    const renamed = rename.reduce(
      (text, [from, to]) => (typeof from !== "string" ? text.replace(from, to) : text === from ? to : text),
      name,
    );
    const parted = split.find(([pattern]) => matches(renamed, pattern));
    const names = parted ? parted[1].map((part) => renamed.replace(parted[0], part)) : [renamed];
    const fail: (what: string) => never = (what) => {
      throw new UserError(`${fileName}: ${shown(name)} [${stored.shape.join(", ")}] ${what}`);
    };
    const [rows = 1, ...rest] = stored.shape;
    if (rows % names.length !== 0) fail(`cannot be divided into ${names.length} parts: ${names.join(", ")}`);
    const shape = parted ? [rows / names.length, ...rest] : stored.shape;
    for (const [part, target] of names.entries()) {
      const order = axes.find(([pattern]) => matches(target, pattern))?.[1] ?? shape.map((_, axis) => axis);
      if (order.length !== shape.length || shape.some((_, axis) => !order.includes(axis)))
        fail(`has other axes than [${order.join(", ")}], from which ${target} is made`);
      const other = sources.get(target);
      if (other) fail(`and ${shown(other.name)} both become ${target}`);
      const newShape = order.map((axis) => shape[axis]!);
      sources.set(target, { name, stored, part, parts: names.length, order, shape: newShape });
    }
  }
  return sources;
}

/** The shape of tensors side by side along the last axis; null if their other axes differ. */
function joined(shapes: readonly (readonly number[])[]): readonly number[] | null {
  const [first] = shapes;
  if (shapes.length === 1) return first!;
  const lead = first!.slice(0, -1);
  if (shapes.some((shape) => shape.length === 0 || shape.slice(0, -1).join() !== lead.join())) return null;
  return [...lead, shapes.reduce((sum, shape) => sum + shape.at(-1)!, 0)];
}

/** Tests a pattern. Unlike `test`, does not continue from the last match of a pattern with the flag g. */
const matches = (name: string, pattern: RegExp) => name.search(pattern) >= 0;

const product = (lengths: readonly number[]) => lengths.reduce((result, length) => result * length, 1);

const long = (shape: readonly number[]) => shape.filter((length) => length !== 1);

function listed(what: string, names: readonly string[], describe: (name: string) => string): string {
  if (names.length === 0) return "";
  const more = names.length > most ? ` and ${names.length - most} more` : "";
  return `${what} ${names.slice(0, most).map(describe).join(", ")}${more}`;
}

type Values = StoredTensor["data"];

function valuesOf(pieces: readonly Source[], shape: readonly number[]): StoredTensor {
  const [first] = pieces;
  if (pieces.length === 1) return { ...first!.stored, shape, data: reordered(first!) } as StoredTensor;
  const float = pieces.some(({ stored }) => stored.dtype !== first!.stored.dtype);
  const parts = pieces.map((piece) => {
    const data = reordered(piece);
    return float && data instanceof Uint16Array ? float16ToFloat32(data) : data;
  });
  const width = pieces.reduce((sum, piece) => sum + piece.shape.at(-1)!, 0);
  const data = likewise(
    parts[0]!,
    parts.reduce((sum, { length }) => sum + length, 0),
  );
  let start = 0;
  for (const [i, part] of parts.entries()) {
    const own = pieces[i]!.shape.at(-1)!;
    for (let row = 0; row * own < part.length; row++) {
      data.set(part.subarray(row * own, (row + 1) * own) as Float32Array, row * width + start);
    }
    start += own;
  }
  return { dtype: float ? "F32" : first!.stored.dtype, shape, data } as StoredTensor;
}

/** Creates an array of the same type as `values`, typed as one of them for the compiler. */
function likewise(values: Values, length: number): Float32Array {
  return new (values.constructor as Float32ArrayConstructor)(length);
}

/** The elements of a tensor's part, its axes in their new order. */
function reordered({ stored, part, parts, order, shape }: Source): Values {
  const length = stored.data.length / parts;
  const values = stored.data.subarray(part * length, (part + 1) * length) as Float32Array;
  if (order.every((axis, i) => axis === i)) return values;
  // Strides in elements for each axis: in the tensor, and in the parameter.
  const strides = order.map((axis) => product(shape.filter((_, i) => order[i]! > axis)));
  const newStrides = shape.map((_, axis) => product(shape.slice(axis + 1)));
  const last = shape.length - 1;
  const [width, step] = [shape[last]!, strides[last]!];
  // Traverse all axes but the parameter's last in the tensor's order: reads are contiguous, writes fill whole cache lines.
  const others = order.slice(0, last).map((_, axis) => axis);
  others.sort((a, b) => order[a]! - order[b]!);
  const index = shape.map(() => 0);
  const result = likewise(values, length);
  for (let start = 0; start < width; start += lineElements) {
    const count = Math.min(lineElements, width - start);
    let [from, to] = [start * step, start];
    for (let line = length / width; line > 0; line--) {
      for (let k = 0; k < count; k++) result[to + k] = values[from + k * step]!;
      for (let i = others.length - 1; i >= 0; i--) {
        const axis = others[i]!;
        from += strides[axis]!;
        to += newStrides[axis]!;
        if (++index[axis]! < shape[axis]!) break;
        from -= strides[axis]! * shape[axis]!;
        to -= newStrides[axis]! * shape[axis]!;
        index[axis] = 0;
      }
    }
  }
  return result;
}

/** float32 numbers in a cache line. */
const lineElements = 16;
