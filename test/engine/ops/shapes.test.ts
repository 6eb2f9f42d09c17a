/** Views and copies in other shapes. */

import { backwardFrom } from "../../../dist/engine/tensor/autograd.js";
import { fromArray } from "../../../dist/engine/tensor/tensor.js";
import * as ops from "../../../dist/ops.js";
import { checkOp, randomArray, test } from "../../harness.js";
import { indices } from "../../reference/dense.js";
import { broadcast, permute, placeOf } from "../../reference/functions.js";

const tolerance = { forward: {}, gradient: { abs: 1e-5, rel: 1e-5 } };
const size = (shape: readonly number[]) => shape.reduce((p, q) => p * q, 1);

test("permute", async (t, gpu) => {
  for (const [shape, order] of [
    [
      [2, 3, 5],
      [2, 0, 1],
    ],
    [
      [2, 3, 1, 5],
      [3, 1, 0, 2],
    ],
    [[7], [0]],
    [
      [3, 5],
      [-1, -2],
    ],
  ] as [number[], number[]][]) {
    const axes = order.map((axis) => (axis < 0 ? axis + shape.length : axis));
    await checkOp(t, gpu, `permute [${shape}] by [${order}]`, {
      inputs: [{ shape, data: randomArray(1, size(shape)) }],
      gpu: (x) => ops.permute(x!, order),
      reference: (x) => permute(x!, shape, axes),
      tolerance,
    });
  }
  const before = gpu.counters.dispatches;
  const x = fromArray(gpu, [0, 1, 2, 3, 4, 5], [1, 2, 3], "u32");
  const y = ops.permute(ops.permute(x, [2, 0, 1]), [1, 2, 0]);
  t.same([y.shape, y.strides], [[1, 2, 3], x.strides], "back where it was, with its strides");
  t.same([...(await ops.permute(x, [2, 0, 1]).read())], [0, 3, 1, 4, 2, 5], "u32");
  t.equal(gpu.counters.dispatches - before, 1, "one dispatch, for the copy that is read");
});

test("squeeze and unsqueeze", async (t, gpu) => {
  await checkOp(t, gpu, "of a strided view, without a copy", {
    inputs: [{ shape: [3, 1, 5], data: randomArray(2, 15) }],
    gpu: (x) => ops.unsqueeze(ops.squeeze(x!.slice(2, 1, 3), 1).transpose(), -1),
    reference: (x) => Float64Array.from({ length: 9 }, (_, i) => x![(i % 3) * 5 + Math.floor(i / 3) + 1]!),
    tolerance,
  });
  const x = fromArray(gpu, [1, 2, 3], [1, 3, 1]);
  t.same(ops.squeeze(x).shape, [3], "all of them");
  t.same(ops.squeeze(x, -1).shape, [1, 3], "the last");
  t.same(
    [0, 1, 3, -1].map((axis) => ops.unsqueeze(x, axis).shape.length),
    [4, 4, 4, 4],
    "every place for an axis",
  );
  t.same(ops.unsqueeze(ops.squeeze(x), 1).shape, [3, 1], "behind");
  await t.throwsMessage(() => ops.squeeze(x, 1), /axis 1.*has length 3, not 1/, "an axis that is not 1");
  await t.throwsMessage(() => ops.unsqueeze(x, 4), /from 0 to 3, not 4/, "a place that is none");
});

test("broadcastTo: repeats, and sums the gradient", async (t, gpu) => {
  for (const [from, to] of [
    [
      [3, 1],
      [2, 3, 4],
    ],
    [[], [2, 3]],
    [[5], [5]],
    [
      [1, 1, 3],
      [2, 7, 3],
    ],
  ] as [number[], number[]][]) {
    await checkOp(t, gpu, `[${from}] to [${to}]`, {
      inputs: [{ shape: from, data: randomArray(3, size(from)) }],
      gpu: (x) => ops.broadcastTo(x!, to),
      reference: (x) => broadcast([x!, [0]], [from, to], (v) => v).slice(0, size(to)),
      tolerance,
    });
  }
  await checkOp(t, gpu, "of a transposed slice, times another", {
    inputs: [
      { shape: [1, 4], data: randomArray(4, 4) },
      { shape: [3, 2], data: randomArray(5, 6) },
    ],
    gpu: (x, y) => ops.mul(ops.broadcastTo(x!.transpose().slice(0, 1, 3), [3, 2]), y!),
    reference: (x, y) => y!.map((v, i) => v * x![Math.floor(i / 2) + 1]!),
    tolerance: { forward: { rel: 1e-6 }, gradient: tolerance.gradient },
  });
  const x = fromArray(gpu, [1, 2, 3], [3], "f32", "x");
  await t.throwsMessage(
    () => ops.broadcastTo(x, [2]),
    /x \[3\] does not broadcast to \[2\]/,
    "a wrong length",
  );
  await t.throwsMessage(() => ops.broadcastTo(x, []), /does not broadcast/, "too few axes");
});

test("stack and split", async (t, gpu) => {
  for (const axis of [0, 1, 2, -1, -3]) {
    const at = axis < 0 ? axis + 3 : axis;
    const shape = [2, 3].toSpliced(at, 0, 3);
    await checkOp(t, gpu, `stack along ${axis}`, {
      inputs: [6, 7, 8].map((seed) => ({ shape: [2, 3], data: randomArray(seed, 6) })),
      gpu: (...x) => ops.stack(x, axis),
      reference: (...x) =>
        Float64Array.from(
          indices(shape),
          (index) => x[index[at]!]![placeOf(index.toSpliced(at, 1), [2, 3])]!,
        ),
      tolerance,
    });
  }
  await checkOp(t, gpu, "products of parts", {
    inputs: [{ shape: [3, 6], data: randomArray(9, 18) }],
    gpu: (x) => {
      const [a, b, c] = ops.split(x!, 3, 1);
      return ops.mul(ops.mul(a!, b!), c!);
    },
    reference: (x) =>
      Float64Array.from({ length: 6 }, (_, i) => {
        const at = Math.floor(i / 2) * 6 + (i % 2);
        return x![at]! * x![at + 2]! * x![at + 4]!;
      }),
    tolerance: { forward: { rel: 1e-6 }, gradient: { abs: 1e-5, rel: 1e-5 } },
  });
  const ids = fromArray(gpu, [0, 1, 2, 3, 4, 5], [6], "u32");
  const parts = ops.split(ids, [1, 2, 3]);
  t.same(
    await Promise.all(parts.map(async (part) => [...(await part.read())])),
    [[0], [1, 2], [3, 4, 5]],
    "by lengths",
  );
  await t.throwsMessage(() => ops.split(ids, 4), /does not split into 4 equal parts/, "unequal parts");
  await t.throwsMessage(() => ops.split(ids, [1, 2]), /parts of 1, 2/, "lengths that do not add up");
});

test("pad", async (t, gpu) => {
  const widths: [number, number][] = [
    [1, 0],
    [0, 0],
    [2, 3],
  ];
  for (const value of [0, -1.5]) {
    await checkOp(t, gpu, `with ${value}`, {
      inputs: [{ shape: [2, 3, 5], data: randomArray(10, 30) }],
      gpu: (x) => ops.pad(x!, widths, value),
      reference: (x) =>
        Float64Array.from(indices([3, 3, 10]), ([a, b, c]) => {
          const inside = a! >= 1 && c! >= 2 && c! < 7;
          return inside ? x![placeOf([a! - 1, b!, c! - 2], [2, 3, 5])]! : value;
        }),
      tolerance,
    });
  }
  const x = fromArray(gpu, [1, 2], [2]);
  await t.throwsMessage(() => ops.pad(x, [[1, -1]]), /-1 is no width/, "a negative width");
  await t.throwsMessage(() => ops.pad(x, []), /needs 1 pairs/, "no widths");
});

test("shapes keep no memory outside of scopes", async (t, gpu) => {
  const x = fromArray(gpu, randomArray(11, 24), [2, 3, 4]).requireGrad();
  await gpu.idle();
  const before = gpu.memory.liveBytes;
  for (const op of [
    () => ops.stack([x, x]),
    () =>
      ops.pad(x, [
        [1, 1],
        [0, 0],
        [0, 0],
      ]),
    () => ops.softmax(x, 0),
    () => ops.variance(x, [0]),
    () => ops.maximum(x, 0),
    () => ops.take(x, fromArray(gpu, [1], [1], "u32"), 1),
  ]) {
    const y = gpu.scope(op);
    backwardFrom(
      y,
      gpu.scope(() => fromArray(gpu, new Float32Array(y.size), y.shape)),
    );
    y.dispose();
    x.grad?.dispose();
    x.grad = null;
    x.gradIsCurrent = false;
  }
  t.ok(
    gpu.memory.liveBytes - before <= 6 * 512,
    `${gpu.memory.liveBytes - before} bytes more: the gradients that were given`,
  );
});
