/** One small call of every op, from which `docs/ops.md` is written: gradients, element types and kernels are what the call shows. */

import type { Gpu } from "../../dist/engine/gpu/gpu.js";
import type { DType } from "../../dist/engine/gpu/kernel.js";
import * as engine from "../../dist/engine/ops/index.js";
import { empty, fromArray, type Tensor } from "../../dist/engine/tensor/tensor.js";
import * as ops from "../../dist/ops.js";

export type Door = "mc-diffusion/engine" | "mc-diffusion/ops";

export interface OpCall {
  name: string;
  door: Door;
  /** The shape of the first input. */
  shape: readonly number[];
  /** The op on that input, of any element type: what it does not take, it refuses. */
  call(x: Tensor, gpu: Gpu): Tensor<DType> | null;
  /** Tests of its values and gradients, from `test/`. */
  tests: string;
}

type Call = OpCall["call"];

const f = (gpu: Gpu, ...shape: number[]) => {
  const size = shape.reduce((product, length) => product * length, 1);
  return fromArray(
    gpu,
    Float32Array.from({ length: size }, (_, i) => 0.1 + ((i * 7) % 5) / 5),
    shape,
  );
};
const ids = (gpu: Gpu, ...shape: number[]) => {
  const size = shape.reduce((product, length) => product * length, 1);
  return fromArray(
    gpu,
    Uint32Array.from({ length: size }, (_, i) => (i * 7) % 3),
    shape,
    "u32",
  );
};
const asIds = (x: Tensor) => x as Tensor<DType> as Tensor<"u32">;
const rng = (gpu: Gpu) => {
  const made = new engine.Rng(gpu, 1);
  gpu.track({ kept: false, dispose: () => made.dispose() });
  return made;
};

function rows(
  door: Door,
  tests: string,
  calls: Record<string, Call>,
  shape: readonly number[] = [3, 4],
): OpCall[] {
  return Object.entries(calls).map(([name, call]) => ({
    name,
    door,
    shape,
    call,
    tests: tests.startsWith("../") ? `engine/${tests.slice(3)}.test.ts` : `engine/ops/${tests}.test.ts`,
  }));
}
const ofEngine = (tests: string, calls: Record<string, Call>, shape?: readonly number[]) =>
  rows("mc-diffusion/engine", tests, calls, shape);
const ofOps = (tests: string, calls: Record<string, Call>, shape?: readonly number[]) =>
  rows("mc-diffusion/ops", tests, calls, shape);

export const opCalls: readonly OpCall[] = [
  ...ofEngine("elementwise", {
    neg: (x) => engine.neg(x),
    exp: (x) => engine.exp(x),
    log: (x) => engine.log(x),
    sqrt: (x) => engine.sqrt(x),
    square: (x) => engine.square(x),
    abs: (x) => engine.abs(x),
    relu: (x) => engine.relu(x),
    silu: (x) => engine.silu(x),
    gelu2: (x) => engine.gelu2(x),
    sigmoid: (x) => engine.sigmoid(x),
    tanh: (x) => engine.tanh(x),
    scale: (x) => engine.scale(x, 2, 1),
    clamp: (x) => engine.clamp(x, 0.2, 0.8),
    add: (x, gpu) => engine.add(x, f(gpu, 4)),
    sub: (x, gpu) => engine.sub(x, f(gpu, 4)),
    mul: (x, gpu) => engine.mul(x, f(gpu, 4)),
    div: (x, gpu) => engine.div(x, f(gpu, 4)),
    maximum: (x, gpu) => engine.maximum(x, f(gpu, 4)),
    minimum: (x, gpu) => engine.minimum(x, f(gpu, 4)),
    straightThrough: (x, gpu) => engine.straightThrough(x, f(gpu, 3, 4)),
  }),
  ...ofEngine("reduce", {
    sum: (x) => engine.sum(x, [1]),
    mean: (x) => engine.mean(x, [1]),
    max: (x) => engine.max(x, [1]),
    sumSquares: (x) => engine.sumSquares(x, [1]),
    sumAbsolute: (x) => engine.sumAbsolute(x, [1]),
    sumTo: (x) => engine.sumTo(x, [4]),
    mse: (x, gpu) => engine.mse(x, f(gpu, 3, 4)),
    l1: (x, gpu) => engine.l1(x, f(gpu, 3, 4)),
    countNonFinite: (x) => engine.countNonFinite(x),
  }),
  ...ofEngine("softmax", {
    softmax: (x) => engine.softmax(x),
    logSoftmax: (x) => engine.logSoftmax(x),
    logSumExp: (x) => engine.logSumExp(x),
  }),
  ...ofEngine("copy", {
    contiguous: (x) => engine.contiguous(x.transpose()),
    concat: (x) => engine.concat([x, x], 1),
    fill: (x) => {
      engine.fill(x.detach(), 2);
      return null;
    },
  }),
  ...ofEngine("../tensor/float16-tensors", { cast: (x) => engine.cast(x, "f32") }),
  ...ofEngine("matmul", {
    matmul: (x, gpu) =>
      engine.matmul(
        x,
        (x.dtype as DType) === "f16" ? (engine.cast(f(gpu, 4, 2), "f16") as never) : f(gpu, 4, 2),
      ),
    linear: (x, gpu) =>
      engine.linear(
        x,
        (x.dtype as DType) === "f16" ? (engine.cast(f(gpu, 4, 2), "f16") as never) : f(gpu, 4, 2),
        f(gpu, 2),
      ),
  }),
  ...ofEngine("layer-norm", {
    layerNorm: (x, gpu) => engine.layerNorm(x, f(gpu, 4), f(gpu, 4)),
    adaLayerNorm: (x, gpu) => engine.adaLayerNorm(x.reshape([1, 3, 4]), f(gpu, 1, 8)),
  }),
  ...ofEngine("group-norm", {
    groupNorm: (x, gpu) => engine.groupNorm(x.reshape([1, 3, 4]), 2, f(gpu, 4), f(gpu, 4)),
  }),
  ...ofEngine("conv2d", { conv2d: (x, gpu) => engine.conv2d(x, f(gpu, 2, 2, 4, 2)) }, [1, 3, 3, 4]),
  ...ofEngine(
    "conv-transpose2d",
    { convTranspose2d: (x, gpu) => engine.convTranspose2d(x, f(gpu, 2, 2, 2, 4)) },
    [1, 3, 3, 4],
  ),
  ...ofEngine("upsample", { upsample: (x) => engine.upsample(x, 2) }, [1, 3, 3, 4]),
  ...ofEngine("embedding", { embedding: (x, gpu) => engine.embedding(x, ids(gpu, 2, 5)) }),
  ...ofEngine("dropout", { dropout: (x, gpu) => engine.dropout(x, 0.5, rng(gpu)) }),
  ...ofEngine(
    "attention",
    {
      attention: (x, gpu) => engine.attention(x, f(gpu, 1, 3, 8), f(gpu, 1, 3, 8), 2).output,
      attentionMap: (x, gpu) => {
        const k = f(gpu, 1, 3, 8);
        return engine.attentionMap(x, k, engine.attention(x, k, k, 2).logSumExp, 2);
      },
      selfAttention: (x) => engine.selfAttention(engine.concat([x, x, x], 2), 2).output,
      crossAttention: (x, gpu) => engine.crossAttention(x, f(gpu, 1, 3, 16), 2).output,
    },
    [1, 3, 8],
  ),
  ...ofEngine("cross-entropy", { crossEntropy: (x, gpu) => engine.crossEntropy(x, ids(gpu, 3)).loss }),
  ...ofOps("arithmetic", {
    add: (x) => ops.add(x, 1),
    sub: (x) => ops.sub(x, 1),
    mul: (x) => ops.mul(x, 2),
    div: (x) => ops.div(x, 2),
    maximum: (x) => ops.maximum(x, 0.5),
    minimum: (x) => ops.minimum(x, 0.5),
    pow: (x, gpu) => ops.add(ops.pow(x, 2), ops.pow(x, f(gpu, 3, 4))),
  }),
  ...ofOps("functions", {
    rsqrt: (x) => ops.rsqrt(x),
    sin: (x) => ops.sin(x),
    cos: (x) => ops.cos(x),
    sign: (x) => ops.sign(x),
    softplus: (x) => ops.softplus(x),
    gelu: (x) => ops.gelu(x),
    geluTanh: (x) => ops.geluTanh(x),
    quickGelu: (x) => ops.quickGelu(x),
  }),
  ...ofOps("compare", {
    eq: (x) => ops.eq(x, 1),
    ne: (x) => ops.ne(x, 1),
    lt: (x) => ops.lt(x, 1),
    le: (x) => ops.le(x, 1),
    gt: (x) => ops.gt(x, 1),
    ge: (x) => ops.ge(x, 1),
    where: (x, gpu) => ops.where(ids(gpu, 4), x, 1),
  }),
  ...ofOps("shapes", {
    permute: (x) => ops.permute(x, [1, 0]),
    squeeze: (x) => ops.squeeze(x.reshape([3, 1, 4])),
    unsqueeze: (x) => ops.unsqueeze(x, 0),
    broadcastTo: (x) => ops.broadcastTo(x, [2, 3, 4]),
    stack: (x) => ops.stack([x, x]),
    split: (x) => ops.split(x, 2, 1)[0]!,
    pad: (x) =>
      ops.pad(x, [
        [1, 0],
        [0, 2],
      ]),
  }),
  ...ofOps("reductions", {
    min: (x) => ops.min(x, [1]),
    variance: (x) => ops.variance(x, [1]),
    softmax: (x) => ops.softmax(x, 0),
    logSoftmax: (x) => ops.logSoftmax(x, 0),
    logSumExp: (x) => ops.logSumExp(x, 0),
  }),
  ...ofOps("indexing", {
    argmax: (x) => ops.argmax(x),
    argmin: (x) => ops.argmin(x),
    cumsum: (x) => ops.cumsum(x),
    gather: (x, gpu) => ops.gather(x, 1, ids(gpu, 3, 70)),
    scatterAdd: (x, gpu) => ops.scatterAdd(x, 1, ids(gpu, 3, 70), f(gpu, 3, 70)),
    take: (x, gpu) => ops.take(x, ids(gpu, 5)),
    oneHot: (x) => ops.oneHot(asIds(x), 3),
    topK: (x) => ops.topK(x, 2).values,
  }),
];

/** What the doors export besides: no function of tensors, or one that waits for the GPU; with where it is described. */
export const otherNames: Readonly<Record<Door, readonly string[]>> = {
  "mc-diffusion/engine": ["Rng"],
  "mc-diffusion/ops": [
    "GradientReport",
    "allclose",
    "checkGradients",
    "describe",
    "format",
    "kernelTypes",
    "onGradient",
    "print",
    "retainGrad",
    "wgsl",
  ],
};

/** What the ops of a door are called. */
export const exported: Readonly<Record<Door, readonly string[]>> = {
  "mc-diffusion/engine": Object.keys(engine),
  "mc-diffusion/ops": Object.keys(ops),
};

/** A first input of an element type, with elements that every op takes. */
export function inputOf(gpu: Gpu, shape: readonly number[], dtype: DType): Tensor {
  const size = shape.reduce((product, length) => product * length, 1);
  const x = empty(gpu, shape, dtype);
  x.write(
    Array.from({ length: size }, (_, i) => (dtype === "f32" || dtype === "f16" ? 0.2 + (i % 5) / 5 : i % 3)),
  );
  return x as Tensor<DType> as Tensor;
}
