import { attention } from "../../../dist/engine/ops/attention.js";
import { add } from "../../../dist/engine/ops/elementwise.js";
import {
  maskedAttention,
  maskedCrossAttention,
  maskedSelfAttention,
} from "../../../dist/engine/ops/masked-attention.js";
import { backwardFrom } from "../../../dist/engine/tensor/autograd.js";
import { fromArray } from "../../../dist/engine/tensor/tensor.js";
import { checkOp, randomArray, test } from "../../harness.js";
import { type AttentionShape, part } from "../../reference/attention.js";
import { maskedAttention as reference } from "../../reference/masked-attention.js";

const tolerance = { forward: { abs: 2e-6, rel: 1e-5 }, gradient: { abs: 2e-5, rel: 1e-4 } };

interface Case extends AttentionShape {
  causal?: boolean;
  /** Shapes that broadcast to [B, H, T, S]. */
  mask?: number[];
  bias?: number[];
}

/** About a third hidden; the row of the first query is hidden wholly where the mask has one. */
function maskOf(shape: readonly number[]): Uint32Array {
  const size = shape.reduce((a, b) => a * b, 1);
  const keys = shape.at(-1)!;
  const random = randomArray(8, size);
  const perQuery = (shape.at(-2) ?? 1) > 1;
  return Uint32Array.from(random, (x, i) => (x > -0.4 && !(perQuery && i < keys) ? 1 : 0));
}

/** A bias varies along the keys: one that does not changes no weight. */
const cases: Case[] = [
  { batches: 2, queries: 5, keys: 5, heads: 2, width: 4, causal: true },
  { batches: 1, queries: 17, keys: 17, heads: 1, width: 3, causal: true },
  { batches: 1, queries: 3, keys: 9, heads: 3, width: 5, causal: true },
  { batches: 1, queries: 9, keys: 3, heads: 1, width: 8, causal: true },
  { batches: 2, queries: 1, keys: 7, heads: 2, width: 1, causal: true },
  { batches: 2, queries: 4, keys: 6, heads: 3, width: 2, mask: [4, 6] },
  { batches: 2, queries: 4, keys: 6, heads: 2, width: 4, mask: [2, 1, 1, 6] },
  { batches: 2, queries: 3, keys: 5, heads: 2, width: 7, mask: [2, 2, 3, 5], causal: true },
  { batches: 2, queries: 5, keys: 3, heads: 2, width: 4, bias: [2, 5, 3] },
  { batches: 2, queries: 3, keys: 5, heads: 2, width: 3, bias: [2, 2, 3, 5], mask: [3, 5] },
  { batches: 2, queries: 4, keys: 4, heads: 2, width: 6, bias: [4], causal: true },
  { batches: 2, queries: 3, keys: 4, heads: 2, width: 12, bias: [2, 1, 1, 4] },
  { batches: 2, queries: 3, keys: 3, heads: 3, width: 1, bias: [3, 1, 3], mask: [2, 1, 3, 3], causal: true },
  { batches: 1, queries: 2, keys: 2, heads: 1, width: 130 },
];

const size = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);

for (const each of cases) {
  const { batches, queries, keys, heads, width, causal, mask, bias } = each;
  const name = `masked attention ${batches}×${queries}×${keys}, ${heads} heads of ${width}${causal ? ", causal" : ""}${mask ? `, mask [${mask}]` : ""}${bias ? `, bias [${bias}]` : ""}`;
  test(name, async (t, gpu) => {
    const channels = heads * width;
    const input = (seed: number, shape: number[]) => ({ shape, data: randomArray(seed, size(shape)) });
    const q = input(1, [batches, queries, channels]);
    const k = input(2, [batches, keys, channels]);
    const v = input(3, [batches, keys, channels]);
    const b = bias ? [input(4, bias)] : [];
    const seen = mask ? maskOf(mask) : null;
    const maskTensor = mask ? fromArray(gpu, seen!, mask, "u32") : null;
    const given = mask ? { shape: mask, data: seen! } : null;
    const expected = (a: Float64Array, c: Float64Array, d: Float64Array, e?: Float64Array) =>
      reference(a, c, d, each, { causal, mask: given, bias: e ? { shape: bias!, data: e } : null }).output;
    const options = (e: Parameters<typeof add>[0] | undefined) => ({
      causal,
      mask: maskTensor,
      bias: e ?? null,
    });
    await checkOp(t, gpu, "apart", {
      inputs: [q, k, v, ...b],
      gpu: (a, c, d, e) => maskedAttention(a!, c!, d!, heads, options(e)).output,
      reference: (a, c, d, e) => expected(a!, c!, d!, e),
      tolerance,
    });
    await checkOp(t, gpu, "keys and values packed, used twice", {
      inputs: [q, input(5, [batches, keys, 2 * channels]), ...b],
      gpu: (a, kv, e) => {
        const one = () => maskedCrossAttention(a!, kv!, heads, options(e)).output;
        return add(one(), one());
      },
      reference: (a, kv, e) =>
        expected(a!, part(kv!, 0, 2, channels), part(kv!, 1, 2, channels), e).map((y) => 2 * y),
      tolerance,
    });
    if (queries === keys) {
      await checkOp(t, gpu, "packed", {
        inputs: [input(6, [batches, queries, 3 * channels]), ...b],
        gpu: (qkv, e) => maskedSelfAttention(qkv!, heads, options(e)).output,
        reference: (qkv, e) =>
          expected(part(qkv!, 0, 3, channels), part(qkv!, 1, 3, channels), part(qkv!, 2, 3, channels), e),
        tolerance,
      });
    }
    maskTensor?.dispose();
  });
}

test("masked attention: log-sum-exp, a scale, hidden rows give 0", async (t, gpu) => {
  const shape = { batches: 1, queries: 4, keys: 2, heads: 2, width: 3 };
  const [q, k, v] = [randomArray(1, 24), randomArray(2, 12), randomArray(3, 12)];
  const expected = reference(q, k, v, shape, { causal: true, scale: 0.3 });
  const { output, logSumExp } = gpu.scope(() => {
    const tensors = [
      fromArray(gpu, q, [1, 4, 6]),
      fromArray(gpu, k, [1, 2, 6]),
      fromArray(gpu, v, [1, 2, 6]),
    ];
    return maskedAttention(tensors[0]!, tensors[1]!, tensors[2]!, 2, { causal: true, scale: 0.3 });
  });
  t.near(await logSumExp.read(), expected.logSumExp, { abs: 1e-6, rel: 1e-6 }, "log-sum-exp");
  const rows = await output.read();
  t.near(rows, expected.output, { abs: 1e-6 }, "output");
  t.near(rows.slice(0, 12), new Float64Array(12), {}, "queries before the first key: 0");
  for (const tensor of [output, logSumExp]) tensor.dispose();
});

test("masked attention without a mask is attention", async (t, gpu) => {
  const shape = [2, 33, 64];
  const leaves = [1, 2, 3].map((seed) => fromArray(gpu, randomArray(seed, 2 * 33 * 64), shape).requireGrad());
  const [q, k, v] = leaves as [(typeof leaves)[0], (typeof leaves)[0], (typeof leaves)[0]];
  const dy = fromArray(gpu, randomArray(4, 2 * 33 * 64), shape);
  const pass = async (op: typeof attention | typeof maskedAttention) => {
    for (const leaf of leaves) leaf.gradIsCurrent = false;
    const output = gpu.scope(() => {
      const result = op(q, k, v, 4).output;
      backwardFrom(result, dy);
      return result.detach().keep();
    });
    const all = [await output.read()];
    for (const leaf of leaves) all.push(await leaf.grad!.read());
    output.dispose();
    return all;
  };
  const expected = await pass(attention);
  const actual = await pass(maskedAttention);
  actual.forEach((values, i) => {
    t.near(values, expected[i]!, { abs: 2e-6, rel: 2e-5 }, `${["output", "dq", "dk", "dv"][i]}`);
  });
  for (const leaf of leaves) {
    leaf.grad!.dispose();
    leaf.dispose();
  }
  dy.dispose();
});

test("masked attention: dispatches and memory", async (t, gpu) => {
  const [length, channels] = [96, 32];
  const qkv = fromArray(gpu, randomArray(1, length * 3 * channels), [1, length, 3 * channels]).requireGrad();
  const dy = fromArray(gpu, randomArray(2, length * channels), [1, length, channels]);
  const pass = () => gpu.scope(() => backwardFrom(maskedSelfAttention(qkv, 4, { causal: true }).output, dy));
  pass();
  await gpu.idle();
  const before = gpu.counters.dispatches;
  gpu.resetPeakMemory();
  const { liveBytes } = gpu.memory;
  pass();
  await gpu.idle();
  t.equal(gpu.counters.dispatches - before, 4, "forward, delta, queries, keys and values");
  t.ok(
    gpu.memory.peakBytes - liveBytes < 4 * length * length * 4,
    "less than the T×S matrices of four heads",
  );
  qkv.grad!.dispose();
  qkv.dispose();
  dy.dispose();
});

test("masked attention says what does not fit", async (t, gpu) => {
  const x = (...shape: number[]) => fromArray(gpu, new Float32Array(size(shape)), shape, "f32", "x");
  const tensors = [x(1, 2, 6), x(1, 3, 6), x(2, 3, 6), x(1, 2, 7), x(3, 3), x(2, 6)];
  const [q, k, other, odd, bias, flat] = tensors as [
    (typeof tensors)[0],
    (typeof tensors)[0],
    (typeof tensors)[0],
    (typeof tensors)[0],
    (typeof tensors)[0],
    (typeof tensors)[0],
  ];
  const mask = fromArray(gpu, [1, 1], [2, 1, 1, 1], "u32", "seen");
  await t.throwsMessage(
    () => maskedAttention(q, k, k, 4),
    /6 channels cannot be split into 4 heads/,
    "heads",
  );
  await t.throwsMessage(() => maskedAttention(q, other, other, 2), /batch sizes 1 and 2 differ/, "batch");
  await t.throwsMessage(() => maskedAttention(flat, k, k, 2), /three axes/, "rank");
  await t.throwsMessage(() => maskedSelfAttention(odd, 1), /3 must divide it/, "packed");
  await t.throwsMessage(() => maskedCrossAttention(q, k, 1), /last axis of kv must be 12/, "packed kv");
  await t.throwsMessage(
    () => maskedAttention(q, k, k, 2, { bias }),
    /the bias x \[3, 3\] does not broadcast to \[1, 2, 2, 3\]/,
    "bias",
  );
  await t.throwsMessage(() => maskedAttention(q, k, k, 2, { mask }), /the mask seen \[2, 1, 1, 1\]/, "mask");
  for (const tensor of [...tensors, mask]) tensor.dispose();
});
