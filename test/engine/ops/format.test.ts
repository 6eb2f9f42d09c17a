/** Tensors as text, and allclose. */

import { fromArray } from "../../../dist/engine/tensor/tensor.js";
import * as ops from "../../../dist/ops.js";
import { randomArray, test } from "../../harness.js";

test("tensors as text", async (t, gpu) => {
  const x = fromArray(gpu, [1, -2.5, 1 / 3, 1e-7, 12345.678, 0], [2, 3], "f32", "x");
  t.equal(ops.describe(x), "f32 [2, 3] x", "without values");
  t.equal(
    await ops.format(x),
    "f32 [2, 3] x\n[[     1   -2.5 0.3333]\n [  1e-7  12350      0]]",
    "in columns",
  );
  t.equal(
    await ops.format(x.transpose(), { digits: 2 }),
    "f32 [3, 2] x\n[[    1  1e-7]\n [ -2.5 12000]\n [ 0.33     0]]",
    "a view, two digits",
  );
  const ids = fromArray(gpu, [7, 4294967295], [2], "u32", "ids");
  t.equal(await ops.format(ids), "u32 [2] ids\n[         7 4294967295]", "integers");
  t.equal(await ops.format(fromArray(gpu, [3], [], "f32", "s")), "f32 [] s\n3", "a scalar");
  t.equal(
    await ops.format(
      fromArray(
        gpu,
        Float32Array.from({ length: 8 }, (_, i) => i),
        [2, 2, 2],
        "f32",
        "cube",
      ),
    ),
    "f32 [2, 2, 2] cube\n[[[0 1]\n  [2 3]]\n\n [[4 5]\n  [6 7]]]",
    "three axes",
  );
  const long = fromArray(
    gpu,
    Float32Array.from({ length: 200 }, (_, i) => i),
    [200],
    "f32",
    "long",
  );
  t.equal(await ops.format(long), "f32 [200] long\n[  0   1   2 … 197 198 199]", "the ends of a long axis");
  long.dispose();
  t.equal(ops.describe(long), "f32 [200] long (freed)", "a freed one");
});

test("allclose", async (t, gpu) => {
  const [nan, inf] = [Number.NaN, Number.POSITIVE_INFINITY];
  const make = (...values: number[]) => fromArray(gpu, values, [values.length]);
  const close = (a: number[], b: number[], options = {}) => ops.allclose(make(...a), make(...b), options);
  t.equal(await close([1, 2], [1, 2]), true, "equal");
  t.equal(await close([1, 2], [1, 2.0001]), false, "further than 10⁻⁵");
  t.equal(await close([1, 2], [1, 2.0001], { rel: 1e-3 }), true, "within a tolerance");
  t.equal(await close([0], [1e-3], { rel: 0, abs: 2e-3 }), true, "absolute");
  t.equal(await close([inf, -inf], [inf, -inf]), true, "equal infinities");
  t.equal(await close([1], [inf]), false, "a number and infinity");
  t.equal(await close([inf], [-inf]), false, "two infinities");
  t.equal(await close([nan], [nan]), false, "NaN");
  const many = randomArray(1, 5003);
  const x = fromArray(gpu, many, [5003]);
  t.equal(await ops.allclose(x, x), true, "many");
  t.equal(await ops.allclose(x, fromArray(gpu, many.with(5002, 9), [5003])), false, "but for one of them");
  t.equal(await ops.allclose(make(1, 1), fromArray(gpu, [1], [])), true, "shapes broadcast");
});
