import {
  attention,
  attentionMap,
  crossAttention,
  selfAttention,
} from "../../../dist/engine/ops/attention.js";
import { backwardFrom } from "../../../dist/engine/tensor/autograd.js";
import { fromArray } from "../../../dist/engine/tensor/tensor.js";
import { checkOp, randomArray, test } from "../../harness.js";
import * as reference from "../../reference/attention.js";
import { testAll } from "./attention-kernels.js";

const tolerance = { forward: { abs: 2e-6, rel: 1e-5 }, gradient: { abs: 1e-5, rel: 1e-4 } };

testAll("attention on separate q, k, v, odd sizes", async (t, gpu) => {
  for (const [batches, queries, keys, heads, width] of [
    [1, 1, 1, 1, 4],
    [2, 3, 5, 1, 8],
    [1, 5, 3, 2, 12],
    [1, 2, 17, 1, 4],
    // Few heads with many keys, whose gradients are made in parts.
    [1, 3, 261, 1, 4],
    // More rows than one a lane is enough for, on one side and on both.
    [1, 67, 3, 1, 4],
    [1, 3, 67, 1, 4],
    [1, 66, 69, 2, 4],
  ] as const) {
    const shape = { batches, queries, keys, heads, width };
    const channels = heads * width;
    await checkOp(t, gpu, `B${batches} T${queries} S${keys} H${heads} D${width}`, {
      inputs: [
        { shape: [batches, queries, channels], data: randomArray(1, batches * queries * channels) },
        { shape: [batches, keys, channels], data: randomArray(2, batches * keys * channels) },
        { shape: [batches, keys, channels], data: randomArray(3, batches * keys * channels) },
      ],
      gpu: (q, k, v) => attention(q!, k!, v!, heads).output,
      reference: (q, k, v) => reference.attention(q!, k!, v!, shape).output,
      tolerance,
    });
  }
});

testAll("attention, forward only, at the sizes that models use", async (t, gpu) => {
  for (const [batches, queries, keys, heads, width] of [
    [2, 16, 16, 4, 32],
    [1, 77, 130, 2, 64],
    [1, 65, 3, 1, 128],
  ] as const) {
    const shape = { batches, queries, keys, heads, width };
    const channels = heads * width;
    const q = randomArray(1, batches * queries * channels);
    const k = randomArray(2, batches * keys * channels);
    const v = randomArray(3, batches * keys * channels);
    const expected = reference.attention(q, k, v, shape);
    const { output, logSumExp } = attention(
      fromArray(gpu, q, [batches, queries, channels]),
      fromArray(gpu, k, [batches, keys, channels]),
      fromArray(gpu, v, [batches, keys, channels]),
      heads,
    );
    const name = `B${batches} T${queries} S${keys} H${heads} D${width}`;
    t.near(await output.read(), expected.output, tolerance.forward, `${name}: output`);
    t.near(await logSumExp.read(), expected.logSumExp, { abs: 1e-5, rel: 1e-5 }, `${name}: log-sum-exp`);
  }
});

testAll(
  "self-attention on a packed projection, with a mask that hides all keys of one picture",
  async (t, gpu) => {
    const short = [1, 0, 1, 1, 0];
    const long = Array.from({ length: 67 }, (_, key) => Number(key % 3 > 0 && (key < 20 || key > 40)));
    for (const seen of [short, long]) {
      const length = seen.length;
      const shape = { batches: 2, queries: length, keys: length, heads: 1, width: 4 };
      const mask = [...seen, ...seen.map(() => 0)];
      const maskTensor = fromArray(gpu, mask, [2, length], "u32");
      await checkOp(t, gpu, `packed, ${length}`, {
        inputs: [{ shape: [2, length, 12], data: randomArray(4, 24 * length) }],
        gpu: (qkv) => selfAttention(qkv!, 1, { mask: maskTensor }).output,
        reference: (qkv) =>
          reference.attention(
            reference.part(qkv!, 0, 3, 4),
            reference.part(qkv!, 1, 3, 4),
            reference.part(qkv!, 2, 3, 4),
            shape,
            mask,
          ).output,
        tolerance,
      });
    }
  },
);

testAll("cross-attention on packed keys and values", async (t, gpu) => {
  const shape = { batches: 2, queries: 3, keys: 7, heads: 2, width: 4 };
  await checkOp(t, gpu, "packed", {
    inputs: [
      { shape: [2, 3, 8], data: randomArray(5, 48) },
      { shape: [2, 7, 16], data: randomArray(6, 224) },
    ],
    gpu: (q, kv) => crossAttention(q!, kv!, 2).output,
    reference: (q, kv) =>
      reference.attention(q!, reference.part(kv!, 0, 2, 8), reference.part(kv!, 1, 2, 8), shape).output,
    tolerance,
  });
  await checkOp(t, gpu, "only kv wants a gradient", {
    inputs: [
      { shape: [2, 3, 8], data: randomArray(5, 48) },
      { shape: [2, 7, 16], data: randomArray(6, 224) },
    ],
    gpu: (q, kv) => crossAttention(q!, kv!, 2).output,
    reference: (q, kv) =>
      reference.attention(q!, reference.part(kv!, 0, 2, 8), reference.part(kv!, 1, 2, 8), shape).output,
    tolerance,
    gradientOf: [false, true],
  });
});

testAll("attention adds to gradients that exist, and takes one tensor as q, k and v", async (t, gpu) => {
  const shape = { batches: 1, queries: 3, keys: 3, heads: 1, width: 8 };
  await checkOp(t, gpu, "q = k = v", {
    inputs: [{ shape: [1, 3, 8], data: randomArray(7, 24) }],
    gpu: (x) => attention(x!, x!, x!, 1).output,
    reference: (x) => reference.attention(x!, x!, x!, shape).output,
    tolerance,
  });
  const qkv = fromArray(gpu, randomArray(8, 72), [1, 3, 24]).requireGrad();
  const dy = fromArray(gpu, randomArray(9, 24), [1, 3, 8]);
  const once = () => gpu.scope(() => backwardFrom(selfAttention(qkv, 1).output, dy));
  once();
  const first = await qkv.grad!.read();
  once();
  t.near(
    await qkv.grad!.read(),
    first.map((value) => 2 * value),
    { rel: 1e-6, abs: 1e-7 },
    "a second pass doubles the gradient",
  );
});

testAll("a packed projection of few heads gets the gradient of its parts", async (t, gpu) => {
  const length = 261;
  const data = randomArray(15, 24 * length);
  const dy = fromArray(gpu, randomArray(16, 8 * length), [1, length, 8]);
  const packed = fromArray(gpu, data, [1, length, 24]).requireGrad();
  const parts = [0, 1, 2].map((i) =>
    fromArray(gpu, reference.part(data, i, 3, 8), [1, length, 8]).requireGrad(),
  );
  const once = () => gpu.scope(() => backwardFrom(selfAttention(packed, 2).output, dy));
  once();
  const first = await packed.grad!.read();
  gpu.scope(() => backwardFrom(attention(parts[0]!, parts[1]!, parts[2]!, 2).output, dy));
  for (const [i, { grad }] of parts.entries())
    t.same(
      reference.part(Float64Array.from(first), i, 3, 8),
      Float64Array.from(await grad!.read()),
      `part ${i}`,
    );
  once();
  const doubled = first.map((value) => 2 * value);
  t.near(await packed.grad!.read(), doubled, { rel: 1e-5, abs: 1e-6 }, "a second pass doubles it");
  for (const leaf of [packed, ...parts]) {
    leaf.grad!.dispose();
    leaf.dispose();
  }
  dy.dispose();
});

test("strided queries and keys are read in place, unaligned ones through a copy", async (t, gpu) => {
  const shape = { batches: 2, queries: 3, keys: 3, heads: 1, width: 4 };
  const packed = randomArray(10, 2 * 3 * 9);
  const x = fromArray(gpu, packed, [2, 3, 9]);
  const cut = (start: number) => {
    const values = new Float64Array(24);
    for (let r = 0; r < 6; r++) for (let c = 0; c < 4; c++) values[r * 4 + c] = packed[r * 9 + start + c]!;
    return values;
  };
  const { output } = attention(x.slice(2, 0, 4), x.slice(2, 3, 4), x.slice(2, 5, 4), 1);
  t.near(
    await output.read(),
    reference.attention(cut(0), cut(3), cut(5), shape).output,
    tolerance.forward,
    "unaligned slices",
  );
});

test("attention maps", async (t, gpu) => {
  const shape = { batches: 2, queries: 3, keys: 5, heads: 2, width: 8 };
  const qData = randomArray(11, 2 * 3 * 16);
  const kvData = randomArray(12, 2 * 5 * 32);
  const mask = [1, 1, 0, 1, 1, 0, 0, 0, 0, 0];
  const q = fromArray(gpu, qData, [2, 3, 16]);
  const kv = fromArray(gpu, kvData, [2, 5, 32]);
  const options = { mask: fromArray(gpu, mask, [2, 5], "u32") };
  const { logSumExp } = crossAttention(q, kv, 2, options);
  const expected = reference.attention(
    qData,
    reference.part(kvData, 0, 2, 16),
    reference.part(kvData, 1, 2, 16),
    shape,
    mask,
  );
  const map = attentionMap(q, kv.slice(2, 0, 16), logSumExp, 2, options);
  t.same(map.shape, [2, 2, 3, 5], "shape");
  t.near(await map.read(), expected.weights, { abs: 1e-6, rel: 1e-5 }, "weights");
  const mean = attentionMap(q, kv.slice(2, 0, 16), logSumExp, 2, { ...options, meanOverHeads: true });
  const expectedMean = new Float64Array(30);
  for (let b = 0; b < 2; b++) {
    for (let i = 0; i < 15; i++)
      expectedMean[b * 15 + i] = (expected.weights[b * 30 + i]! + expected.weights[b * 30 + 15 + i]!) / 2;
  }
  t.near(await mean.read(), expectedMean, { abs: 1e-6, rel: 1e-5 }, "mean over heads");
});

test("attention says what is wrong with its shapes", async (t, gpu) => {
  const x = (...shape: number[]) => fromArray(gpu, new Float32Array(shape.reduce((a, b) => a * b, 1)), shape);
  await t.throwsMessage(() => selfAttention(x(1, 2, 10), 1), /3 must divide/, "packed width");
  await t.throwsMessage(() => selfAttention(x(1, 2, 30), 1), /10 channels in 1 heads/, "head width");
  await t.throwsMessage(() => crossAttention(x(1, 2, 8), x(1, 2, 8), 1), /must be 16/, "kv width");
  await t.throwsMessage(() => crossAttention(x(1, 2, 8), x(2, 2, 16), 1), /batch sizes 1 and 2/, "batch");
});

testAll("attention takes memory linear in length, and repeats to the bit", async (t, gpu) => {
  const length = 700;
  const qkv = fromArray(gpu, randomArray(13, length * 12), [1, length, 12]).requireGrad();
  const dy = fromArray(gpu, randomArray(14, length * 4), [1, length, 4]);
  const before = gpu.memory.liveBytes;
  gpu.resetPeakMemory();
  const once = () => gpu.scope(() => backwardFrom(selfAttention(qkv, 1).output, dy));
  once();
  const peak = gpu.memory.peakBytes - before;
  t.ok(peak < length * length, `${peak} bytes at the peak; a score matrix would take ${4 * length * length}`);
  const first = await qkv.grad!.read();
  qkv.gradIsCurrent = false;
  once();
  t.same(await qkv.grad!.read(), first, "the same gradient to the bit");
});
