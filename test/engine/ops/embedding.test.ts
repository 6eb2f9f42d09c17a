import { checkIds, embedding } from "../../../dist/engine/ops/embedding.js";
import { backwardFrom } from "../../../dist/engine/tensor/autograd.js";
import { fromArray } from "../../../dist/engine/tensor/tensor.js";
import { checkOp, randomArray, test } from "../../harness.js";
import * as reference from "../../reference/embedding.js";

const tolerance = { forward: { abs: 1e-6 }, gradient: { abs: 1e-5, rel: 1e-4 } };

test("embedding with repeated, unused and out-of-range ids", async (t, gpu) => {
  for (const [shape, vocabulary, channels, values] of [
    [[1], 1, 1, [0]],
    [[2, 3], 5, 3, [4, 1, 4, 4, 0, 9]],
    [[3, 17], 7, 5, null],
  ] as const) {
    const count = shape.reduce((a: number, b: number) => a * b, 1);
    const ids = values ?? Array.from(randomArray(3, count, 2), (value) => Math.floor(Math.abs(value)));
    const idTensor = fromArray(gpu, ids, shape, "u32");
    await checkOp(t, gpu, `ids [${shape.join(", ")}], table [${vocabulary}, ${channels}]`, {
      inputs: [{ shape: [vocabulary, channels], data: randomArray(1, vocabulary * channels) }],
      gpu: (table) => embedding(table!, idTensor),
      reference: (table) => reference.embedding(table!, ids, channels),
      tolerance,
    });
  }
});

test("embedding with positions and a zero id", async (t, gpu) => {
  const ids = [2, 6, 2, 0, 3, 6, 6, 1, 2, 5];
  const idTensor = fromArray(gpu, ids, [2, 5], "u32");
  for (const zeroId of [undefined, 2, 6]) {
    await checkOp(t, gpu, `zero id ${zeroId}`, {
      inputs: [
        { shape: [6, 7], data: randomArray(1, 42) },
        { shape: [6, 7], data: randomArray(2, 42) },
      ],
      gpu: (table, positions) =>
        embedding(table!, idTensor, { positions: positions!, ...(zeroId === undefined ? {} : { zeroId }) }),
      reference: (table, positions) =>
        reference.embedding(table!, ids, 7, {
          positions: positions!,
          length: 5,
          ...(zeroId === undefined ? {} : { zeroId }),
        }),
      tolerance,
    });
  }
});

test("embedding gradient over many stretches, twice, to the bit", async (t, gpu) => {
  const [count, vocabulary, channels] = [3001, 97, 6];
  const ids = Array.from(randomArray(5, count, 30), (value) => Math.floor(Math.abs(value)) % vocabulary);
  const dyData = randomArray(6, count * channels);
  const expected = new Float64Array(vocabulary * channels);
  ids.forEach((id, n) => {
    for (let c = 0; c < channels; c++) expected[id * channels + c]! += dyData[n * channels + c]!;
  });
  const table = fromArray(gpu, new Float32Array(vocabulary * channels), [vocabulary, channels]).requireGrad();
  const idTensor = fromArray(gpu, ids, [count], "u32");
  const dy = fromArray(gpu, dyData, [count, channels]);
  const once = () => gpu.scope(() => backwardFrom(embedding(table, idTensor), dy));
  once();
  const first = await table.grad!.read();
  t.near(first, expected, { abs: 1e-4, rel: 1e-5 }, "sum by id");
  // Other ids leave other lists in the pooled buffers; they must not leak into the next gradient.
  const others = fromArray(
    gpu,
    ids.map((id) => (id * 31 + 7) % vocabulary),
    [count],
    "u32",
  );
  gpu.scope(() => backwardFrom(embedding(table, others), dy));
  const second = await table.grad!.read();
  once();
  const third = await table.grad!.read();
  t.near(
    third,
    second.map((value, i) => value + first[i]!),
    { abs: 1e-6, rel: 1e-6 },
    "adds to what was there, from the same lists",
  );
  table.gradIsCurrent = false;
  once();
  t.same(await table.grad!.read(), first, "repeats to the bit");
});

test("embedding says what is wrong", async (t, gpu) => {
  const table = fromArray(gpu, randomArray(1, 12), [4, 3]);
  const ids = fromArray(gpu, [0, 3, 4], [3], "u32", "words");
  await t.throwsMessage(
    () => embedding(table, ids, { positions: table.reshape([3, 4]) }),
    /positions tensor \[3, 4\]/,
    "positions",
  );
  await t.throwsMessage(checkIds(ids, 4), /words \[3\]: element 2 is 4, the table has rows 0 to 3/, "ids");
  await checkIds(ids, 4, 4);
  t.ok(true, "the zero id is allowed");
});
