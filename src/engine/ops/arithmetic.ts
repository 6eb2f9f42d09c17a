/** Arithmetic of tensors with tensors and numbers. A number needs no tensor if the kernel can take it as a constant. */

import type { Gpu } from "../gpu/gpu.js";
import { ArgumentError } from "../tensor/errors.js";
import { empty, Tensor } from "../tensor/tensor.js";
import { pairPower } from "./compare.js";
import { fill } from "./copy.js";
import * as elementwise from "./elementwise.js";
import { power } from "./functions.js";

/** An operand of arithmetic: a tensor, or a number that stands for a tensor of any shape. */
export type Operand = Tensor | number;

/** Makes a scalar tensor of a number. A kernel writes it, so it may be made in captured work. */
function scalar(gpu: Gpu, value: number): Tensor {
  const made = empty(gpu, [], "f32", `${value}`);
  fill(made, value);
  return made;
}

type Pair = (x: Tensor, y: Tensor) => Tensor;

/** `op` of two operands, of which at least one is a tensor. */
function arithmetic(name: string, op: Pair, x: Operand, y: Operand): Tensor {
  if (x instanceof Tensor && typeof y === "number") return x.gpu.scope(() => op(x, scalar(x.gpu, y)));
  if (y instanceof Tensor && typeof x === "number") return y.gpu.scope(() => op(scalar(y.gpu, x), y));
  if (typeof x === "number" && typeof y === "number")
    throw new ArgumentError(name, `${x} and ${y} are both numbers; at least one operand must be a tensor`);
  return op(x as Tensor, y as Tensor);
}

/** x + y; shapes broadcast, as for all functions of two operands. */
export function add(x: Operand, y: Operand): Tensor {
  if (x instanceof Tensor && typeof y === "number") return elementwise.scale(x, 1, y);
  if (y instanceof Tensor && typeof x === "number") return elementwise.scale(y, 1, x);
  return arithmetic("add", elementwise.add, x, y);
}

/** x − y */
export function sub(x: Operand, y: Operand): Tensor {
  if (x instanceof Tensor && typeof y === "number") return elementwise.scale(x, 1, -y);
  if (y instanceof Tensor && typeof x === "number") return elementwise.scale(y, -1, x);
  return arithmetic("sub", elementwise.sub, x, y);
}

/** x·y, element by element. */
export function mul(x: Operand, y: Operand): Tensor {
  if (x instanceof Tensor && typeof y === "number") return elementwise.scale(x, y);
  if (y instanceof Tensor && typeof x === "number") return elementwise.scale(y, x);
  return arithmetic("mul", elementwise.mul, x, y);
}

/** x / y. A number as divisor is rounded once as 1 / y, so a quotient may be one unit in the last place off. */
export function div(x: Operand, y: Operand): Tensor {
  if (x instanceof Tensor && typeof y === "number" && y !== 0) return elementwise.scale(x, 1 / y);
  return arithmetic("div", elementwise.div, x, y);
}

/** The larger of two; a tie gives half of the gradient to each. */
export const maximum = (x: Operand, y: Operand): Tensor => arithmetic("maximum", elementwise.maximum, x, y);

/** The smaller of two; a tie gives half of the gradient to each. */
export const minimum = (x: Operand, y: Operand): Tensor => arithmetic("minimum", elementwise.minimum, x, y);

/**
 * x to the power of y. A negative x requires an integer y and otherwise gives NaN. The derivative with respect to y is 0 where
 * x = 0 and NaN where x < 0. Constant integer powers up to 64 are products, exact if the result is representable.
 */
export function pow(x: Operand, y: Operand): Tensor {
  if (x instanceof Tensor && typeof y === "number") return power(x, y);
  return arithmetic("pow", pairPower, x, y);
}
