/** Comparisons and choices. */

import { fromArray, type Tensor } from "../../../dist/engine/tensor/tensor.js";
import * as ops from "../../../dist/ops.js";
import { checkOp, randomArray, test } from "../../harness.js";
import { broadcast, relations } from "../../reference/functions.js";

const all = { eq: ops.eq, ne: ops.ne, lt: ops.lt, le: ops.le, gt: ops.gt, ge: ops.ge };
const tolerance = { forward: {}, gradient: { abs: 1e-5, rel: 1e-5 } };
const size = (shape: readonly number[]) => shape.reduce((p, q) => p * q, 1);
/** Few different numbers, so that some are equal. */
const coarse = (seed: number, length: number) => randomArray(seed, length).map((x) => Math.round(2 * x) / 2);

test("relations of float32, u32 and i32, with broadcasting", async (t, gpu) => {
  for (const [xShape, yShape] of [
    [
      [3, 5],
      [3, 5],
    ],
    [
      [3, 1, 5],
      [4, 1],
    ],
    [[], [7]],
    [
      [2, 1, 3, 1, 2],
      [3, 1, 2, 1],
    ],
  ] as [number[], number[]][]) {
    const [p, q] = [coarse(1, size(xShape)), coarse(2, size(yShape))];
    for (const dtype of ["f32", "u32", "i32"] as const) {
      const whole = (values: Float64Array) =>
        dtype === "f32" ? values : values.map((v) => (dtype === "u32" ? Math.abs(2 * v) : 2 * v));
      const x = fromArray(gpu, whole(p), xShape, dtype);
      const y = fromArray(gpu, whole(q), yShape, dtype);
      for (const [name, op] of Object.entries(all)) {
        const expected = broadcast([whole(p), whole(q)], [xShape, yShape], (a, b) =>
          Number(relations[name]!(a, b)),
        );
        t.same([...(await op(x, y).read())], [...expected], `${name} of ${dtype} [${xShape}] [${yShape}]`);
      }
      const expected = broadcast([whole(p)], [xShape], (a) => Number(a > 1));
      t.same([...(await ops.gt(x, 1).read())], [...expected], `gt(${dtype} [${xShape}], 1)`);
    }
  }
});

test("NaN, infinities, signs of zero, large integers", async (t, gpu) => {
  const [nan, inf] = [Number.NaN, Number.POSITIVE_INFINITY];
  const x = fromArray(gpu, [nan, nan, 1, inf, -inf, 0], [6]);
  const y = fromArray(gpu, [nan, 1, nan, inf, inf, -0], [6]);
  const of = async (op: (x: Tensor, y: Tensor) => Tensor) => [...(await op(x, y).read())];
  t.same(await of(ops.eq), [0, 0, 0, 1, 0, 1], "eq");
  t.same(await of(ops.ne), [1, 1, 1, 0, 1, 0], "ne");
  t.same(await of(ops.lt), [0, 0, 0, 0, 1, 0], "lt");
  t.same(await of(ops.ge), [0, 0, 0, 1, 0, 1], "ge");
  const words = fromArray(gpu, [2 ** 32 - 1, 2 ** 32 - 2, 2 ** 31, 0], [4], "u32");
  t.same(
    [...(await ops.eq(words, 2 ** 32 - 1).read())],
    [1, 0, 0, 0],
    "the largest u32 and the one before it",
  );
  t.same([...(await ops.gt(words, 5).read())], [1, 1, 1, 0], "u32 is compared without a sign");
  const signed = fromArray(gpu, [-1, 0, 1], [3], "i32");
  t.same([...(await ops.lt(signed, -0).read())], [1, 0, 0], "i32 with one");
});

test("views are compared as they lie", async (t, gpu) => {
  const data = randomArray(3, 20);
  const x = fromArray(gpu, data, [4, 5]);
  const expected = Array.from({ length: 12 }, (_, i) =>
    Number(data[(i % 4) * 5 + Math.floor(i / 4) + 1]! > 0),
  );
  const before = gpu.counters.dispatches;
  t.same([...(await ops.gt(x.transpose().slice(0, 1, 3), 0).read())], expected, "a transposed slice");
  t.equal(gpu.counters.dispatches - before, 1, "without a copy");
});

test("where: x or y by a condition of each type, with broadcasting", async (t, gpu) => {
  for (const [cShape, xShape, yShape] of [
    [[17], [17], [17]],
    [[3, 1], [5], [2, 3, 5]],
    [
      [2, 3, 5],
      [1, 1, 5],
      [3, 1],
    ],
    [[], [3], [1]],
  ] as [number[], number[], number[]][]) {
    for (const dtype of ["f32", "u32", "i32"] as const) {
      const flags = Float64Array.from(randomArray(4, size(cShape)), (v) =>
        v > 0 ? (dtype === "i32" ? -1 : 1) : 0,
      );
      const shapes = [xShape, yShape];
      await checkOp(t, gpu, `where ${dtype} [${cShape}] [${xShape}] [${yShape}]`, {
        inputs: shapes.map((shape, i) => ({ shape, data: randomArray(5 + i, size(shape)) })),
        gpu: (x, y) => ops.where(fromArray(gpu, flags, cShape, dtype), x!, y!),
        reference: (x, y) => broadcast([flags, x!, y!], [cShape, xShape, yShape], (c, p, q) => (c ? p : q)),
        tolerance,
      });
    }
  }
  const flags = fromArray(gpu, [1, 0, -0, Number.NaN, 1e-40], [5]);
  t.same(
    [...(await ops.where(flags, 1, 2).read())],
    [1, 2, 2, 1, 1],
    "two numbers; -0 is false, NaN and the smallest numbers are true",
  );
  const odd = fromArray(gpu, [-(2 ** 31), 0], [2], "i32");
  t.same([...(await ops.where(odd, 1, 2).read())], [1, 2], "an i32 of the sign bit alone is true");
});

test("where with numbers, of views, of integers", async (t, gpu) => {
  await checkOp(t, gpu, "x where x > 0, else -1", {
    inputs: [{ shape: [4, 5], data: randomArray(8, 20) }],
    gpu: (x) => {
      const view = x!.transpose();
      return ops.where(ops.gt(view, 0), view, -1);
    },
    reference: (x) =>
      Float64Array.from({ length: 20 }, (_, i) => {
        const v = x![(i % 4) * 5 + Math.floor(i / 4)]!;
        return v > 0 ? v : -1;
      }),
    tolerance,
  });
  const ids = fromArray(gpu, [4, 5, 6], [3], "u32");
  t.same([...(await ops.where(ops.eq(ids, 5), 99, ids).read())], [4, 99, 6], "ids with one replaced");
});

test("where adds its gradient to one that is there", async (t, gpu) => {
  await checkOp(t, gpu, "where and its operand", {
    inputs: [{ shape: [7], data: randomArray(9, 7) }],
    // The gradient of the product, which is made later, is there first.
    gpu: (x) => {
      const chosen = ops.where(ops.gt(x!, 0), x!, 3);
      return ops.add(ops.mul(x!, x!), chosen);
    },
    reference: (x) => x!.map((v) => v * v + (v > 0 ? v : 3)),
    tolerance: { forward: { rel: 1e-6 }, gradient: { abs: 1e-5, rel: 1e-5 } },
  });
});

test("wrong operands are named", async (t, gpu) => {
  const x = fromArray(gpu, [1, 2, 3], [3], "f32", "x");
  const ids = fromArray(gpu, [1, 2, 3], [3], "u32", "ids");
  const four = fromArray(gpu, [1, 2, 3, 4], [4], "f32", "four");
  await t.throwsMessage(() => ops.eq(x as never, ids as never), /eq: x is f32 and ids is u32/, "two types");
  await t.throwsMessage(() => ops.lt(x, four), /lt.*four \[4\] do not broadcast/, "shapes");
  await t.throwsMessage(() => ops.gt(ids, 1.5), /gt: 1.5 is no u32/, "a number that the type does not have");
  await t.throwsMessage(() => ops.gt(ids, -1), /gt: -1 is no u32/, "a negative one");
  await t.throwsMessage(() => ops.where(x, ids as never, x), /where: ids is u32 and x is f32/, "where");
});
