/**
 * Elementwise functions of one tensor (shaders/elementwise/unary.wgsl) and of two with broadcasting
 * (shaders/elementwise/binary.wgsl).
 */

import type { Float, Vec4 } from "../gpu/kernel.js";
import * as kernels from "../gpu/kernels.generated.js";
import { checkTensors } from "../tensor/arguments.js";
import { ShapeError } from "../tensor/errors.js";
import { sameShape, sizeOf } from "../tensor/strided.js";
import type { GradWriter } from "../tensor/tape.js";
import { record } from "../tensor/tape.js";
import { empty, type Tensor } from "../tensor/tensor.js";
import { contiguous } from "./copy.js";
import { sumTo } from "./reduce.js";

type UnaryOp =
  | "neg"
  | "exp"
  | "log"
  | "sqrt"
  | "square"
  | "abs"
  | "relu"
  | "silu"
  | "gelu2"
  | "sigmoid"
  | "tanh"
  | "affine"
  | "clamp";

const maxRank = 5;

/** Converts a shape or strides to the form that kernels take: axis 0 separate, axes 1 to 4 as a vector, padded in front. */
export function fiveAxes(values: readonly number[], filler: number): { first: number; rest: Vec4 } {
  const all = [...new Array<number>(maxRank - values.length).fill(filler), ...values];
  return { first: all[0]!, rest: [all[1]!, all[2]!, all[3]!, all[4]!] };
}

function unaryParams(x: Tensor<Float>, accumulate: boolean, p: number, q: number) {
  const stride = fiveAxes(x.strides, 0);
  return {
    shape: fiveAxes(x.shape, 1).rest,
    stride: stride.rest,
    stride_0: stride.first,
    offset: x.offset,
    count: x.size,
    accumulate: accumulate ? 1 : 0,
    p,
    q,
  };
}

/** y = f(x), read through strides unless dense. */
function runUnary(op: UnaryOp, x: Tensor, y: Tensor, p: number, q: number): void {
  const { gpu } = x;
  const options = { variant: { OP: op } } as const;
  const params = unaryParams(x, false, p, q);
  if (gpu.binds(x)) {
    const kernel = kernels.unary.forward;
    gpu.run(kernel, { x_vectors: x, y_vectors: y }, params, {
      groups: gpu.groups1d(Math.ceil(x.size / 4), gpu.tunables(kernel).WORKGROUP),
      ...options,
    });
  } else {
    const kernel = kernels.unary.forwardStrided;
    const groups = gpu.groups1d(x.size, gpu.tunables(kernel).WORKGROUP);
    gpu.run(kernel, { x_elements: x.storage, y_elements: y }, params, { groups, ...options });
  }
}

/** target (+)= dy · f'(x). */
function runUnaryBackward(
  op: UnaryOp,
  x: Tensor<Float>,
  dy: Tensor,
  target: Tensor,
  accumulate: boolean,
  p: number,
  q: number,
): void {
  const { gpu } = x;
  const options = { variant: { OP: op, X: x.dtype } } as const;
  const params = unaryParams(x, accumulate, p, q);
  if (gpu.binds(x)) {
    const kernel = kernels.unary.backward;
    const groups = gpu.groups1d(Math.ceil(x.size / 4), gpu.tunables(kernel).WORKGROUP);
    gpu.run(kernel, { x_vectors: x, dy_vectors: dy, y_vectors: target }, params, { groups, ...options });
  } else {
    const kernel = kernels.unary.backwardStrided;
    const groups = gpu.groups1d(x.size, gpu.tunables(kernel).WORKGROUP);
    gpu.run(kernel, { x_elements: x.storage, dy_elements: dy, y_elements: target }, params, {
      groups,
      ...options,
    });
  }
}

function unary(op: UnaryOp, input: Tensor, p = 0, q = 0): Tensor {
  checkTensors(op, "f32", input);
  const x = input.rank > maxRank ? contiguous(input) : input;
  if (x.rank > maxRank) {
    const flat = unary(op, x.reshape([x.size]), p, q);
    return flat.reshape(x.shape);
  }
  const y = empty(x.gpu, x.shape, "f32", op);
  runUnary(op, x, y, p, q);
  return record(op, [x], y, (save) => {
    const saved = save(x);
    return (dy, grads) => {
      const { tensor, accumulate } = grads.sink(0);
      runUnaryBackward(op, saved, dy, tensor, accumulate, p, q);
    };
  });
}

/** -x */
export const neg = (x: Tensor): Tensor => unary("neg", x);
/** eˣ */
export const exp = (x: Tensor): Tensor => unary("exp", x);
/** Natural logarithm. */
export const log = (x: Tensor): Tensor => unary("log", x);
/** Square root. */
export const sqrt = (x: Tensor): Tensor => unary("sqrt", x);
/** x² */
export const square = (x: Tensor): Tensor => unary("square", x);
/** |x|, with derivative 0 at 0. */
export const abs = (x: Tensor): Tensor => unary("abs", x);
/** max(x, 0), with derivative 0 at 0. */
export const relu = (x: Tensor): Tensor => unary("relu", x);
/** x·sigmoid(x) */
export const silu = (x: Tensor): Tensor => unary("silu", x);
/** x·sigmoid(1.702 x), the GELU of VQ-Diffusion. */
export const gelu2 = (x: Tensor): Tensor => unary("gelu2", x);
/** 1 / (1 + e⁻ˣ) */
export const sigmoid = (x: Tensor): Tensor => unary("sigmoid", x);
/** Hyperbolic tangent. */
export const tanh = (x: Tensor): Tensor => unary("tanh", x);
/** factor·x + term, with constants. */
export const scale = (x: Tensor, factor: number, term = 0): Tensor => unary("affine", x, factor, term);
/** x clamped to [low, high]; the derivative outside is 0. */
export const clamp = (x: Tensor, low: number, high: number): Tensor => unary("clamp", x, low, high);

/** dy · f'(argument) of an activation, off the tape; `linear` calls it between its two backward products. */
export function activationBackward(
  op: "gelu2" | "silu" | "relu",
  argument: Tensor<Float>,
  dy: Tensor,
): Tensor {
  const dz = empty(dy.gpu, dy.shape, "f32", `grad through ${op}`);
  const flat = argument.reshape([argument.size]);
  runUnaryBackward(op, flat, dy, dz, false, 0, 0);
  return dz;
}

type BinaryOp = "add" | "sub" | "mul" | "div" | "max" | "min";

/** The strides of an operand along a result's axes: 0 where it repeats. */
export function repeatedStrides(x: Tensor, shape: readonly number[]): number[] {
  const lead = shape.length - x.rank;
  return shape.map((_, axis) => (axis < lead || x.shape[axis - lead] === 1 ? 0 : x.strides[axis - lead]!));
}

function binaryParams(x: Tensor, y: Tensor, shape: readonly number[], accumulate: boolean) {
  const xStride = fiveAxes(repeatedStrides(x, shape), 0);
  const yStride = fiveAxes(repeatedStrides(y, shape), 0);
  return {
    shape: fiveAxes(shape, 1).rest,
    x_stride: xStride.rest,
    y_stride: yStride.rest,
    x_stride_0: xStride.first,
    y_stride_0: yStride.first,
    x_offset: x.offset,
    y_offset: y.offset,
    count: sizeOf(shape),
    accumulate: accumulate ? 1 : 0,
  };
}

type Shaped = Pick<Tensor, "shape" | "rank" | "label">;

/** The shape two shapes broadcast to. Throws a `ShapeError` that names both. */
export function broadcastShape(op: string, x: Shaped, y: Shaped): number[] {
  const rank = Math.max(x.rank, y.rank);
  const shape: number[] = [];
  for (let axis = 0; axis < rank; axis++) {
    const p = x.shape[axis - rank + x.rank] ?? 1;
    const q = y.shape[axis - rank + y.rank] ?? 1;
    if (p !== q && p !== 1 && q !== 1) {
      throw new ShapeError(op, `${x} and ${y} do not broadcast`);
    }
    shape.push(Math.max(p, q));
  }
  if (rank > maxRank) throw new ShapeError(op, `${rank} axes; at most ${maxRank} are supported`);
  return shape;
}

function binary(op: BinaryOp, x: Tensor, y: Tensor): Tensor {
  checkTensors(op, "f32", x, y);
  const shape = broadcastShape(op, x, y);
  const { gpu } = x;
  const z = empty(gpu, shape, "f32", op);
  const variant = { OP: op } as const;
  const plain = (a: Tensor, b: Tensor) => sameShape(a.shape, b.shape) && gpu.binds(a) && gpu.binds(b);
  const params = binaryParams(x, y, shape, false);
  if (plain(x, y)) {
    const kernel = kernels.binary.forward;
    gpu.run(kernel, { x_vectors: x, y_vectors: y, z_vectors: z }, params, {
      groups: gpu.groups1d(Math.ceil(z.size / 4), gpu.tunables(kernel).WORKGROUP),
      variant,
    });
  } else {
    const kernel = kernels.binary.forwardStrided;
    const groups = gpu.groups1d(z.size, gpu.tunables(kernel).WORKGROUP);
    gpu.run(kernel, { x_elements: x.storage, y_elements: y.storage, z_elements: z }, params, {
      groups,
      variant,
    });
  }
  const linearOp = op === "add" || op === "sub";
  return record(op, [x, y], z, (save) => {
    // A sum's derivative needs neither operand.
    const p = linearOp ? null : save(x);
    const q = linearOp ? null : save(y);
    const shapes = [x.shape, y.shape];
    return (dz, grads) => {
      for (const i of [0, 1] as const) {
        if (!grads.needs(i)) continue;
        const own = shapes[i]!;
        if (!p || !q) giveSum(grads, i, dz, own, op === "sub" && i === 1);
        else if (sameShape(own, shape)) partial(p, q, dz, i === 0, grads.sink(i));
        else {
          const full = empty(gpu, shape, "f32", `grad through ${op}`);
          partial(p, q, dz, i === 0, { tensor: full, accumulate: false });
          sumTo(full, own, grads.sink(i));
        }
      }
    };
  });

  function partial(
    p: Tensor,
    q: Tensor,
    dz: Tensor,
    ofX: boolean,
    into: { tensor: Tensor; accumulate: boolean },
  ): void {
    const options = { variant: { OP: op, OF_X: ofX } } as const;
    const params = binaryParams(p, q, shape, into.accumulate);
    if (plain(p, q)) {
      const kernel = kernels.binary.backward;
      const groups = gpu.groups1d(Math.ceil(dz.size / 4), gpu.tunables(kernel).WORKGROUP);
      gpu.run(kernel, { x_vectors: p, y_vectors: q, dz_vectors: dz, z_vectors: into.tensor }, params, {
        groups,
        ...options,
      });
    } else {
      const kernel = kernels.binary.backwardStrided;
      const groups = gpu.groups1d(dz.size, gpu.tunables(kernel).WORKGROUP);
      const bindings = {
        x_elements: p.storage,
        y_elements: q.storage,
        dz_elements: dz,
        z_elements: into.tensor,
      };
      gpu.run(kernel, bindings, params, { groups, ...options });
    }
  }
}

/** The gradient of an operand of a sum or difference: dz, negated or not, reduced to the operand's shape. */
function giveSum(
  grads: GradWriter,
  i: number,
  dz: Tensor,
  shape: readonly number[],
  negative: boolean,
): void {
  if (!sameShape(dz.shape, shape)) {
    sumTo(dz, shape, { ...grads.sink(i), scale: negative ? -1 : 1 });
  } else if (negative) {
    const { tensor, accumulate } = grads.sink(i);
    runUnaryBackward("neg", dz, dz, tensor, accumulate, 0, 0);
  } else {
    grads.give(i, dz);
  }
}

/** x + y; the shapes broadcast, as for all functions of two tensors. */
export const add = (x: Tensor, y: Tensor): Tensor => binary("add", x, y);
/** x − y */
export const sub = (x: Tensor, y: Tensor): Tensor => binary("sub", x, y);
/** x·y, element by element. */
export const mul = (x: Tensor, y: Tensor): Tensor => binary("mul", x, y);
/** x / y */
export const div = (x: Tensor, y: Tensor): Tensor => binary("div", x, y);
/** The larger of two; a tie gives half of the gradient to each. */
export const maximum = (x: Tensor, y: Tensor): Tensor => binary("max", x, y);
/** The smaller of two; a tie gives half of the gradient to each. */
export const minimum = (x: Tensor, y: Tensor): Tensor => binary("min", x, y);

/** The value of `quantised` with the gradient passed to `z` as if it were z (van den Oord et al. 2017). */
export function straightThrough(z: Tensor, quantised: Tensor): Tensor {
  checkTensors("straightThrough", "f32", z, quantised);
  if (!sameShape(z.shape, quantised.shape)) {
    throw new ShapeError("straightThrough", `z ${z} and quantised ${quantised} differ`);
  }
  return record("straightThrough", [z], quantised.detach(), () => (dy, grads) => grads.give(0, dy));
}
