/** argmax and argmin, running sums, gather and scatterAdd, take, oneHot, topK. */

import { checkFinite } from "../../../dist/engine/gpu/finite-check.js";
import type { Gpu } from "../../../dist/engine/gpu/gpu.js";
import { backwardFrom } from "../../../dist/engine/tensor/autograd.js";
import { fromArray } from "../../../dist/engine/tensor/tensor.js";
import * as ops from "../../../dist/ops.js";
import { type Check, checkOp, randomArray, test } from "../../harness.js";
import * as reference from "../../reference/functions.js";

const size = (shape: readonly number[]) => shape.reduce((p, q) => p * q, 1);
/** Repeatable ids below a bound, in no order. */
const idsBelow = (bound: number, length: number, seed = 1) =>
  Uint32Array.from(randomArray(seed, length), (x) => Math.floor(Math.abs(x) * 1e4) % bound);
const exact = { forward: {}, gradient: { abs: 1e-5, rel: 1e-5 } };

test("argmax and argmin along each axis", async (t, gpu) => {
  for (const shape of [[1], [5], [3, 17], [2, 65, 3], [1, 1, 129], [4097]]) {
    // Few different numbers: the first of equals counts.
    const data = randomArray(1, size(shape)).map((x) => Math.round(2 * x) / 2);
    const x = fromArray(gpu, data, shape);
    for (let axis = 0; axis < shape.length; axis++) {
      const expect = (rising: boolean) => reference.ranked(data, shape, axis, 1, rising);
      t.same([...(await ops.argmax(x, axis).read())], expect(false), `argmax of [${shape}] along ${axis}`);
      t.same([...(await ops.argmin(x, axis).read())], expect(true), `argmin of [${shape}] along ${axis}`);
    }
  }
  t.same(ops.argmax(fromArray(gpu, randomArray(2, 30), [2, 3, 5]), 1).shape, [2, 5], "the axis is gone");
});

test("argmax of long axes, in several launches", async (t, gpu) => {
  const data = randomArray(3, 70001).map((x) => Math.round(50 * x) / 50);
  const x = fromArray(gpu, data, [70001]);
  // Equals in different parts of the first launch, the later one in the part in front.
  const twice = Float64Array.from(data, (v, i) => (i === 1 || i === 3 * Math.ceil(70001 / 64) ? 100 : v));
  t.same([...(await ops.argmax(fromArray(gpu, twice, [70001])).read())], [1], "the first of two equals");
  const before = gpu.counters.dispatches;
  t.same([...(await ops.argmax(x).read())], [data.indexOf(Math.max(...data))], "the first of the largest");
  t.equal(gpu.counters.dispatches - before, 3, "three launches for 70 001 = 64³ elements at most");
  t.same([...(await ops.argmin(x).read())], [data.indexOf(Math.min(...data))], "the first of the smallest");
});

test("argmax of NaN, infinities, zeros and views", async (t, gpu) => {
  const [nan, inf] = [Number.NaN, Number.POSITIVE_INFINITY];
  const rows = [
    [1, nan, inf, nan],
    [-inf, -inf, -inf, -inf],
    [0, -0, 0, -0],
    [-0, 0, -0, 0],
    [-1, -3, -2, -3],
  ];
  const x = fromArray(gpu, rows.flat(), [5, 4]);
  t.same([...(await ops.argmax(x).read())], [1, 0, 0, 0, 0], "argmax");
  t.same([...(await ops.argmin(x).read())], [1, 0, 0, 0, 1], "argmin");
  t.same(
    [...(await ops.argmax(x.slice(0, 2, 3).transpose().slice(0, 1, 3), 1).read())],
    [0, 0, 0],
    "of a view",
  );
  await t.throwsMessage(() => ops.argmax(fromArray(gpu, [1], [])), /argmax: .* is a scalar/, "a scalar");
});

test("running sums along each axis, exclusive and reversed", async (t, gpu) => {
  for (const shape of [[1], [5], [3, 17], [2, 65, 3], [1, 130], [129, 2]]) {
    for (let axis = 0; axis < shape.length; axis++) {
      for (const exclusive of [false, true]) {
        for (const reverse of [false, true]) {
          await checkOp(
            t,
            gpu,
            `[${shape}] along ${axis}${exclusive ? ", exclusive" : ""}${reverse ? ", reversed" : ""}`,
            {
              inputs: [{ shape, data: randomArray(4, size(shape)) }],
              gpu: (x) => ops.cumsum(x!, axis, { exclusive, reverse }),
              reference: (x) => reference.cumsum(x!, shape, axis, { exclusive, reverse }),
              tolerance: { forward: { abs: 1e-5, rel: 1e-5 }, gradient: { abs: 2e-5, rel: 2e-5 } },
            },
          );
        }
      }
    }
  }
  await checkOp(t, gpu, "of a transposed slice, added to itself", {
    inputs: [{ shape: [4, 5], data: randomArray(5, 20) }],
    gpu: (x) => {
      const view = x!.transpose().slice(0, 1, 3);
      return ops.add(ops.cumsum(view, 0), view);
    },
    reference: (x) => {
      const view = reference.permute(x!, [4, 5], [1, 0]).slice(4, 16);
      return reference.cumsum(view, [3, 4], 0).map((v, i) => v + view[i]!);
    },
    tolerance: { forward: { abs: 1e-6, rel: 1e-6 }, gradient: { abs: 1e-5, rel: 1e-5 } },
  });
});

test("running sums of integers, and of a long axis", async (t, gpu) => {
  const ids = idsBelow(1000, 5003);
  const x = fromArray(gpu, ids, [5003], "u32");
  t.same(
    [...(await ops.cumsum(x).read())],
    [...reference.cumsum(ids, [5003], 0)],
    "u32, in two levels of parts",
  );
  const signed = fromArray(gpu, [3, -5, 1], [3], "i32");
  t.same([...(await ops.cumsum(signed).read())], [3, -2, -1], "i32");
  const long = randomArray(6, 20000);
  const got = await ops.cumsum(fromArray(gpu, long, [20000])).read();
  let sum = 0;
  t.near(
    got,
    long.map((v) => (sum += v)),
    { abs: 1e-3 },
    "20 000 float32 numbers",
  );
});

const picked: { shape: number[]; axis: number; picks: number; how: string }[] = [
  { shape: [5], axis: 0, picks: 3, how: "few picks" },
  { shape: [3, 7], axis: 1, picks: 1, how: "one pick a row" },
  { shape: [2, 5, 3], axis: 1, picks: 17, how: "few picks of the middle axis" },
  { shape: [3, 65], axis: 0, picks: 64, how: "as many as are looked through" },
  { shape: [7], axis: 0, picks: 200, how: "many picks, sorted by one digit" },
  { shape: [2, 37, 3], axis: 1, picks: 65, how: "many picks, sorted by two digits" },
  { shape: [1], axis: 0, picks: 300, how: "many picks of one place" },
  { shape: [3, 100, 2], axis: 1, picks: 70, how: "many picks, three digits" },
];

for (const { shape, axis, picks, how } of picked) {
  const indexShape = shape.with(axis, picks);
  const index = idsBelow(shape[axis]!, size(indexShape), 7);

  test(`gather: ${how} of [${shape}]`, async (t, gpu) => {
    await checkOp(t, gpu, "elements and gradient", {
      inputs: [{ shape, data: randomArray(8, size(shape)) }],
      gpu: (x) => ops.gather(x!, axis, fromArray(gpu, index, indexShape, "u32")),
      reference: (x) => reference.gather(x!, shape, axis, index, indexShape),
      tolerance: exact,
    });
    await checkOp(t, gpu, "gradient added to another", {
      inputs: [{ shape, data: randomArray(8, size(shape)) }],
      gpu: (x) => {
        const all = ops.gather(x!, axis, fromArray(gpu, index, indexShape, "u32"));
        return ops.add(ops.mul(all.reshape([all.size]).slice(0, 0, 1), 2), ops.mul(x!, x!));
      },
      reference: (x) => {
        const first = reference.gather(x!, shape, axis, index, indexShape)[0]!;
        return x!.map((v) => 2 * first + v * v);
      },
      tolerance: { forward: { abs: 1e-6, rel: 1e-6 }, gradient: { abs: 2e-5, rel: 2e-5 } },
    });
  });

  test(`scatterAdd: ${how} of [${shape}]`, async (t, gpu) => {
    await checkOp(t, gpu, "sums and gradients", {
      inputs: [
        { shape, data: randomArray(9, size(shape)) },
        { shape: indexShape, data: randomArray(10, size(indexShape)) },
      ],
      gpu: (target, source) =>
        ops.scatterAdd(target!, axis, fromArray(gpu, index, indexShape, "u32"), source!),
      reference: (target, source) => reference.scatterAdd(target!, shape, axis, index, indexShape, source!),
      tolerance: { forward: { abs: 2e-5, rel: 1e-5 }, gradient: { abs: 2e-5, rel: 2e-5 } },
    });
  });
}

test("scatterAdd of 20 000 sources: whole chunks, and the same bits twice", async (t, gpu) => {
  const n = 20000;
  for (const [name, index] of [
    ["all to one of 5", new Uint32Array(n).fill(3)],
    ["to 5", idsBelow(5, n)],
    ["to 30 000", idsBelow(30000, n)],
  ] as const) {
    const length = name.endsWith("30 000") ? 30000 : 5;
    const source = randomArray(11, n);
    const target = new Float64Array(length);
    const run = () =>
      ops.scatterAdd(
        fromArray(gpu, target, [length]),
        0,
        fromArray(gpu, index, [n], "u32"),
        fromArray(gpu, source, [n]),
      );
    const first = await run().read();
    t.near(first, reference.scatterAdd(target, [length], 0, index, [n], source), { abs: 2e-3 }, name);
    t.same(await run().read(), first, `${name}: the same bits`);
  }
});

test("gather of integers, of views, beyond the end", async (t, gpu) => {
  const ids = fromArray(gpu, [10, 11, 12, 13, 14, 15], [2, 3], "u32");
  const index = fromArray(gpu, [2, 0, 1, 7], [2, 2], "u32");
  t.same([...(await ops.gather(ids, 1, index).read())], [12, 10, 14, 15], "u32; 7 counts as the last");
  t.same([...(await ops.gather(ids.transpose(), 0, index.transpose()).read())], [12, 14, 10, 15], "of views");
  const x = fromArray(gpu, randomArray(12, 6), [2, 3], "f32", "x");
  await t.throwsMessage(
    () => ops.gather(x, 0, index),
    /gather: x \[2, 3\] and index \[2, 2\] differ outside axis 0/,
    "a wrong shape",
  );
  await t.throwsMessage(
    () => ops.scatterAdd(x, 1, index, x),
    /source \[2, 3\] and index \[2, 2\] differ/,
    "a source of another shape",
  );
  checkFinite(gpu);
  try {
    await t.throwsMessage(
      ops.gather(x, 1, index).read(),
      /gather.*7.*below 3/,
      "checkFinite names the index",
    );
  } finally {
    checkFinite(gpu, false);
  }
});

test("take: slices by index along each axis", async (t, gpu) => {
  const shape = [4, 3, 5];
  for (const axis of [0, 1, 2, -1]) {
    const a = axis < 0 ? axis + 3 : axis;
    const ids = idsBelow(shape[a]!, 7, 13);
    const result = shape.with(a, 7);
    const index = Uint32Array.from({ length: size(result) }, (_, i) => {
      const behind = size(result.slice(a + 1));
      return ids[Math.floor(i / behind) % 7]!;
    });
    await checkOp(t, gpu, `along ${axis}`, {
      inputs: [{ shape, data: randomArray(14, 60) }],
      gpu: (x) => ops.take(x!, fromArray(gpu, ids, [7], "u32"), axis),
      reference: (x) => reference.gather(x!, shape, a, index, result),
      tolerance: exact,
    });
  }
});

test("oneHot", async (t, gpu) => {
  const hot = ops.oneHot(fromArray(gpu, [2, 0, 5, 1], [2, 2], "u32"), 3);
  t.same(hot.shape, [2, 2, 3], "a new last axis");
  t.same([...(await hot.read())], [0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 1, 0], "zeros for an id beyond the classes");
});

async function checkTopK(t: Check, gpu: Gpu, shape: number[], k: number, axis: number): Promise<void> {
  const a = axis < 0 ? axis + shape.length : axis;
  const data = randomArray(15, size(shape)).map((x) => Math.round(20 * x) / 20);
  const { values, indices } = ops.topK(fromArray(gpu, data, shape), k, axis);
  const expected = reference.ranked(data, shape, a, k);
  const name = `${k} of [${shape}] along ${axis}`;
  t.same([values.shape, indices.shape], [shape.with(a, k), shape.with(a, k)], `${name}: shapes`);
  t.same([...(await indices.read())], expected, `${name}: indices`);
  t.near(
    await values.read(),
    reference.gather(data, shape, a, Uint32Array.from(expected), shape.with(a, k)),
    { rel: 1e-7 },
    `${name}: values`,
  );
}

test("topK", async (t, gpu) => {
  await checkTopK(t, gpu, [1], 1, 0);
  await checkTopK(t, gpu, [3, 5], 5, 1);
  await checkTopK(t, gpu, [3, 17, 2], 3, 1);
  await checkTopK(t, gpu, [2, 1025], 7, -1);
  await checkTopK(t, gpu, [5003], 512, 0);
  await checkTopK(t, gpu, [1100, 3], 2, 0);
});

test("topK: gradient, NaN, wrong k", async (t, gpu) => {
  await checkOp(t, gpu, "values of a transposed tensor", {
    inputs: [{ shape: [7, 3], data: randomArray(16, 21) }],
    gpu: (x) => ops.topK(x!.transpose(), 4).values,
    reference: (x) => {
      const y = reference.permute(x!, [7, 3], [1, 0]);
      const order = Uint32Array.from(reference.ranked(y, [3, 7], 1, 4));
      return reference.gather(y, [3, 7], 1, order, [3, 4]);
    },
    tolerance: exact,
  });
  const odd = fromArray(
    gpu,
    [1, Number.NaN, Number.NEGATIVE_INFINITY, -0, 0, 5],
    [6],
    "f32",
    "odd",
  ).requireGrad();
  const { values, indices } = ops.topK(odd, 6);
  t.same([...(await indices.read())], [1, 5, 0, 3, 4, 2], "NaN first, equals by index, -∞ last");
  backwardFrom(values, fromArray(gpu, [1, 2, 3, 4, 5, 6], [6]));
  t.same([...(await odd.grad!.read())], [3, 1, 6, 4, 5, 2], "the gradient goes back to its place");
  for (const k of [0, 1.5, 513, Number.NaN])
    await t.throwsMessage(() => ops.topK(odd, k), /whole number from 1 to 512/, `k = ${k}`);
  await t.throwsMessage(
    () => ops.topK(odd, 7),
    /topK: axis -1 of odd \[6\] has fewer than 7 elements/,
    "too many",
  );
});
