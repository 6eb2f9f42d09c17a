/** Every op of `mc-diffusion/ops` takes every view: the results and gradients of views are those of dense tensors. */

import type { DType } from "../../../dist/engine/gpu/kernel.js";
import { fromArray, type Tensor } from "../../../dist/engine/tensor/tensor.js";
import * as ops from "../../../dist/ops.js";
import { randomArray, test } from "../../harness.js";
import { type Case, checkViews, type Input, size } from "./views.js";

const f = (...shape: number[]): Input => ({ shape });
const positive = (...shape: number[]): Input => ({
  shape,
  data: randomArray(5, size(shape)).map((x) => Math.abs(x) + 0.2),
});
const ids = (below: number, ...shape: number[]): Input => ({
  shape,
  data: Uint32Array.from({ length: size(shape) }, (_, i) => (i * 7 + 3) % below),
  dtype: "u32",
});
const integers = (tensor: Tensor) => tensor as Tensor<DType> as Tensor<"u32">;
const sumOf = (terms: readonly Tensor[]) => terms.reduce((a, b) => ops.add(a, b));

const cases: Case<keyof typeof ops>[] = [
  {
    names: ["add", "sub", "mul", "div", "maximum", "minimum", "pow"],
    inputs: [positive(3, 5), positive(5)],
    run: (_, x, y) => [
      sumOf(
        [ops.add, ops.sub, ops.mul, ops.div, ops.maximum, ops.minimum, ops.pow].flatMap((op) => [
          op(x!, y!),
          op(x!, 0.7),
          op(0.7, x!),
        ]),
      ),
    ],
  },
  {
    names: ["rsqrt", "sin", "cos", "sign", "softplus", "gelu", "geluTanh", "quickGelu"],
    inputs: [positive(3, 5)],
    run: (_, x) => [
      sumOf(
        [ops.rsqrt, ops.sin, ops.cos, ops.sign, ops.softplus, ops.gelu, ops.geluTanh, ops.quickGelu].map(
          (op) => op(x!),
        ),
      ),
    ],
  },
  {
    names: ["eq", "ne", "lt", "le", "gt", "ge", "where"],
    inputs: [f(3, 5), f(5), f(3, 1)],
    run: (_, x, y, z) => [
      ops.where(ops.gt(x!, y!), x!, z!),
      ...[ops.eq, ops.ne, ops.lt, ops.le, ops.gt, ops.ge].map((op) => op(x!, z!)),
    ],
  },
  {
    names: ["permute", "squeeze", "unsqueeze", "broadcastTo", "split"],
    inputs: [f(2, 1, 4)],
    run: (_, x) => [
      ops.mul(
        ops.broadcastTo(ops.unsqueeze(ops.permute(ops.squeeze(x!), [1, 0]), 0), [3, 4, 2]),
        ops.split(ops.broadcastTo(x!, [2, 3, 4]).reshape([3, 4, 2]), 1, 1)[0]!,
      ),
    ],
  },
  {
    names: ["stack", "pad"],
    inputs: [f(3, 5), f(3, 5)],
    run: (_, x, y) => [
      ops.pad(ops.stack([x!, y!], 1), [
        [1, 0],
        [0, 1],
        [2, 0],
      ]),
    ],
  },
  {
    names: ["min", "variance", "softmax", "logSoftmax", "logSumExp"],
    inputs: [f(3, 2, 5)],
    run: (_, x) => [
      sumOf([
        ops.softmax(x!, 0),
        ops.logSoftmax(x!, 1),
        ops.logSumExp(x!, 0),
        ops.min(x!, [1], { keepDims: true }),
        ops.variance(x!, [0, 2], { keepDims: true }),
      ]),
    ],
  },
  {
    names: ["argmax", "argmin", "cumsum"],
    inputs: [f(3, 67)],
    run: (_, x) => [ops.cumsum(x!, 1), ops.cumsum(x!, 0), ops.argmax(x!, 1), ops.argmin(x!, 0)],
  },
  ...[5, 70].map(
    (picks): Case<keyof typeof ops> => ({
      names: ["gather", "scatterAdd"],
      inputs: [f(3, 4), ids(4, 3, picks), f(3, picks)],
      run: (_, x, index, source) => {
        const places = integers(index!);
        return [
          ops.mul(ops.gather(x!, 1, places), ops.gather(ops.scatterAdd(x!, 1, places, source!), 1, places)),
        ];
      },
    }),
  ),
  {
    names: ["take", "oneHot"],
    inputs: [f(3, 4), ids(4, 6)],
    run: (_, x, index) => [ops.take(x!, integers(index!), 1), ops.oneHot(integers(index!), 4)],
  },
  {
    names: ["topK"],
    inputs: [f(3, 7)],
    run: (_, x) => {
      const { values, indices } = ops.topK(x!, 3, 0);
      return [values, indices];
    },
  },
];

for (const each of cases) checkViews(each);

/** What reads results back, or makes kernels. */
const others = [
  "allclose",
  "checkGradients",
  "describe",
  "format",
  "GradientReport",
  "kernelTypes",
  "print",
  "wgsl",
];
/** What puts hooks on gradients, not on the tape. */
const hooks = ["onGradient", "retainGrad"];

test("all ops of the door are among these", (t) => {
  const covered = new Set<string>([...cases.flatMap(({ names }) => names), ...others, ...hooks]);
  t.same(
    Object.keys(ops).filter((name) => !covered.has(name)),
    [],
    "no op is left out",
  );
});

test("integers are refused by name where they are not taken", async (t, gpu) => {
  const words = fromArray(gpu, [1, 2], [2], "u32", "words") as Tensor<DType> as Tensor;
  const refusing: Record<string, () => unknown> = {
    gelu: () => ops.gelu(words),
    add: () => ops.add(words, 1),
    topK: () => ops.topK(words, 1),
    variance: () => ops.variance(words),
    argmax: () => ops.argmax(words),
    pad: () => ops.pad(words, [[0, 0]]),
    softmax: () => ops.softmax(words, 0),
  };
  for (const [name, call] of Object.entries(refusing))
    await t.throwsMessage(call, /words \[2\] is u32, the op takes f32/, name);
});
