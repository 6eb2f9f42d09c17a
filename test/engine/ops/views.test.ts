/** Every op takes every view: the results and gradients of views are those of dense tensors with the same elements. */

import { stepCoefficients, stepThresholds } from "../../../dist/diffusion/coefficients.js";
import { Schedule } from "../../../dist/diffusion/schedule.js";
import type { Gpu } from "../../../dist/engine/gpu/gpu.js";
import type { DType } from "../../../dist/engine/gpu/kernel.js";
import { type StructLayout, type StructValues, writeStruct } from "../../../dist/engine/gpu/struct-layout.js";
import * as structs from "../../../dist/engine/gpu/structs.generated.js";
import { fromArray, type Tensor } from "../../../dist/engine/tensor/tensor.js";
import { float16Test, randomArray, test } from "../../harness.js";
import * as ops from "./every-op.js";
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
const words = (values: number[], ...shape: number[]): Input => ({ shape, data: values, dtype: "u32" });

/** Of a process over five tokens and three steps. */
const noiseTable = (thresholds: Tensor) => ({
  thresholds: integers(thresholds),
  schedule: { tokens: 5, steps: 3 },
});

const integers = (tensor: Tensor) => tensor as Tensor<DType> as Tensor<"u32">;
const rng = (gpu: Gpu) => {
  const made = new ops.Rng(gpu, 1);
  gpu.track({ kept: false, dispose: () => made.dispose() });
  return made;
};

const schedule = new Schedule({ tokens: 5, steps: 3, ends: "vq-diffusion-paper" });
/** A table of the process: nothing for step 0, which no one visits. */
function table<Layout extends StructLayout>(
  layout: Layout,
  of: (schedule: Schedule, u: number, t: number) => StructValues<Layout>,
): Input {
  const data = new (layout.dtype === "f32" ? Float32Array : Uint32Array)(4 * layout.words);
  for (const t of [1, 2, 3]) writeStruct(layout, data, t, of(schedule, t - 1, t));
  return { shape: [4, layout.words], data, dtype: layout.dtype };
}
const coefficients = table(structs.coefficients, stepCoefficients);
const thresholds = table(structs.thresholds, stepThresholds);

const cases: Case<keyof typeof ops>[] = [
  {
    names: ["neg", "exp", "square", "abs", "relu", "silu", "gelu2", "sigmoid", "tanh", "scale", "clamp"],
    inputs: [f(3, 5)],
    run: (_, x) => [
      [ops.neg, ops.exp, ops.square, ops.abs, ops.relu, ops.silu, ops.gelu2, ops.sigmoid, ops.tanh]
        .map((op) => op(x!))
        .concat(ops.scale(x!, 2, 1), ops.clamp(x!, -0.5, 0.5))
        .reduce((a, b) => ops.add(a, b)),
    ],
  },
  { names: ["log", "sqrt"], inputs: [positive(3, 5)], run: (_, x) => [ops.mul(ops.log(x!), ops.sqrt(x!))] },
  {
    names: ["add", "sub", "mul", "div", "maximum", "minimum"],
    inputs: [f(3, 5), positive(3, 5), f(5)],
    run: (_, x, y, z) => [
      [ops.add, ops.sub, ops.mul, ops.div, ops.maximum, ops.minimum]
        .flatMap((op) => [op(x!, y!), op(z!, y!)])
        .reduce((a, b) => ops.add(a, b)),
    ],
  },
  { names: ["straightThrough"], inputs: [f(3, 5), f(3, 5)], run: (_, z, q) => [ops.straightThrough(z!, q!)] },
  {
    names: ["activationBackward"],
    inputs: [f(3, 5), f(3, 5)],
    run: (_, x, dy) => [ops.activationBackward("silu", x!.detach(), dy!.detach())],
  },
  {
    names: ["contiguous", "cast"],
    inputs: [f(3, 5)],
    run: (_, x) => [ops.mul(ops.contiguous(x!), ops.cast(x!, "f32"))],
  },
  {
    names: ["concat"],
    inputs: [f(3, 2), f(3, 5)],
    run: (_, x, y) => [ops.concat([x!, y!, x!], 1)],
  },
  {
    names: ["copyInto", "fill"],
    inputs: [f(3, 5), f(3, 5), f(3, 5)],
    run: (_, x, y, z) => {
      ops.copyInto(x!, z!);
      ops.fill(y!, 2.5);
      return [x!.detach(), y!.detach()];
    },
  },
  {
    names: ["sum", "mean", "sumSquares", "sumAbsolute", "max", "sumTo", "countNonFinite"],
    inputs: [f(3, 2, 5)],
    run: (_, x) => [
      [ops.sum, ops.mean, ops.sumSquares, ops.sumAbsolute, ops.max]
        .map((op) => op(x!, [1]))
        .reduce((a, b) => ops.add(a, b)),
      ops.max(x!),
      ops.sumTo(x!.detach(), [2, 1]),
      ops.countNonFinite(x!),
    ],
  },
  {
    names: ["mse", "l1"],
    inputs: [f(3, 5), f(3, 5)],
    run: (_, a, b) => [ops.add(ops.mse(a!, b!), ops.l1(a!, b!))],
  },
  {
    names: ["softmax", "logSoftmax", "logSumExp"],
    inputs: [f(3, 5)],
    run: (_, x) => [ops.add(ops.add(ops.softmax(x!), ops.logSoftmax(x!)), ops.logSumExp(x!).reshape([3, 1]))],
  },
  {
    names: ["layerNorm"],
    inputs: [f(3, 5), f(5), f(5)],
    run: (_, x, weight, bias) => [ops.layerNorm(x!, weight!, bias!)],
  },
  {
    names: ["adaLayerNorm"],
    inputs: [f(2, 3, 5), f(2, 10)],
    run: (_, x, scaleShift) => [ops.adaLayerNorm(x!, scaleShift!)],
  },
  ...[4, 6].map(
    (channels): Case<keyof typeof ops> => ({
      names: ["groupNorm"],
      inputs: [f(2, 3, channels), f(channels), f(channels)],
      run: (_, x, weight, bias) => [ops.groupNorm(x!, 2, weight!, bias!, { activation: "silu" })],
    }),
  ),
  {
    names: ["matmul"],
    inputs: [f(2, 3, 5), f(2, 5, 4)],
    run: (_, a, b) => [ops.matmul(a!, b!)],
  },
  {
    names: ["linear"],
    inputs: [f(3, 5), f(5, 4), f(4), f(3, 4)],
    run: (_, x, weight, bias, residual) => [
      ops.linear(x!, weight!, bias!, { activation: "gelu2", residual: residual! }),
    ],
  },
  {
    names: ["linearGradients", "stackedParameterGradients"],
    inputs: [f(3, 5), f(5, 4), f(3, 4), f(3, 5), f(5, 4), f(4), f(6, 4)],
    run: (_, x, weight, dz, dx, dweight, dbias, stack) => {
      const sinks = [dx!, dweight!, dbias!, stack!].map((tensor) => ({ tensor, accumulate: true }));
      ops.linearGradients(x!, weight!, dz!, { input: sinks[0]!, weight: sinks[1]!, bias: sinks[2]! });
      ops.stackedParameterGradients(x!, dz!, sinks[3]!, true);
      return sinks.map(({ tensor }) => tensor.detach());
    },
  },
  ...[4, 3].map(
    (channels): Case<keyof typeof ops> => ({
      names: ["conv2d", "convTranspose2d", "upsample"],
      inputs: [f(1, 3, 2, channels), f(2, 2, channels, 4), f(4), f(2, 2, channels, 4)],
      run: (_, x, weight, bias, back) => [
        ops.convTranspose2d(ops.conv2d(ops.upsample(x!, 2), weight!, { bias: bias!, padding: 1 }), back!, {
          stride: 2,
        }),
        ops.convTranspose2d(ops.conv2d(x!, weight!), back!),
      ],
    }),
  ),
  {
    names: ["embedding"],
    inputs: [f(7, 5), ids(7, 2, 3), f(4, 5)],
    run: (_, table, places, positions) => [
      ops.embedding(table!, integers(places!), { positions: positions!, zeroId: 3 }),
    ],
  },
  {
    names: ["embedding"],
    inputs: [f(7, 5), ids(7, 3, 12)],
    run: (_, table, places) => [ops.embedding(table!, integers(places!))],
  },
  { names: ["dropout"], inputs: [f(3, 7)], run: (gpu, x) => [ops.dropout(x!, 0.4, rng(gpu))] },
  {
    names: ["attention", "attentionMap"],
    inputs: [f(2, 3, 8), f(2, 5, 8), f(2, 5, 8), words([1, 0, 1, 1, 0, 1, 1, 1, 0, 0], 2, 5)],
    run: (_, q, k, v, seen) => {
      const options = { mask: integers(seen!) };
      const { output, logSumExp } = ops.attention(q!, k!, v!, 2, options);
      return [output, ops.attentionMap(q!, k!, logSumExp, 2, options)];
    },
  },
  {
    names: ["selfAttention", "crossAttention"],
    inputs: [f(2, 3, 24), f(2, 5, 16)],
    run: (_, qkv, kv) => [ops.crossAttention(ops.selfAttention(qkv!, 2).output, kv!, 2).output],
  },
  {
    names: ["crossAttention"],
    inputs: [f(2, 3, 8), f(2, 5, 16)],
    run: (_, q, kv) => [ops.crossAttention(q!, kv!, 2).output],
  },
  {
    names: ["crossEntropy"],
    inputs: [f(3, 5), ids(5, 3, 1)],
    run: (_, logits, targets) => {
      const { loss, rows } = ops.crossEntropy(logits!, integers(targets!));
      return [loss, rows];
    },
  },
  {
    names: ["headCrossEntropy"],
    inputs: [f(3, 6), f(6, 5), f(5), ids(5, 3, 1)],
    run: (_, hidden, weight, bias, targets) => {
      const of = { hidden: hidden!, weight: weight!, bias: bias! };
      const { loss, rows } = ops.headCrossEntropy(of, integers(targets!));
      return [loss, rows];
    },
  },
  {
    names: ["klLoss"],
    inputs: [f(3, 2, 5), ids(5, 3, 2), ids(6, 3, 2), words([1, 2, 3], 3, 1), coefficients, positive(3, 2)],
    run: (_, logits, x0, xt, t, table, weights) => {
      const targets = {
        x0: integers(x0!),
        xt: integers(xt!),
        t: integers(t!),
        coefficients: table!.detach(),
      };
      const { loss, terms } = ops.klLoss({ logits: logits!, ...targets }, { weights: weights!.detach() });
      return [loss, terms];
    },
  },
  {
    names: ["headKlLoss"],
    inputs: [f(3, 2, 6), f(6, 5), f(5), ids(5, 3, 2), ids(6, 3, 2), words([1, 2, 3], 3, 1), coefficients],
    run: (_, hidden, weight, bias, x0, xt, t, table) => {
      const targets = {
        x0: integers(x0!),
        xt: integers(xt!),
        t: integers(t!),
        coefficients: table!.detach(),
      };
      const of = { hidden: hidden!, weight: weight!, bias: bias! };
      const { loss, terms } = ops.headKlLoss(of, targets, { chunkBytes: 40 });
      return [loss, terms];
    },
  },
  {
    names: ["modulation"],
    inputs: [f(3, 10), f(2, 5, 8), f(2, 1, 8)],
    run: (_, h, weight, bias) => [ops.modulation(h!, weight!, bias!)],
  },
  ...[4, 3].map(
    (width): Case<keyof typeof ops> => ({
      names: ["nearestCodes", "quantizeStraightThrough"],
      inputs: [f(2, 3, width), f(5, width)],
      run: (_, z, codes) => {
        const found = ops.nearestCodes(z!, codes!);
        const { quantized, commitmentLoss } = ops.quantizeStraightThrough(z!, codes!);
        return [ops.add(quantized, commitmentLoss), found.ids, found.distance];
      },
    }),
  ),
  ...[4, 3].map(
    (width): Case<keyof typeof ops> => ({
      names: ["batchSums", "updateCodebook", "restartCodes", "initialiseCodes"],
      inputs: [f(6, width), ids(5, 2, 3), f(5, width), positive(5), f(5, width), positive(5), ids(6, 5, 1)],
      run: (_, z, places, codes, counts, sums, idle, picks) => {
        const state = { codes: codes!, counts: counts!, sums: sums!, idle: idle! };
        const usage = ops.updateCodebook(state, ops.batchSums(z!, integers(places!), 5), 6);
        ops.restartCodes(state, z!, integers(picks!), 1);
        const after = Object.values(state).map((tensor) => ops.scale(tensor.detach(), 1));
        ops.initialiseCodes(state, z!, integers(picks!));
        return [usage, ...after, ...Object.values(state).map((tensor) => tensor.detach())];
      },
    }),
  ),
  {
    names: ["qSample", "samplePrior"],
    inputs: [ids(5, 3, 2), words([1, 2, 3], 3, 1), thresholds],
    run: (gpu, x0, t, table) => [
      ops.qSample(rng(gpu), noiseTable(table!), integers(x0!), integers(t!)),
      ops.samplePrior(rng(gpu), noiseTable(table!), [3, 2]),
    ],
  },
  {
    names: ["drawRestartRows"],
    inputs: [f(3, 5)],
    run: (gpu, idle) => [ops.drawRestartRows(rng(gpu), idle!, 4, 0.1)],
  },
  {
    names: ["sharedRows"],
    inputs: [f(6, 4), ids(12, 5, 1)],
    run: (_, z, drawn) => {
      const { vectors, order } = ops.sharedRows(z!, integers(drawn!), { index: 1, count: 2 });
      return [vectors, order];
    },
  },
  {
    names: ["maskCondition"],
    inputs: [ids(5, 3, 4)],
    run: (gpu, y) => [
      ops.maskCondition(rng(gpu), integers(y!), { conditionRate: 0.7, maskRate: 0.5, maskId: 5 }, true),
    ],
  },
  {
    names: ["imageFromPixels"],
    inputs: [ids(2 ** 31, 5, 3)],
    run: (_, pixels) => [ops.imageFromPixels(integers(pixels!), 4)],
  },
  {
    names: ["posteriorLogProbs", "posteriorDense"],
    inputs: [
      f(3, 2, 5),
      ids(6, 3, 2),
      words([1, 2, 3], 3, 1),
      coefficients,
      positive(6, 6),
      positive(6, 6),
      positive(6, 6),
    ],
    run: (_, logits, xt, t, table, toT, barU, barT) => [
      ops.posteriorLogProbs(logits!, integers(xt!), integers(t!), table!),
      ops.posteriorDense(logits!, integers(xt!), { toT: toT!, barU: barU!, barT: barT! }),
    ],
  },
  { names: ["mixBranches"], inputs: [f(4, 3, 5)], run: (_, logits) => [ops.mixBranches(logits!, 1.5)] },
  {
    names: ["pSample", "fixWords"],
    inputs: [f(3, 2, 5), ids(6, 3, 2), thresholds, words([1, 0, 0, 1, 0, 0], 3, 2), ids(5, 3, 2)],
    run: (gpu, scores, xt, table, at, fixed) => {
      const options = { topR: 0.9, fixed: { at: integers(at!), words: integers(fixed!) } };
      return [
        ops.pSample(rng(gpu), scores!, integers(xt!), integers(table!), 2, options),
        ops.fixWords(integers(xt!), options.fixed, 2),
      ];
    },
  },
  {
    names: ["reportRows"],
    inputs: [f(3, 2, 5), ids(6, 3, 2)],
    run: (_, scores, tokens) => [ops.reportRows(scores!, integers(tokens!), 2)],
  },
  { names: ["Rng"], inputs: [f(3, 5)], run: (gpu, x) => [rng(gpu).categorical(x!)] },
];

/** What takes no tensors, or hands its own to the functions above. */
const without: (keyof typeof ops)[] = [
  "checkIds", // reads; below
  "checkSteps", // reads
  "chunkRows",
  "headLoss",
  "defaultChunkBytes",
  "crossEntropyRows",
  "klRows",
  "matmulKernel",
  "imageFromTexture",
  "reportWidth",
  "sampleTimesteps",
];
/** Parts of conv2d that it shares with convTranspose2d. */
const parts: (keyof typeof ops)[] = ["forward", "backwardInput", "backwardWeight", "planFor"];
/** Parts of functions of several tensors that those of `mc-diffusion/ops` share. */
const broadcasting: (keyof typeof ops)[] = ["broadcastShape", "fiveAxes", "repeatedStrides"];

for (const each of cases) checkViews(each);

test("all public ops are among these", (t) => {
  const covered = new Set([...cases.flatMap(({ names }) => names), ...without, ...parts, ...broadcasting]);
  t.same(
    Object.keys(ops).filter((name) => !covered.has(name as keyof typeof ops)),
    [],
    "no op is left out",
  );
});

test("views of integers are checked and read", async (t, gpu) => {
  const tokens = fromArray(gpu, [1, 2, 3, 4, 5, 9], [2, 3], "u32", "tokens").transpose();
  t.same([...(await tokens.read())], [1, 4, 2, 5, 3, 9], "read");
  t.same([...(await tokens.reshape([6]).read())], [1, 4, 2, 5, 3, 9], "reshaped");
  await ops.checkIds(tokens, 10);
  await t.throwsMessage(ops.checkIds(tokens, 9), /element 5 is 9/, "checked in its own order");
});

float16Test("products and attention of float16 views", async (t, gpu) => {
  const data = randomArray(1, 2 * 3 * 25);
  const narrow = (tensor: Tensor<"f16">) => tensor.slice(2, 1, 24);
  const run = (make: (whole: Tensor<"f16">) => Tensor<"f16">) =>
    gpu.scope(() => {
      const qkv = make(fromArray(gpu, data, [2, 3, 25], "f16"));
      const weight = fromArray(gpu, randomArray(2, 24 * 5), [24, 5], "f16");
      return [ops.selfAttention(qkv, 2).output, ops.matmul(qkv, weight)] as const;
    });
  const [attended, product] = run((whole) => ops.contiguous(narrow(whole)));
  const [ofView, productOfView] = run(narrow);
  t.near(await ofView.read(), await attended.read(), {}, "attention");
  t.near(await productOfView.read(), await product.read(), {}, "matmul");
});
