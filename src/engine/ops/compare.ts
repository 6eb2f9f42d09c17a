/** Comparisons, choices by a condition, and powers of two tensors (shaders/elementwise/compare.wgsl). */

import type { DType } from "../gpu/kernel.js";
import * as kernels from "../gpu/more-kernels.generated.js";
import { checkTensors } from "../tensor/arguments.js";
import { ArgumentError } from "../tensor/errors.js";
import { sameShape, sizeOf } from "../tensor/strided.js";
import { record } from "../tensor/tape.js";
import { empty, Tensor } from "../tensor/tensor.js";
import { broadcastShape, fiveAxes, mul, repeatedStrides } from "./elementwise.js";
import { sumTo } from "./reduce.js";

/** Element types of comparisons and choices. */
type Compared = "f32" | "u32" | "i32";
type Relation = "eq" | "ne" | "lt" | "le" | "gt" | "ge";

/** The word that represents a number as an element of a type. Throws an `ArgumentError` if the type cannot represent it. */
function wordOf(op: string, value: number, dtype: Compared): number {
  const word = new DataView(new ArrayBuffer(4));
  if (dtype === "f32") word.setFloat32(0, value);
  else {
    const [least, most] = dtype === "u32" ? [0, 2 ** 32 - 1] : [-(2 ** 31), 2 ** 31 - 1];
    if (!Number.isInteger(value) || value < least || value > most)
      throw new ArgumentError(op, `${value} is no ${dtype}`);
    word.setInt32(0, value);
  }
  return word.getUint32(0);
}

function checkCompared(op: string, ...tensors: readonly Tensor<DType>[]): void {
  checkTensors(op, "any", ...tensors);
  for (const { dtype, label } of tensors)
    if (dtype === "f16") throw new ArgumentError(op, `${label} is f16; cast it to f32`);
}

/** Offset and strides of an operand along the axes of a result; zeros for a number. */
function placed(x: Tensor<DType> | number | null, shape: readonly number[]) {
  if (!(x instanceof Tensor)) return { offset: 0, first: 0, rest: [0, 0, 0, 0] as const };
  return { offset: x.offset, ...fiveAxes(repeatedStrides(x as Tensor, shape), 0) };
}

/** The operands of a kernel, as parameters and variants. `numbers` is the element type of operands that are numbers. */
function operands(
  op: string,
  dtype: Compared,
  shape: readonly number[],
  x: Tensor<DType> | number,
  y: Tensor<DType> | number,
  condition: Tensor<DType> | null = null,
) {
  const [p, q, c] = [placed(x, shape), placed(y, shape), placed(condition, shape)];
  return {
    params: {
      shape: fiveAxes(shape, 1).rest,
      x_stride: p.rest,
      y_stride: q.rest,
      c_stride: c.rest,
      x_stride_0: p.first,
      y_stride_0: q.first,
      c_stride_0: c.first,
      x_offset: p.offset,
      y_offset: q.offset,
      c_offset: c.offset,
      x_bits: typeof x === "number" ? wordOf(op, x, dtype) : 0,
      y_bits: typeof y === "number" ? wordOf(op, y, dtype) : 0,
      count: sizeOf(shape),
    },
    variant: { X_NUMBER: typeof x === "number", Y_NUMBER: typeof y === "number", T: dtype },
  };
}

/** The common element type of two operands, and a tensor among them. */
function common(op: string, x: Tensor<DType> | number, y: Tensor<DType> | number) {
  const tensors = [x, y].filter((each) => typeof each !== "number");
  const [first] = tensors as Tensor<Compared>[];
  if (!first) throw new ArgumentError(op, `${x} and ${y} are both numbers; one must be a tensor`);
  checkCompared(op, ...tensors);
  for (const { label, dtype } of tensors)
    if (dtype !== first.dtype)
      throw new ArgumentError(op, `${first.label} is ${first.dtype} and ${label} is ${dtype}`);
  return { dtype: first.dtype, first };
}

/** The shape that operands broadcast to; numbers take any. */
function shapeOf(op: string, ...given: readonly (Tensor<DType> | number)[]): number[] {
  const tensors = given.filter((each): each is Tensor<DType> => typeof each !== "number");
  return tensors.reduce<number[]>(
    (shape, each) => broadcastShape(op, { shape, rank: shape.length, label: "what is before it" }, each),
    [],
  );
}

function compare<D extends Compared>(OP: Relation, x: Tensor<D> | number, y: Tensor<D> | number): Tensor {
  const { dtype, first } = common(OP, x, y);
  const { gpu } = first;
  const shape = shapeOf(OP, x, y);
  const { params, variant } = operands(OP, dtype, shape, x, y);
  const truth = empty(gpu, shape, "f32", OP);
  const kernel = kernels.compare.compare;
  const memory = (each: Tensor<DType> | number) => (typeof each === "number" ? first : each).storage;
  gpu.run(
    kernel,
    { x: memory(x), y: memory(y), truth },
    { ...params, accumulate: 0 },
    {
      groups: gpu.groups1d(params.count, gpu.tunables(kernel).WORKGROUP),
      variant: { ...variant, OP },
    },
  );
  return truth;
}

/** 1 where x = y, else 0, as float32, so that results can be summed, averaged and multiplied. Shapes broadcast. No gradient. */
export const eq = <D extends Compared>(x: Tensor<D>, y: Tensor<NoInfer<D>> | number): Tensor =>
  compare("eq", x, y);
/** 1 where x ≠ y, else 0. */
export const ne = <D extends Compared>(x: Tensor<D>, y: Tensor<NoInfer<D>> | number): Tensor =>
  compare("ne", x, y);
/** 1 where x < y, else 0. */
export const lt = <D extends Compared>(x: Tensor<D>, y: Tensor<NoInfer<D>> | number): Tensor =>
  compare("lt", x, y);
/** 1 where x ≤ y, else 0. */
export const le = <D extends Compared>(x: Tensor<D>, y: Tensor<NoInfer<D>> | number): Tensor =>
  compare("le", x, y);
/** 1 where x > y, else 0. */
export const gt = <D extends Compared>(x: Tensor<D>, y: Tensor<NoInfer<D>> | number): Tensor =>
  compare("gt", x, y);
/** 1 where x ≥ y, else 0. */
export const ge = <D extends Compared>(x: Tensor<D>, y: Tensor<NoInfer<D>> | number): Tensor =>
  compare("ge", x, y);

/**
 * x where `condition` is not 0, else y: element by element with broadcasting; x or y may be a number. The gradient goes to
 * the chosen operand.
 */
export function where<D extends Compared = "f32">(
  condition: Tensor<Compared>,
  x: Tensor<D> | number,
  y: Tensor<D> | number,
): Tensor<D> {
  checkCompared("where", condition);
  const numbers = typeof x === "number" && typeof y === "number";
  const { dtype, first } = numbers ? { dtype: "f32" as const, first: condition } : common("where", x, y);
  checkTensors("where", "any", condition, first);
  const { gpu } = condition;
  const shape = shapeOf("where", condition, ...[x, y].filter((each) => typeof each !== "number"));
  const result = empty(gpu, shape, dtype, "where");
  choose(condition, x, y, shape, { tensor: result, accumulate: false });
  const made = result as unknown as Tensor<D>;
  if (dtype !== "f32") return made;
  const sources = [x, y].map((each) => (typeof each === "number" ? null : (each as unknown as Tensor)));
  record("where", sources, result as Tensor, (save) => {
    const saved = save(condition);
    return (dz, grads) => {
      sources.forEach((source, i) => {
        if (!source || !grads.needs(i)) return;
        const part = (into: { tensor: Tensor; accumulate: boolean }) =>
          i === 0 ? choose(saved, dz, 0, shape, into) : choose(saved, 0, dz, shape, into);
        if (sameShape(source.shape, shape)) {
          part(grads.sink(i));
          return;
        }
        const full = empty(gpu, shape, "f32", "grad through where");
        part({ tensor: full, accumulate: false });
        sumTo(full, source.shape, grads.sink(i));
      });
    };
  });
  return made;
}

/** into (+)= condition ? x : y; `into` is dense and has the shape that all broadcast to. */
function choose(
  condition: Tensor<Compared>,
  x: Tensor<DType> | number,
  y: Tensor<DType> | number,
  shape: readonly number[],
  into: { tensor: Tensor<Compared>; accumulate: boolean },
): void {
  const { gpu } = condition;
  const { params, variant } = operands("where", into.tensor.dtype, shape, x, y, condition);
  const kernel = kernels.compare.choose;
  const memory = (each: Tensor<DType> | number) => (typeof each === "number" ? condition : each).storage;
  gpu.run(
    kernel,
    { x: memory(x), y: memory(y), condition: condition.storage, chosen: into.tensor },
    { ...params, accumulate: into.accumulate ? 1 : 0 },
    {
      groups: gpu.groups1d(params.count, gpu.tunables(kernel).WORKGROUP),
      variant: { ...variant, C: condition.dtype, C_FLOAT: condition.dtype === "f32" },
    },
  );
}

/** x^y of two tensors; see `pow` (arithmetic.ts). */
export function pairPower(x: Tensor, y: Tensor): Tensor {
  checkTensors("pow", "f32", x, y);
  const { gpu } = x;
  const shape = broadcastShape("pow", x, y);
  const z = evaluate("value", x, y);
  return record("pow", [x, y], z, (save) => {
    const [p, q] = [save(x), save(y)];
    return (dz, grads) => {
      for (const [i, source] of [p, q].entries()) {
        if (!grads.needs(i)) continue;
        const product = mul(dz, evaluate(i === 0 ? "by_x" : "by_y", p, q));
        if (sameShape(source.shape, shape)) grads.give(i, product);
        else sumTo(product, source.shape, grads.sink(i));
      }
    };
  });

  function evaluate(POWER: "value" | "by_x" | "by_y", p: Tensor, q: Tensor): Tensor {
    const result = empty(gpu, shape, "f32", "pow");
    const { params, variant } = operands("pow", "f32", shape, p, q);
    const kernel = kernels.compare.power;
    gpu.run(
      kernel,
      { x: p.storage, y: q.storage, truth: result },
      { ...params, accumulate: 0 },
      {
        groups: gpu.groups1d(params.count, gpu.tunables(kernel).WORKGROUP),
        variant: { ...variant, POWER },
      },
    );
    return result;
  }
}
