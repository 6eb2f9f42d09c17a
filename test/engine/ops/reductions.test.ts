/** The smallest element, the variance, softmax over any axis. */

import { fromArray } from "../../../dist/engine/tensor/tensor.js";
import * as ops from "../../../dist/ops.js";
import { checkOp, randomArray, test } from "../../harness.js";
import { reduce } from "../../reference/dense.js";
import { permute } from "../../reference/functions.js";
import * as rows from "../../reference/normalisation.js";

const tolerance = { forward: { abs: 1e-5, rel: 1e-5 }, gradient: { abs: 2e-5, rel: 2e-5 } };
const varianceOf = (values: number[], correction = 0) => {
  const mean = values.reduce((p, q) => p + q, 0) / values.length;
  return values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (values.length - correction);
};

test("min and variance over axes", async (t, gpu) => {
  const shape = [3, 5, 2, 4];
  const data = randomArray(1, 120);
  for (const axes of [[0], [3], [1, 2], [0, 2], [0, 1, 2, 3]]) {
    await checkOp(t, gpu, `min over ${axes}`, {
      inputs: [{ shape, data }],
      gpu: (x) => ops.min(x!, axes),
      reference: (x) => reduce(x!, shape, axes, (v) => Math.min(...v)),
      tolerance,
    });
    for (const correction of [0, 1]) {
      await checkOp(t, gpu, `variance over ${axes}, correction ${correction}`, {
        inputs: [{ shape, data }],
        gpu: (x) => ops.variance(x!, axes, { correction }),
        reference: (x) => reduce(x!, shape, axes, (v) => varianceOf(v, correction)),
        tolerance,
      });
    }
  }
  const x = fromArray(gpu, data, shape);
  t.same(ops.variance(x, [1, -1], { keepDims: true }).shape, [3, 1, 2, 1], "keepDims");
  t.same(ops.min(x, [1], { keepDims: true }).shape, [3, 1, 2, 4], "keepDims of min");
  t.same(ops.min(x).shape, [], "all axes give a scalar");
  const far = fromArray(
    gpu,
    Float32Array.from(data, (v) => v + 4096),
    shape,
  );
  const expected = varianceOf([...data].map((v) => Math.fround(v + 4096)));
  t.near([await ops.variance(far).item()], [expected], { rel: 1e-4 }, "of numbers far from 0");
  await t.throwsMessage(
    () => ops.variance(fromArray(gpu, [1], [1]), [0], { correction: 1 }),
    /variance: 1 elements, less a correction of 1/,
    "nothing is left to divide by",
  );
});

test("softmax, logSoftmax and logSumExp over each axis", async (t, gpu) => {
  const shape = [3, 5, 2, 7];
  for (const [name, op, reference] of [
    ["softmax", ops.softmax, rows.softmax],
    ["logSoftmax", ops.logSoftmax, rows.logSoftmax],
    ["logSumExp", ops.logSumExp, rows.logSumExp],
  ] as const) {
    for (const axis of [0, 1, 2, 3, -1, -3]) {
      const a = axis < 0 ? axis + 4 : axis;
      const order = [0, 1, 2, 3].filter((i) => i !== a).concat(a);
      const back = [0, 1, 2, 3].map((i) => order.indexOf(i));
      await checkOp(t, gpu, `${name} over axis ${axis}`, {
        inputs: [{ shape, data: randomArray(2, 210, 2) }],
        gpu: (x) => op(x!, axis),
        reference: (x) => {
          const y = reference(permute(x!, shape, order), shape[a]!);
          return name === "logSumExp"
            ? y
            : permute(
                y,
                order.map((i) => shape[i]!),
                back,
              );
        },
        tolerance: { forward: { abs: 2e-6, rel: 1e-5 }, gradient: { abs: 1e-5, rel: 1e-4 } },
      });
    }
  }
  const x = fromArray(gpu, randomArray(3, 6), [2, 3], "f32", "x");
  await t.throwsMessage(() => ops.softmax(x, 2), /softmax: x \[2, 3\] has no axis 2/, "an axis that is none");
});
