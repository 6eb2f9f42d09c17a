/** Where float32 arithmetic goes wrong if one is careless: small and huge arguments, NaN, infinities, cancellation. */

import { Gpu } from "../../../dist/engine/gpu/gpu.js";
import { attention } from "../../../dist/engine/ops/attention.js";
import { crossEntropy } from "../../../dist/engine/ops/cross-entropy.js";
import {
  clamp,
  exp,
  log,
  maximum,
  minimum,
  relu,
  sigmoid,
  silu,
  sqrt,
  tanh,
} from "../../../dist/engine/ops/elementwise.js";
import { linear } from "../../../dist/engine/ops/matmul.js";
import { max, mean, sum } from "../../../dist/engine/ops/reduce.js";
import { logSoftmax, logSumExp, softmax } from "../../../dist/engine/ops/softmax.js";
import { backward, backwardFrom } from "../../../dist/engine/tensor/autograd.js";
import { fromArray, type Tensor } from "../../../dist/engine/tensor/tensor.js";
import { nearestCodes } from "../../../dist/models/vqvae/codebook.js";
import { randomArray, test } from "../../harness.js";
import { referenceNearest } from "../../reference/codebook.js";

const { NaN: nan, POSITIVE_INFINITY: infinity } = Number;

test("tanh is relatively exact at all sizes, and so are its slope and that of the sigmoid", async (t, gpu) => {
  const sizes = Array.from({ length: 241 }, (_, i) => 10 ** (-10 + i / 20)).filter((x) => x < 40);
  const values = Float64Array.from(
    [...sizes, ...sizes.map((x) => -x), 0, 0.2499999, 0.25, 0.2500001],
    Math.fround,
  );
  const x = fromArray(gpu, values, [values.length]).requireGrad();
  t.near(await tanh(x).read(), values.map(Math.tanh), { rel: 5e-7 }, "tanh");
  const ones = fromArray(gpu, new Float32Array(values.length).fill(1), [values.length]);
  for (const [name, op, slope] of [
    ["tanh", tanh, (v: number) => 4 / (Math.exp(v) + Math.exp(-v)) ** 2],
    ["sigmoid", sigmoid, (v: number) => 1 / ((1 + Math.exp(v)) * (1 + Math.exp(-v)))],
  ] as const) {
    gpu.scope(() => backwardFrom(op(x), ones));
    t.near(await x.grad!.read(), values.map(slope), { rel: 2e-5, abs: 1e-36 }, `slope of ${name}`);
    x.grad!.dispose();
    x.grad = null;
    x.gradIsCurrent = false;
  }
  const ends = fromArray(gpu, [infinity, -infinity, nan], [3]);
  t.same([...(await tanh(ends).read())], [1, -1, nan], "at the ends");
});

test("NaN stays NaN, wherever it stands and whatever it meets", async (t, gpu) => {
  const data = [nan, 1, -1, 0, infinity, -infinity, 5, nan, 2];
  const x = fromArray(gpu, data, [9]);
  const others = fromArray(gpu, [0, nan, 0, nan, 1, 1, -infinity, infinity, 2], [9]);
  const [p, q] = [data, [0, nan, 0, nan, 1, 1, -infinity, infinity, 2]];
  for (const strided of [false, true]) {
    const a = strided ? x.reshape([3, 3]).transpose().transpose().slice(0, 0, 2).slice(1, 1, 2) : x;
    const b = strided ? others.reshape([3, 3]).slice(0, 0, 2).slice(1, 1, 2) : others;
    const pick = (values: number[]) => (strided ? [1, 2, 4, 5].map((i) => values[i]!) : values);
    const read = async (y: Tensor) => [...(await y.read())];
    const how = strided ? "of a view" : "of a dense tensor";
    t.same(
      await read(relu(a)),
      pick(p).map((v) => Math.max(v, 0)),
      `relu ${how}`,
    );
    t.same(
      await read(clamp(a, -0.5, 3)),
      pick(p).map((v) => Math.min(Math.max(v, -0.5), 3)),
      `clamp ${how}`,
    );
    t.same(
      await read(maximum(a, b)),
      pick(p).map((v, i) => Math.max(v, pick(q)[i]!)),
      `maximum ${how}`,
    );
    t.same(
      await read(minimum(a, b)),
      pick(p).map((v, i) => Math.min(v, pick(q)[i]!)),
      `minimum ${how}`,
    );
  }
  const identity = fromArray(gpu, [1, 0, 0, 1], [2, 2]);
  const z = linear(fromArray(gpu, [nan, 0, 3, -4], [2, 2]), identity, null, { activation: "relu" });
  t.same([...(await z.read())], [nan, nan, 3, 0], "the relu of a linear layer");
});

for (const software of [true, false]) {
  test(`maxima of NaN and of infinities, ${software ? "by lanes" : "by workgroups"}`, async (t, {
    device,
  }) => {
    const gpu = Gpu.from(device, { software });
    for (const length of [1, 5, 300, 70_001]) {
      for (const [name, value, rest, expected] of [
        ["one NaN", nan, 1, nan],
        ["nothing but NaN", nan, nan, nan],
        ["nothing but -∞", -infinity, -infinity, -infinity],
        ["one ∞", infinity, -infinity, infinity],
        ["the lowest", -3.4e38, -infinity, Math.fround(-3.4e38)],
      ] as const) {
        for (const at of [0, length >> 1, length - 1]) {
          const data = new Float32Array(2 * length).fill(rest);
          data[length + at] = value;
          const rows = await gpu.scope(() => max(fromArray(gpu, data, [2, length]), [1])).read();
          t.ok(Object.is(rows[1], expected), `${rows[1]}: ${name} at ${at} of ${length}`);
        }
      }
    }
    const x = fromArray(gpu, [-infinity, -infinity, 1, nan], [2, 2]).requireGrad();
    gpu.scope(() => backwardFrom(max(x, [1]), fromArray(gpu, [3, 3], [2])));
    t.same([...(await x.grad!.read())], [1.5, 1.5, nan, nan], "gradients: shared by ties, NaN of a NaN");
  });
}

test("softmax and log-sum-exp of infinities are what IEEE arithmetic gives", async (t, gpu) => {
  for (const width of [1, 3, 4, 70]) {
    const rows: [string, (i: number) => number, number][] = [
      ["-∞ alone", () => -infinity, -infinity],
      ["one number among -∞", (i) => (i === width - 1 ? 2 : -infinity), 2],
      ["a huge negative number", (i) => (i === 0 ? -3.3e38 : -infinity), Math.fround(-3.3e38)],
      ["∞", (i) => (i === width - 1 ? infinity : 0), infinity],
      ["NaN", (i) => (i === 0 ? nan : 0), nan],
      ["NaN among -∞", (i) => (i === width - 1 ? nan : -infinity), nan],
    ];
    const data = Float32Array.from({ length: rows.length * width }, (_, at) =>
      rows[Math.floor(at / width)]![1](at % width),
    );
    const x = fromArray(gpu, data, [rows.length, width]);
    const lse = await logSumExp(x).read();
    rows.forEach(([name, , expected], row) => {
      t.ok(Object.is(lse[row], expected), `${lse[row]}: log-sum-exp of ${name}, ${width} wide`);
    });
    const [p, logP] = [await softmax(x).read(), await logSoftmax(x).read()];
    t.ok(p.subarray(0, width).every(Number.isNaN), `softmax of -∞ alone is NaN, ${width} wide`);
    t.ok(logP.subarray(0, width).every(Number.isNaN), `and so is log-softmax, ${width} wide`);
    const second = [...p.subarray(width, 2 * width)];
    t.same(
      second,
      Array.from({ length: width }, (_, i) => (i === width - 1 ? 1 : 0)),
      "all on the number",
    );
    t.ok(p.subarray(4 * width).every(Number.isNaN), `softmax of NaN is NaN, ${width} wide`);
  }
});

for (const software of [true, false]) {
  test(`NaN goes through attention, ${software ? "portable" : "for a GPU"}`, async (t, { device }) => {
    const gpu = Gpu.from(device, { software });
    for (const [length, width] of [
      [3, 8],
      [70, 64],
    ] as const) {
      const clean = randomArray(length, length * width);
      const tensor = (at: number | null) => {
        const data = Float32Array.from(clean);
        if (at !== null) data[at * width + 2] = nan;
        return fromArray(gpu, data, [1, length, width]);
      };
      const rows = async (q: number | null, k: number | null) => {
        const y = await gpu.scope(() => attention(tensor(q), tensor(k), tensor(null), 1).output).read();
        return Array.from({ length }, (_, row) => y.subarray(row * width, (row + 1) * width));
      };
      const hasNoNumber = (row: Float32Array) => row.every(Number.isNaN);
      const isWhole = (row: Float32Array) => row.every(Number.isFinite);
      const ofQuery = await rows(1, null);
      t.ok(hasNoNumber(ofQuery[1]!), `${length}: a query with NaN finds nothing but NaN`);
      t.ok(
        ofQuery.every((row, i) => i === 1 || isWhole(row)),
        `${length}: the others are not touched`,
      );
      t.ok(
        (await rows(null, length - 1)).every(hasNoNumber),
        `${length}: a key with NaN is seen by every query`,
      );
    }
  });
}

test("a loss of logits with NaN is no finite number", async (t, gpu) => {
  for (const width of [5, 300]) {
    const logits = fromArray(gpu, randomArray(width, 2 * width), [2, width]);
    const targets = fromArray(gpu, [1, 2], [2], "u32");
    const clean = await gpu.scope(() => crossEntropy(logits, targets).loss).item();
    t.ok(Number.isFinite(clean), `${clean} without one`);
    for (const at of [0, width - 1]) {
      const data = Float32Array.from(await logits.read());
      data[width + at] = nan;
      const loss = await gpu.scope(() => crossEntropy(fromArray(gpu, data, [2, width]), targets).loss).item();
      t.ok(!Number.isFinite(loss), `${loss} with NaN at ${at} of ${width}`);
    }
  }
});

test("the other functions at their ends", async (t, gpu) => {
  const read = async (y: Tensor) => [...(await y.read())];
  const ends = fromArray(gpu, [infinity, -infinity, 0, nan], [4]);
  t.same(await read(exp(ends)), [infinity, 0, 1, nan], "exp");
  t.same(await read(sigmoid(ends)), [1, 0, 0.5, nan], "sigmoid");
  t.same(await read(log(fromArray(gpu, [0, infinity, 1], [3]))), [-infinity, infinity, 0], "log");
  t.same(await read(sqrt(fromArray(gpu, [0, infinity, 4], [3]))), [0, infinity, 2], "sqrt");
  t.same(await read(silu(fromArray(gpu, [100, 0, 1e30], [3]))), [100, 0, Math.fround(1e30)], "silu");
  const zero = fromArray(gpu, [0], [1]).requireGrad();
  gpu.scope(() => backward(sqrt(zero)));
  t.equal((await zero.grad!.read())[0], infinity, "the slope of sqrt at 0 is infinite");
  t.ok(Number.isNaN(await mean(ends).item()) && Number.isNaN(await sum(ends).item()), "sums and means");
});

test("codes far from 0 and near each other are told apart", async (t, gpu) => {
  const portable = Gpu.from(
    new Proxy(gpu.device, {
      get(target, name) {
        if (name === "features") return new Set();
        const value = Reflect.get(target, name, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    }),
    { software: true },
  );
  for (const [kernel, device] of [
    ["by subgroups", gpu],
    ["portable", portable],
  ] as const) {
    for (const [codeCount, width, far] of [
      [256, 64, 1000],
      [9, 5, -300],
      [1, 4, 1000],
    ] as const) {
      const offset = randomArray(1, width, far);
      const codes = randomArray(2, codeCount * width, 0.1).map((v, i) => Math.fround(v + offset[i % width]!));
      const z = randomArray(3, 256 * width, 0.1).map((v, i) => Math.fround(v + offset[i % width]!));
      const { ids, distance } = nearestCodes(
        fromArray(device, z, [256, width]),
        fromArray(device, codes, [codeCount, width]),
      );
      const expected = referenceNearest(z, codes, width);
      const got = await ids.read();
      const wrong = got.filter((id, i) => id !== expected.ids[i]).length;
      t.equal(wrong, 0, `${codeCount} codes of ${width}, ${far} away, ${kernel}: wrong ones of 256`);
      t.near(await distance.read(), expected.distance, { rel: 1e-5 }, "and their distances");
    }
  }
});
