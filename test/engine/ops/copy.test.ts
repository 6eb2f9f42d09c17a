import { concat, contiguous, copyInto, fill } from "../../../dist/engine/ops/copy.js";
import { empty, fromArray } from "../../../dist/engine/tensor/tensor.js";
import { checkOp, randomArray, test } from "../../harness.js";

const tolerance = { forward: {}, gradient: { abs: 1e-6, rel: 1e-6 } };

test("contiguous copies views only", async (t, gpu) => {
  const x = fromArray(gpu, randomArray(1, 15), [3, 5]);
  t.equal(contiguous(x), x, "a dense tensor is returned as it is");
  t.ok(contiguous(x.slice(0, 1, 1)) !== x, "a slice that no binding can start at is copied");
  await checkOp(t, gpu, "transposed", {
    inputs: [{ shape: [3, 5], data: randomArray(2, 15) }],
    gpu: (input) => contiguous(input!.transpose()),
    reference: (input) => input!.map((_, i) => input![(i % 3) * 5 + Math.floor(i / 3)]!),
    tolerance,
  });
});

test("views of integers are made dense and written, with all 32 bits", async (t, gpu) => {
  const large = [0, 1, 2 ** 24 + 1, 2 ** 31 + 3, 2 ** 32 - 1, 7];
  const words = fromArray(gpu, large, [2, 3], "u32");
  t.same(
    [...(await contiguous(words.transpose()).read())],
    [0, 3, 1, 4, 2, 5].map((i) => large[i]),
    "u32: a transposed view",
  );
  const signed = fromArray(gpu, [-1, 2, -(2 ** 31), 2 ** 31 - 1, -5, 0], [2, 3], "i32");
  t.same([...(await contiguous(signed.slice(1, 1, 2)).read())], [2, -(2 ** 31), -5, 0], "i32: a slice");
  copyInto(words.slice(1, 0, 2), fromArray(gpu, [9, 8, 2 ** 32 - 2, 6], [2, 2], "u32"));
  t.same([...(await words.read())], [9, 8, large[2], 2 ** 32 - 2, 6, 7], "u32: into a slice");
  await t.throwsMessage(
    () => copyInto(empty(gpu, [2, 3], "f32", "floats"), words),
    /copy: tensor is u32, floats f32/,
    "types are not mixed",
  );
});

test("concat along every axis", async (t, gpu) => {
  for (const axis of [0, 1, -1]) {
    const along = axis < 0 ? 2 : axis;
    const shapes = [1, 3, 2].map((length) => [2, 3, 4].map((other, i) => (i === along ? length : other)));
    const inner = [12, 4, 1][along]!;
    await checkOp(t, gpu, `axis ${axis}`, {
      inputs: shapes.map((shape, i) => ({
        shape,
        data: randomArray(
          i,
          shape.reduce((p, q) => p * q, 1),
        ),
      })),
      gpu: (...tensors) => concat(tensors, axis),
      reference: (...arrays) => {
        const blocks = arrays.map((_, i) => shapes[i]![along]! * inner);
        const rows = arrays[0]!.length / blocks[0]!;
        return Float64Array.from(
          Array.from({ length: rows }, (_, row) =>
            arrays.flatMap((array, i) => [...array.slice(row * blocks[i]!, (row + 1) * blocks[i]!)]),
          ).flat(),
        );
      },
      tolerance,
    });
  }
  await checkOp(t, gpu, "a tensor with itself", {
    inputs: [{ shape: [3], data: randomArray(9, 3) }],
    gpu: (x) => concat([x!, x!], 0),
    reference: (x) => Float64Array.from([...x!, ...x!]),
    tolerance,
  });
});

test("copyInto and fill", async (t, gpu) => {
  const target = empty(gpu, [3, 65]);
  fill(target, 2.5);
  copyInto(target.slice(1, 4, 2), fromArray(gpu, [1, 2, 3, 4, 5, 6], [2, 3]).transpose());
  const expected = new Float64Array(195).fill(2.5);
  [1, 4, 2, 5, 3, 6].forEach((value, i) => {
    expected[Math.floor(i / 2) * 65 + 4 + (i % 2)] = value;
  });
  t.near(await target.read(), expected, {}, "values");
  await t.throwsMessage(
    () => copyInto(target, empty(gpu, [3, 64])),
    /\[3, 65\].*\[3, 64\] differ/,
    "shapes are compared",
  );
});
