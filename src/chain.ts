/**
 * Ops as methods of tensors: `import "mc-diffusion/chain"` once, and `x.mul(2).add(1).softmax(0)` is `softmax(add(mul(x, 2), 1),
 * 0)`. A bundle that imports this includes all of these ops; other bundles include only the ops that they name. `toString` and
 * console inspection show element type, shape and name.
 *
 * @module mc-diffusion/chain
 */

import type { DType, Float } from "./engine/gpu/kernel.js";
import { argmax, argmin } from "./engine/ops/argmax.js";
import { add, div, maximum, minimum, mul, type Operand, pow, sub } from "./engine/ops/arithmetic.js";
import { logSoftmax, logSumExp, softmax } from "./engine/ops/axis-softmax.js";
import { eq, ge, gt, le, lt, ne } from "./engine/ops/compare.js";
import { cast } from "./engine/ops/copy.js";
import { type CumsumOptions, cumsum } from "./engine/ops/cumsum.js";
import {
  abs,
  clamp,
  exp,
  log,
  neg,
  gelu2 as quickGelu,
  relu,
  scale,
  sigmoid,
  silu,
  sqrt,
  square,
  tanh,
} from "./engine/ops/elementwise.js";
import {
  allclose,
  type CloseOptions,
  describe,
  type FormatOptions,
  format,
  print,
} from "./engine/ops/format.js";
import { cos, gelu, geluTanh, rsqrt, sign, sin, softplus } from "./engine/ops/functions.js";
import { gather, oneHot, scatterAdd, take } from "./engine/ops/gather.js";
import { type GradientHook, onGradient, retainGrad } from "./engine/ops/gradients.js";
import { type MatmulOptions, matmul } from "./engine/ops/matmul.js";
import { max, mean, type ReduceOptions, sum } from "./engine/ops/reduce.js";
import { min, type VarianceOptions, variance } from "./engine/ops/reductions.js";
import { broadcastTo, pad, permute, split, squeeze, unsqueeze } from "./engine/ops/shapes.js";
import { type TopK, topK } from "./engine/ops/top-k.js";
import { backward } from "./engine/tensor/autograd.js";
import { Tensor } from "./engine/tensor/tensor.js";

const methods = {
  abs,
  add,
  allclose,
  argmax,
  argmin,
  backward,
  broadcastTo,
  cast,
  clamp,
  cos,
  cumsum,
  div,
  eq,
  exp,
  format,
  gather,
  ge,
  gelu,
  geluTanh,
  gt,
  le,
  log,
  logSoftmax,
  logSumExp,
  lt,
  matmul,
  max,
  maximum,
  mean,
  min,
  minimum,
  mul,
  ne,
  neg,
  onGradient,
  oneHot,
  pad,
  permute,
  pow,
  print,
  quickGelu,
  relu,
  retainGrad,
  rsqrt,
  scale,
  scatterAdd,
  sigmoid,
  sign,
  silu,
  sin,
  softmax,
  softplus,
  split,
  sqrt,
  square,
  squeeze,
  sub,
  sum,
  take,
  tanh,
  topK,
  toString: describe,
  unsqueeze,
  variance,
  [Symbol.for("nodejs.util.inspect.custom")]: describe,
};

for (const name of Reflect.ownKeys(methods)) {
  const op = methods[name as keyof typeof methods] as (x: Tensor, ...rest: unknown[]) => unknown;
  Object.defineProperty(Tensor.prototype, name, {
    value(this: Tensor, ...rest: unknown[]) {
      return op(this, ...rest);
    },
    writable: true,
    configurable: true,
  });
}

type Compared = "f32" | "u32" | "i32";

// Methods of float32 tensors take `this: Tensor`; each is documented at the function of the same name.
declare module "./engine/tensor/tensor.js" {
  interface Tensor<D extends DType = "f32"> {
    /** {@link abs} of this tensor. */
    abs(this: Tensor): Tensor;
    /** {@link add} of this tensor. */
    add(this: Tensor, y: Operand): Tensor;
    /** {@link allclose} of this tensor. */
    allclose(this: Tensor<Float>, y: Tensor<Float>, options?: CloseOptions): Promise<boolean>;
    /** {@link argmax} of this tensor. */
    argmax(this: Tensor, axis?: number): Tensor<"u32">;
    /** {@link argmin} of this tensor. */
    argmin(this: Tensor, axis?: number): Tensor<"u32">;
    /** {@link backward} of this tensor. */
    backward(this: Tensor): void;
    /** {@link broadcastTo} of this tensor. */
    broadcastTo(shape: readonly number[]): Tensor<D>;
    /** {@link cast} of this tensor. */
    cast<To extends Float>(this: Tensor<Float>, dtype: To): Tensor<To>;
    /** {@link clamp} of this tensor. */
    clamp(this: Tensor, low: number, high: number): Tensor;
    /** {@link cos} of this tensor. */
    cos(this: Tensor): Tensor;
    /** {@link cumsum} of this tensor. */
    cumsum<T extends Compared>(this: Tensor<T>, axis?: number, options?: CumsumOptions): Tensor<T>;
    /** {@link div} of this tensor. */
    div(this: Tensor, y: Operand): Tensor;
    /** {@link eq} of this tensor. */
    eq<T extends Compared>(this: Tensor<T>, y: Tensor<NoInfer<T>> | number): Tensor;
    /** {@link exp} of this tensor. */
    exp(this: Tensor): Tensor;
    /** {@link format} of this tensor. */
    format(options?: FormatOptions): Promise<string>;
    /** {@link gather} of this tensor. */
    gather<T extends Compared>(this: Tensor<T>, axis: number, index: Tensor<"u32">): Tensor<T>;
    /** {@link ge} of this tensor. */
    ge<T extends Compared>(this: Tensor<T>, y: Tensor<NoInfer<T>> | number): Tensor;
    /** {@link gelu} of this tensor. */
    gelu(this: Tensor): Tensor;
    /** {@link geluTanh} of this tensor. */
    geluTanh(this: Tensor): Tensor;
    /** {@link gt} of this tensor. */
    gt<T extends Compared>(this: Tensor<T>, y: Tensor<NoInfer<T>> | number): Tensor;
    /** {@link le} of this tensor. */
    le<T extends Compared>(this: Tensor<T>, y: Tensor<NoInfer<T>> | number): Tensor;
    /** {@link log} of this tensor. */
    log(this: Tensor): Tensor;
    /** {@link logSoftmax} of this tensor. */
    logSoftmax(this: Tensor, axis?: number): Tensor;
    /** {@link logSumExp} of this tensor. */
    logSumExp(this: Tensor, axis?: number): Tensor;
    /** {@link lt} of this tensor. */
    lt<T extends Compared>(this: Tensor<T>, y: Tensor<NoInfer<T>> | number): Tensor;
    /** {@link matmul} of this tensor. */
    matmul(this: Tensor, other: Tensor, options?: MatmulOptions): Tensor;
    /** {@link max} of this tensor. */
    max(this: Tensor, axes?: readonly number[], options?: ReduceOptions): Tensor;
    /** {@link maximum} of this tensor. */
    maximum(this: Tensor, y: Operand): Tensor;
    /** {@link mean} of this tensor. */
    mean(this: Tensor, axes?: readonly number[], options?: ReduceOptions): Tensor;
    /** {@link min} of this tensor. */
    min(this: Tensor, axes?: readonly number[], options?: ReduceOptions): Tensor;
    /** {@link minimum} of this tensor. */
    minimum(this: Tensor, y: Operand): Tensor;
    /** {@link mul} of this tensor. */
    mul(this: Tensor, y: Operand): Tensor;
    /** {@link ne} of this tensor. */
    ne<T extends Compared>(this: Tensor<T>, y: Tensor<NoInfer<T>> | number): Tensor;
    /** {@link neg} of this tensor. */
    neg(this: Tensor): Tensor;
    /** {@link onGradient} of this tensor. */
    onGradient(this: Tensor<Float>, hook: GradientHook): () => void;
    /** {@link oneHot} of this tensor. */
    oneHot(this: Tensor<"u32">, classes: number): Tensor;
    /** {@link pad} of this tensor. */
    pad(this: Tensor, widths: readonly (readonly [number, number])[], value?: number): Tensor;
    /** {@link permute} of this tensor. */
    permute(order: readonly number[]): Tensor<D>;
    /** {@link pow} of this tensor. */
    pow(this: Tensor, y: Operand): Tensor;
    /** {@link print} of this tensor. */
    print(options?: FormatOptions): Promise<void>;
    /** {@link quickGelu} of this tensor. */
    quickGelu(this: Tensor): Tensor;
    /** {@link relu} of this tensor. */
    relu(this: Tensor): Tensor;
    /** {@link retainGrad} of this tensor. */
    retainGrad(this: Tensor<Float>): this;
    /** {@link rsqrt} of this tensor. */
    rsqrt(this: Tensor): Tensor;
    /** {@link scale} of this tensor. */
    scale(this: Tensor, factor: number, term?: number): Tensor;
    /** {@link scatterAdd} of this tensor. */
    scatterAdd(this: Tensor, axis: number, index: Tensor<"u32">, source: Tensor): Tensor;
    /** {@link sigmoid} of this tensor. */
    sigmoid(this: Tensor): Tensor;
    /** {@link sign} of this tensor. */
    sign(this: Tensor): Tensor;
    /** {@link silu} of this tensor. */
    silu(this: Tensor): Tensor;
    /** {@link sin} of this tensor. */
    sin(this: Tensor): Tensor;
    /** {@link softmax} of this tensor. */
    softmax(this: Tensor, axis?: number): Tensor;
    /** {@link softplus} of this tensor. */
    softplus(this: Tensor): Tensor;
    /** {@link split} of this tensor. */
    split(parts: number | readonly number[], axis?: number): Tensor<D>[];
    /** {@link sqrt} of this tensor. */
    sqrt(this: Tensor): Tensor;
    /** {@link square} of this tensor. */
    square(this: Tensor): Tensor;
    /** {@link squeeze} of this tensor. */
    squeeze(axis?: number): Tensor<D>;
    /** {@link sub} of this tensor. */
    sub(this: Tensor, y: Operand): Tensor;
    /** {@link sum} of this tensor. */
    sum(this: Tensor, axes?: readonly number[], options?: ReduceOptions): Tensor;
    /** {@link take} of this tensor. */
    take(this: Tensor, ids: Tensor<"u32">, axis?: number): Tensor;
    /** {@link tanh} of this tensor. */
    tanh(this: Tensor): Tensor;
    /** {@link topK} of this tensor. */
    topK(this: Tensor, k: number, axis?: number): TopK;
    /** Element type, shape and label. */
    toString(): string;
    /** {@link unsqueeze} of this tensor. */
    unsqueeze(axis: number): Tensor<D>;
    /** {@link variance} of this tensor. */
    variance(this: Tensor, axes?: readonly number[], options?: VarianceOptions): Tensor;
  }
}
