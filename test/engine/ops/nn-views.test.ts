/** Every op of `mc-diffusion/nn` takes every view: the results and gradients of views are those of dense tensors. */

import type { DType } from "../../../dist/engine/gpu/kernel.js";
import { add } from "../../../dist/engine/ops/elementwise.js";
import type { Tensor } from "../../../dist/engine/tensor/tensor.js";
import * as nn from "../../../dist/nn.js";
import { test } from "../../harness.js";
import { type Case, checkViews, type Input, size } from "./views.js";

const f = (...shape: number[]): Input => ({ shape });
const ids = (below: number, ...shape: number[]): Input => ({
  shape,
  data: Uint32Array.from({ length: size(shape) }, (_, i) => (i * 7 + 3) % below),
  dtype: "u32",
});
const integers = (tensor: Tensor) => tensor as Tensor<DType> as Tensor<"u32">;

const cases: Case<keyof typeof nn>[] = [
  ...[6, 8].map(
    (channels): Case<keyof typeof nn> => ({
      names: ["maskedAttention"],
      inputs: [f(2, 3, channels), f(2, 5, channels), f(2, 5, channels), ids(3, 2, 1, 3, 5), f(2, 3, 5)],
      run: (_, q, k, v, mask, bias) => {
        const options = { mask: integers(mask!), bias: bias!, causal: true };
        const { output, logSumExp } = nn.maskedAttention(q!, k!, v!, 2, options);
        return [output, logSumExp];
      },
    }),
  ),
  {
    names: ["maskedSelfAttention", "maskedCrossAttention"],
    inputs: [f(2, 3, 24), f(2, 5, 16), f(3, 1)],
    run: (_, qkv, kv, bias) => {
      const own = nn.maskedSelfAttention(qkv!, 2, { causal: true }).output;
      return [nn.maskedCrossAttention(own, kv!, 2, { bias: bias! }).output];
    },
  },
  ...[4, 3].map(
    (channels): Case<keyof typeof nn> => ({
      names: ["maxPool2d", "avgPool2d"],
      inputs: [f(2, 5, 4, channels)],
      run: (_, x) => [
        add(nn.maxPool2d(x!, { kernel: 2, padding: 1 }), nn.avgPool2d(x!, { kernel: 2, padding: 1 })),
      ],
    }),
  ),
  {
    names: ["conv2dGroups"],
    inputs: [f(2, 4, 3, 6), f(2, 2, 3, 4), f(4)],
    run: (_, x, weight, bias) => [nn.conv2dGroups(x!, weight!, 2, { bias: bias!, padding: 1 })],
  },
  {
    names: ["lstmCell"],
    inputs: [f(3, 20), f(3, 5)],
    run: (_, gates, cell) => {
      const state = nn.lstmCell(gates!, cell!);
      return [add(state.hidden, state.cell)];
    },
  },
  {
    names: ["lstm"],
    inputs: [f(3, 2, 20), f(5, 20), f(2, 5), f(2, 5)],
    run: (_, gates, recurrent, hidden, cell) => {
      const { outputs, state } = nn.lstm(gates!, recurrent!, { hidden: hidden!, cell: cell! });
      return [add(add(outputs, state.hidden), state.cell)];
    },
  },
  {
    names: ["binaryCrossEntropy"],
    inputs: [f(3, 5), { shape: [3, 5], data: Array.from({ length: 15 }, (_, i) => i % 2) }],
    run: (_, logits, targets) => [nn.binaryCrossEntropy(logits!, targets!.detach(), { positiveWeight: 2 })],
  },
  {
    names: ["smoothedCrossEntropy"],
    inputs: [f(3, 5), ids(5, 3, 1)],
    run: (_, logits, targets) => {
      const { loss, rows } = nn.smoothedCrossEntropy(logits!, integers(targets!), 0.1);
      return [loss, rows];
    },
  },
];

for (const each of cases) checkViews(each);

/** Ops of other doors, whose views are tested with theirs. */
const elsewhere = ["crossEntropy", "l1", "mse"];

test("all ops of the door are among these", (t) => {
  const covered = new Set<string>([...cases.flatMap(({ names }) => names), ...elsewhere]);
  const isOp = ([name, value]: [string, unknown]) =>
    typeof value === "function" &&
    /^[a-z]/.test(name) &&
    !/Rate$|^warmUp$|^(constant|fanIn|normal)$/.test(name);
  t.same(
    Object.entries(nn)
      .filter(isOp)
      .map(([name]) => name)
      .filter((name) => !covered.has(name)),
    [],
    "no op is left out",
  );
});
