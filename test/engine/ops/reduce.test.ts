import { Gpu } from "../../../dist/engine/gpu/gpu.js";
import { square } from "../../../dist/engine/ops/elementwise.js";
import {
  countNonFinite,
  l1,
  max,
  mean,
  mse,
  sum,
  sumAbsolute,
  sumSquares,
  sumTo,
} from "../../../dist/engine/ops/reduce.js";
import { fromArray } from "../../../dist/engine/tensor/tensor.js";
import { checkOp, randomArray, test } from "../../harness.js";
import { reduce } from "../../reference/dense.js";

const tolerance = { forward: { abs: 1e-5, rel: 1e-5 }, gradient: { abs: 1e-5, rel: 1e-5 } };
const total = (values: number[]) => values.reduce((p, q) => p + q, 0);

test("sums, means and maxima over axes", async (t, gpu) => {
  const shape = [3, 5, 2, 4];
  const data = randomArray(1, 120);
  for (const axes of [[0], [3], [1, 2], [0, 2], [1, 3], [0, 1, 2, 3]]) {
    const cases = [
      ["sum", sum, total],
      ["mean", mean, (v: number[]) => total(v) / v.length],
      ["max", max, (v: number[]) => Math.max(...v)],
      ["sumSquares", sumSquares, (v: number[]) => total(v.map((x) => x * x))],
      ["sumAbsolute", sumAbsolute, (v: number[]) => total(v.map(Math.abs))],
    ] as const;
    for (const [name, op, join] of cases) {
      await checkOp(t, gpu, `${name} over ${axes}`, {
        inputs: [{ shape, data }],
        gpu: (x) => op(x!, axes),
        reference: (x) => reduce(x!, shape, axes, join),
        tolerance,
      });
    }
  }
  t.same(sum(fromArray(gpu, data, shape), [1, -1], { keepDims: true }).shape, [3, 1, 2, 1], "keepDims");
  t.same(sum(fromArray(gpu, data, shape)).shape, [], "all axes give a scalar");
});

test("reductions of a view, added to another gradient", async (t, gpu) => {
  await checkOp(t, gpu, "sum of a transposed slice", {
    inputs: [{ shape: [5, 7], data: randomArray(2, 35) }],
    gpu: (x) => sum(x!.transpose().slice(0, 1, 5), [1]),
    reference: (x) =>
      Float64Array.from({ length: 5 }, (_, i) => total([0, 1, 2, 3, 4].map((j) => x![j * 7 + i + 1]!))),
    tolerance,
  });
  await checkOp(t, gpu, "sum of a transposed slice and of its square", {
    inputs: [{ shape: [5, 7], data: randomArray(2, 35) }],
    gpu: (x) => sumSquares(square(x!.transpose().slice(0, 1, 5)), [1]),
    reference: (x) =>
      Float64Array.from({ length: 5 }, (_, i) => total([0, 1, 2, 3, 4].map((j) => x![j * 7 + i + 1]! ** 4))),
    tolerance,
  });
});

for (const software of [true, false]) {
  test(`long reductions, in two levels, ${software ? "by lanes" : "by workgroups"}`, async (t, {
    device,
  }) => {
    const gpu = Gpu.from(device, { software });
    for (const shape of [[70001], [3, 5003], [1301, 3], [1301, 65], [65, 1301]]) {
      const data = randomArray(
        3,
        shape.reduce((p, q) => p * q, 1),
      );
      const x = fromArray(gpu, data, shape);
      for (const axes of shape.length === 1 ? [[0]] : [[0], [1], [0, 1]]) {
        const expected = reduce(data, shape, axes, total);
        const size = reduce(data, shape, axes, (values) => total(values.map(Math.abs)));
        const actual = await sum(x, axes).read();
        // Float32 sums of n terms: error ≤ n·eps·Σ|x|; pairwise in parts it is far less.
        const worst = expected.reduce(
          (most, value, i) => Math.max(most, Math.abs(value - actual[i]!) / size[i]!),
          0,
        );
        t.ok(worst <= 1e-6, `sum of [${shape}] over ${axes}: ${worst.toExponential(1)} of Σ|x|`);
        t.near(
          await max(x, axes).read(),
          reduce(data, shape, axes, (v) => v.reduce((p, q) => Math.max(p, q), -1e9)),
          {},
          `max of [${shape}] over ${axes}`,
        );
      }
      const again = await sum(x).read();
      t.same(await sum(x).read(), again, `the sum of [${shape}] is the same twice`);
    }
  });
}

test("sumTo undoes broadcasting", async (t, gpu) => {
  const data = randomArray(4, 2 * 3 * 5);
  const x = fromArray(gpu, data, [2, 3, 5]);
  t.near(
    await sumTo(x, [3, 1]).read(),
    reduce(data, [2, 3, 5], [0, 2], total),
    { abs: 1e-5 },
    "[2, 3, 5] to [3, 1]",
  );
  const into = fromArray(gpu, [1, 1, 1, 1, 1], [5]);
  sumTo(x, [5], { tensor: into, accumulate: true, scale: -2 });
  const expected = reduce(data, [2, 3, 5], [0, 1], total).map((v) => 1 - 2 * v);
  t.near(await into.read(), expected, { abs: 1e-5 }, "scaled and added");
  const words = fromArray(gpu, [1, 2], [2], "u32", "words") as never;
  await t.throwsMessage(() => sumTo(words, [1]), /sumTo: words \[2\] is u32, the op takes f32/, "integers");
});

test("mean squared and mean absolute error", async (t, gpu) => {
  for (const length of [1, 17, 195]) {
    const inputs = [5, 6].map((seed) => ({ shape: [length], data: randomArray(seed, length) }));
    await checkOp(t, gpu, `mse of ${length}`, {
      inputs,
      gpu: (a, b) => mse(a!, b!),
      reference: (a, b) => Float64Array.of(total([...a!].map((v, i) => (v - b![i]!) ** 2)) / length),
      tolerance,
    });
    await checkOp(t, gpu, `l1 of ${length}`, {
      inputs,
      gpu: (a, b) => l1(a!, b!),
      reference: (a, b) => Float64Array.of(total([...a!].map((v, i) => Math.abs(v - b![i]!))) / length),
      tolerance,
    });
  }
  const [n, before] = [40000, gpu.counters.dispatches];
  const loss = mse(fromArray(gpu, randomArray(7, n), [n]), fromArray(gpu, randomArray(8, n), [n]));
  await loss.item();
  t.equal(gpu.counters.dispatches - before, 2, "two dispatches whatever the length");
});

test("ties share the gradient of a maximum", async (t, gpu) => {
  const { backwardFrom } = await import("../../../dist/engine/tensor/autograd.js");
  const x = fromArray(gpu, [3, 1, 3, 2], [4]).requireGrad();
  backwardFrom(max(x), fromArray(gpu, [6], []));
  t.near(await x.grad!.read(), [3, 0, 3, 0], {}, "half each");
});

test("non-finite elements are counted", async (t, gpu) => {
  const data = new Float32Array(5000);
  for (const [i, value] of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY].entries())
    data[i * 1700 + 3] = value;
  data[77] = 3.4e38;
  t.equal(await countNonFinite(fromArray(gpu, data, [50, 100])).item(), 3, "NaN and both infinities");
  t.equal(await countNonFinite(fromArray(gpu, [0, -1, 1e-40], [3])).item(), 0, "none");
});
