import * as kernels from "../../../dist/engine/gpu/kernels.generated.js";
import { logSoftmax, logSumExp, softmax } from "../../../dist/engine/ops/softmax.js";
import { empty, fromArray } from "../../../dist/engine/tensor/tensor.js";
import { checkOp, randomArray, test } from "../../harness.js";
import * as reference from "../../reference/normalisation.js";

const tolerance = { forward: { abs: 2e-6, rel: 1e-5 }, gradient: { abs: 1e-5, rel: 1e-4 } };

for (const [name, op, expected] of [
  ["softmax", softmax, reference.softmax],
  ["logSoftmax", logSoftmax, reference.logSoftmax],
  ["logSumExp", logSumExp, reference.logSumExp],
] as const) {
  test(`${name}, odd sizes`, async (t, gpu) => {
    for (const shape of [
      [1, 1],
      [3, 5],
      [2, 3, 17],
      [1, 65],
    ]) {
      const size = shape.reduce((a, b) => a * b, 1);
      const width = shape.at(-1)!;
      await checkOp(t, gpu, `${name} [${shape.join(", ")}]`, {
        inputs: [{ shape, data: randomArray(width, size, 3) }],
        gpu: (x) => op(x!),
        reference: (x) => expected(x!, width),
        tolerance,
      });
    }
  });
}

test("softmax of large values and of a wide row", async (t, gpu) => {
  const large = Float64Array.of(1e4, 1e4 - 1, -1e4, -1e30, 5, 7);
  t.near(
    await softmax(fromArray(gpu, large, [2, 3])).read(),
    reference.softmax(large, 3),
    { abs: 1e-6 },
    "no overflow",
  );
  const wide = randomArray(5, 2 * 9001, 4);
  t.near(
    await logSoftmax(fromArray(gpu, wide, [2, 9001])).read(),
    reference.logSoftmax(wide, 9001),
    { abs: 1e-5, rel: 1e-5 },
    "9001 wide",
  );
});

test("softmax kernels that share a row between lanes, as on a real GPU", async (t, gpu) => {
  const [rows, width] = [5, 37];
  const data = randomArray(6, rows * width, 2);
  const x = fromArray(gpu, data, [rows, width]);
  for (const LANES of [8, 32]) {
    const y = empty(gpu, [rows, width]);
    const options = { groups: gpu.groups1d(rows * LANES, 64), tune: { LANES, WORKGROUP: 64 } };
    gpu.run(kernels.softmax.forward, { input: x, output: y }, { rows, width, accumulate: 0 }, options);
    t.near(await y.read(), reference.softmax(data, width), tolerance.forward, `forward, ${LANES} lanes`);
    const dy = fromArray(gpu, randomArray(7, rows * width), [rows, width]);
    const [one, many] = [empty(gpu, [rows, width]), empty(gpu, [rows, width])];
    const params = { rows, width, accumulate: 0 };
    gpu.run(kernels.softmax.backward, { y_saved: y, dy, dx: one }, params, {
      groups: gpu.groups1d(rows, 64),
      tune: { LANES: 1, WORKGROUP: 64 },
    });
    gpu.run(kernels.softmax.backward, { y_saved: y, dy, dx: many }, params, options);
    t.near(await many.read(), await one.read(), { abs: 1e-6, rel: 1e-5 }, `backward, ${LANES} lanes`);
  }
});
