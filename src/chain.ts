/**
 * Ops as methods of tensors: `import "mc-diffusion/chain"` once, and `x.mul(2).add(1).softmax(0)` is `softmax(add(mul(x, 2), 1),
 * 0)`. A bundle that imports this includes all of these ops; other bundles include only the ops that they name. `toString` and
 * console inspection show element type, shape and name.
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
    abs(this: Tensor): Tensor;
    add(this: Tensor, y: Operand): Tensor;
    allclose(this: Tensor<Float>, y: Tensor<Float>, options?: CloseOptions): Promise<boolean>;
    argmax(this: Tensor, axis?: number): Tensor<"u32">;
    argmin(this: Tensor, axis?: number): Tensor<"u32">;
    backward(this: Tensor): void;
    broadcastTo(shape: readonly number[]): Tensor<D>;
    cast<To extends Float>(this: Tensor<Float>, dtype: To): Tensor<To>;
    clamp(this: Tensor, low: number, high: number): Tensor;
    cos(this: Tensor): Tensor;
    cumsum<T extends Compared>(this: Tensor<T>, axis?: number, options?: CumsumOptions): Tensor<T>;
    div(this: Tensor, y: Operand): Tensor;
    eq<T extends Compared>(this: Tensor<T>, y: Tensor<NoInfer<T>> | number): Tensor;
    exp(this: Tensor): Tensor;
    format(options?: FormatOptions): Promise<string>;
    gather<T extends Compared>(this: Tensor<T>, axis: number, index: Tensor<"u32">): Tensor<T>;
    ge<T extends Compared>(this: Tensor<T>, y: Tensor<NoInfer<T>> | number): Tensor;
    gelu(this: Tensor): Tensor;
    geluTanh(this: Tensor): Tensor;
    gt<T extends Compared>(this: Tensor<T>, y: Tensor<NoInfer<T>> | number): Tensor;
    le<T extends Compared>(this: Tensor<T>, y: Tensor<NoInfer<T>> | number): Tensor;
    log(this: Tensor): Tensor;
    logSoftmax(this: Tensor, axis?: number): Tensor;
    logSumExp(this: Tensor, axis?: number): Tensor;
    lt<T extends Compared>(this: Tensor<T>, y: Tensor<NoInfer<T>> | number): Tensor;
    matmul(this: Tensor, other: Tensor, options?: MatmulOptions): Tensor;
    max(this: Tensor, axes?: readonly number[], options?: ReduceOptions): Tensor;
    maximum(this: Tensor, y: Operand): Tensor;
    mean(this: Tensor, axes?: readonly number[], options?: ReduceOptions): Tensor;
    min(this: Tensor, axes?: readonly number[], options?: ReduceOptions): Tensor;
    minimum(this: Tensor, y: Operand): Tensor;
    mul(this: Tensor, y: Operand): Tensor;
    ne<T extends Compared>(this: Tensor<T>, y: Tensor<NoInfer<T>> | number): Tensor;
    neg(this: Tensor): Tensor;
    onGradient(this: Tensor<Float>, hook: GradientHook): () => void;
    oneHot(this: Tensor<"u32">, classes: number): Tensor;
    pad(this: Tensor, widths: readonly (readonly [number, number])[], value?: number): Tensor;
    permute(order: readonly number[]): Tensor<D>;
    pow(this: Tensor, y: Operand): Tensor;
    print(options?: FormatOptions): Promise<void>;
    quickGelu(this: Tensor): Tensor;
    relu(this: Tensor): Tensor;
    retainGrad(this: Tensor<Float>): this;
    rsqrt(this: Tensor): Tensor;
    scale(this: Tensor, factor: number, term?: number): Tensor;
    scatterAdd(this: Tensor, axis: number, index: Tensor<"u32">, source: Tensor): Tensor;
    sigmoid(this: Tensor): Tensor;
    sign(this: Tensor): Tensor;
    silu(this: Tensor): Tensor;
    sin(this: Tensor): Tensor;
    softmax(this: Tensor, axis?: number): Tensor;
    softplus(this: Tensor): Tensor;
    split(parts: number | readonly number[], axis?: number): Tensor<D>[];
    sqrt(this: Tensor): Tensor;
    square(this: Tensor): Tensor;
    squeeze(axis?: number): Tensor<D>;
    sub(this: Tensor, y: Operand): Tensor;
    sum(this: Tensor, axes?: readonly number[], options?: ReduceOptions): Tensor;
    take(this: Tensor, ids: Tensor<"u32">, axis?: number): Tensor;
    tanh(this: Tensor): Tensor;
    topK(this: Tensor, k: number, axis?: number): TopK;
    toString(): string;
    unsqueeze(axis: number): Tensor<D>;
    variance(this: Tensor, axes?: readonly number[], options?: VarianceOptions): Tensor;
  }
}
