import {
  attention,
  attentionMap,
  crossAttention,
  selfAttention,
} from "../../../dist/engine/ops/attention.js";
import { cast } from "../../../dist/engine/ops/copy.js";
import { backwardFrom } from "../../../dist/engine/tensor/autograd.js";
import { float16ToFloat32, float32ToFloat16 } from "../../../dist/engine/tensor/float16.js";
import { fromArray } from "../../../dist/engine/tensor/tensor.js";
import { checkOp, randomArray } from "../../harness.js";
import * as reference from "../../reference/attention.js";
import { testAll } from "./attention-kernels.js";

/** Numbers that float16 holds exactly, so that only what the kernels do is measured. */
const halves = (seed: number, length: number, scale = 1) =>
  Float64Array.from(float16ToFloat32(float32ToFloat16(Float32Array.from(randomArray(seed, length, scale)))));

/** An output is rounded once, by at most half a place of eleven bits, beside the errors of float32. */
const forward = { abs: 2e-6, rel: 2 ** -11 + 1e-5 };
/** dv does not depend on the output, so it is as in float32. */
const exact = { abs: 1e-5, rel: 1e-4 };
/** dq and dk read the rounded output, whose error a row of do multiplies; dk adds that up over as many as 67 queries. */
const throughOutput = { abs: 4e-3 };

const all: typeof testAll = (name, body) =>
  testAll(name, async (t, gpu) => {
    if (gpu.has("shader-f16")) await body(t, gpu);
    else t.comment("this device lacks the feature shader-f16");
  });

all("float16 attention on separate q, k, v, odd sizes", async (t, gpu) => {
  for (const [batches, queries, keys, heads, width] of [
    [1, 1, 1, 1, 4],
    [2, 3, 5, 1, 8],
    [1, 5, 3, 2, 12],
    [1, 2, 17, 1, 4],
    // More rows than one a lane is enough for.
    [1, 67, 3, 1, 4],
    [1, 3, 67, 1, 4],
  ] as const) {
    const shape = { batches, queries, keys, heads, width };
    const channels = heads * width;
    const check = {
      inputs: [
        { shape: [batches, queries, channels], data: halves(1, batches * queries * channels) },
        { shape: [batches, keys, channels], data: halves(2, batches * keys * channels) },
        { shape: [batches, keys, channels], data: halves(3, batches * keys * channels) },
      ],
      gpu: (...[q, k, v]: Parameters<typeof cast>[0][]) =>
        attention(cast(q!, "f16"), cast(k!, "f16"), cast(v!, "f16"), heads).output,
      reference: (...[q, k, v]: Float64Array[]) => reference.attention(q!, k!, v!, shape).output,
    };
    const name = `B${batches} T${queries} S${keys} H${heads} D${width}`;
    await checkOp(t, gpu, `${name}, v`, {
      ...check,
      tolerance: { forward, gradient: exact },
      gradientOf: [false, false, true],
    });
    await checkOp(t, gpu, `${name}, q and k`, {
      ...check,
      tolerance: { forward, gradient: throughOutput },
      gradientOf: [true, true, false],
    });
  }
});

all("sums over many keys are rounded once, whatever the width of a head", async (t, gpu) => {
  for (const [width, keys] of [
    [12, 701],
    [32, 701],
    [64, 701],
    [100, 301],
    [256, 101],
    [512, 101],
  ] as const) {
    const [queries, heads] = [3, 2];
    const shape = { batches: 1, queries, keys, heads, width };
    const channels = heads * width;
    // Weights all about the same, values about 1: what is added last is far below a place of the sum.
    const q = halves(4, queries * channels, 0.1);
    const k = halves(5, keys * channels, 0.1);
    const v = Float64Array.from(
      halves(6, keys * channels, 0.25),
      (value) => 1 + Math.round(value * 512) / 1024,
    );
    const expected = reference.attention(q, k, v, shape);
    const { output, logSumExp } = attention(
      fromArray(gpu, q, [1, queries, channels], "f16"),
      fromArray(gpu, k, [1, keys, channels], "f16"),
      fromArray(gpu, v, [1, keys, channels], "f16"),
      heads,
    );
    t.equal(output.dtype, "f16", "the output is float16");
    t.near(await output.read(), expected.output, forward, `width ${width}: output`);
    t.near(
      await logSumExp.read(),
      expected.logSumExp,
      { abs: 1e-5, rel: 1e-5 },
      `width ${width}: log-sum-exp`,
    );
  }
});

all("float16 gradients are those at the rounded output, to float32's accuracy", async (t, gpu) => {
  const [queries, keys, width] = [19, 67, 12];
  const scale = 1 / Math.sqrt(width);
  const [q, k, v] = [halves(15, queries * width), halves(16, keys * width), halves(17, keys * width)];
  const dy = randomArray(18, queries * width);
  const leaves = [q, k, v].map((data) =>
    fromArray(gpu, data, [1, data.length / width, width], "f16").requireGrad(),
  );
  const { output } = attention(leaves[0]!, leaves[1]!, leaves[2]!, 1);
  const rounded = await output.read();
  gpu.scope(() => backwardFrom(output, fromArray(gpu, dy, [1, queries, width])));
  const shape = { batches: 1, queries, keys, heads: 1, width };
  const { weights } = reference.attention(q, k, v, shape);
  const expected = [q, k, v].map((data) => new Float64Array(data.length));
  const [dq, dk, dv] = expected as [Float64Array, Float64Array, Float64Array];
  for (let i = 0; i < queries; i++) {
    for (let j = 0; j < keys; j++) {
      const p = weights[i * keys + j]!;
      let ds = 0; // do·v - do·o
      for (let d = 0; d < width; d++)
        ds += p * scale * dy[i * width + d]! * (v[j * width + d]! - rounded[i * width + d]!);
      for (let d = 0; d < width; d++) {
        dq[i * width + d]! += ds * k[j * width + d]!;
        dk[j * width + d]! += ds * q[i * width + d]!;
        dv[j * width + d]! += p * dy[i * width + d]!;
      }
    }
  }
  for (const [i, { grad }] of leaves.entries()) {
    t.near(await grad!.read(), expected[i]!, exact, `gradient of input ${i}`);
    grad!.dispose();
  }
});

all(
  "float16 self-attention on a packed projection, with a mask that hides a whole picture",
  async (t, gpu) => {
    const shape = { batches: 2, queries: 5, keys: 5, heads: 1, width: 4 };
    const mask = [1, 0, 1, 1, 0, 0, 0, 0, 0, 0];
    const maskTensor = fromArray(gpu, mask, [2, 5], "u32");
    await checkOp(t, gpu, "packed", {
      inputs: [{ shape: [2, 5, 12], data: halves(7, 120) }],
      gpu: (qkv) => selfAttention(cast(qkv!, "f16"), 1, { mask: maskTensor }).output,
      reference: (qkv) =>
        reference.attention(
          reference.part(qkv!, 0, 3, 4),
          reference.part(qkv!, 1, 3, 4),
          reference.part(qkv!, 2, 3, 4),
          shape,
          mask,
        ).output,
      tolerance: { forward, gradient: throughOutput },
    });
  },
);

all("float16 cross-attention on packed keys and values", async (t, gpu) => {
  const shape = { batches: 2, queries: 3, keys: 7, heads: 2, width: 4 };
  await checkOp(t, gpu, "packed", {
    inputs: [
      { shape: [2, 3, 8], data: halves(8, 48) },
      { shape: [2, 7, 16], data: halves(9, 224) },
    ],
    gpu: (q, kv) => crossAttention(cast(q!, "f16"), cast(kv!, "f16"), 2).output,
    reference: (q, kv) =>
      reference.attention(q!, reference.part(kv!, 0, 2, 8), reference.part(kv!, 1, 2, 8), shape).output,
    tolerance: { forward, gradient: throughOutput },
  });
});

all("scores beyond float16's range, and gradients that are float32", async (t, gpu) => {
  const shape = { batches: 1, queries: 2, keys: 3, heads: 1, width: 8 };
  // q·k is about 10⁵ and more; in float16 it would be infinite.
  const [q, k, v] = [halves(10, 16, 200), halves(11, 24, 200), halves(12, 24)];
  const leaves = [q, k, v].map((data, i) =>
    fromArray(gpu, data, [1, i === 0 ? 2 : 3, 8], "f16").requireGrad(),
  );
  const { output } = attention(leaves[0]!, leaves[1]!, leaves[2]!, 1);
  t.near(await output.read(), reference.attention(q, k, v, shape).output, forward, "output");
  gpu.scope(() => backwardFrom(output, fromArray(gpu, randomArray(13, 16), [1, 2, 8])));
  for (const { grad } of leaves) {
    t.equal(grad!.dtype, "f32", "gradient");
    t.ok((await grad!.read()).every(Number.isFinite), "finite");
    grad!.dispose();
  }
});

all("float16 views, unaligned ones through a copy, and attention maps", async (t, gpu) => {
  const shape = { batches: 2, queries: 3, keys: 3, heads: 1, width: 4 };
  const packed = halves(14, 2 * 3 * 9);
  const x = fromArray(gpu, packed, [2, 3, 9], "f16");
  const cut = (start: number) =>
    Float64Array.from({ length: 24 }, (_, i) => packed[Math.floor(i / 4) * 9 + start + (i % 4)]!);
  const [q, k, v] = [x.slice(2, 0, 4), x.slice(2, 3, 4), x.slice(2, 5, 4)];
  const expected = reference.attention(cut(0), cut(3), cut(5), shape);
  const { output, logSumExp } = attention(q, k, v, 1);
  t.near(await output.read(), expected.output, forward, "unaligned slices");
  const map = attentionMap(q, k, logSumExp, 1);
  t.equal(map.dtype, "f32", "a map is float32");
  t.near(await map.read(), expected.weights, { abs: 1e-6, rel: 1e-5 }, "weights");
  const mean = attentionMap(q, k, logSumExp, 1, { meanOverHeads: true });
  t.near(await mean.read(), expected.weights, { abs: 1e-6, rel: 1e-5 }, "mean over one head");
  const wide = fromArray(gpu, cut(0), [2, 3, 4], "f32", "queries");
  await t.throwsMessage(
    () => attention<"f32" | "f16">(wide, k, v, 1),
    /queries \[2, 3, 4\] is f32 and .* is f16: types differ/,
    "mixed element types",
  );
});
