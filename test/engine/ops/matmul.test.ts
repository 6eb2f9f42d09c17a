import { add } from "../../../dist/engine/ops/elementwise.js";
import { linear, matmul } from "../../../dist/engine/ops/matmul.js";
import { fromArray, type Tensor } from "../../../dist/engine/tensor/tensor.js";
import { type Check, checkOp, randomArray, test } from "../../harness.js";
import * as reference from "../../reference/dense.js";
import { everyKernel as all } from "./matmul-kernels.js";

const tolerance = { forward: { abs: 1e-5, rel: 1e-5 }, gradient: { abs: 2e-5, rel: 2e-5 } };

all("matmul, odd sizes, all transpositions", async (t, gpu) => {
  for (const [m, k, n] of [
    [1, 1, 1],
    [3, 5, 2],
    [8, 4, 12],
    [17, 3, 1],
    [1, 9, 17],
  ] as const) {
    for (const transposeA of [false, true]) {
      for (const transposeB of [false, true]) {
        await checkOp(t, gpu, `${m}×${k}×${n}, A${transposeA ? "ᵀ" : ""} B${transposeB ? "ᵀ" : ""}`, {
          inputs: [
            { shape: transposeA ? [k, m] : [m, k], data: randomArray(1, m * k) },
            { shape: transposeB ? [n, k] : [k, n], data: randomArray(2, k * n) },
          ],
          gpu: (a, b) => matmul(a!, b!, { transposeA, transposeB }),
          reference: (a, b) => reference.matmul(a!, b!, { m, k, n }, { a: transposeA, b: transposeB }),
          tolerance,
        });
      }
    }
  }
});

all("matmul of batches and views", async (t, gpu) => {
  const size = { batch: 6, m: 3, k: 4, n: 5 };
  const a = randomArray(3, 72);
  const b = randomArray(4, 120);
  await checkOp(t, gpu, "batched", {
    inputs: [
      { shape: [2, 3, 3, 4], data: a },
      { shape: [2, 3, 4, 5], data: b },
    ],
    gpu: (x, y) => matmul(x!, y!),
    reference: (x, y) => reference.matmul(x!, y!, size),
    tolerance,
  });
  await checkOp(t, gpu, "one matrix for all batches", {
    inputs: [
      { shape: [2, 3, 3, 4], data: a },
      { shape: [4, 5], data: b.slice(0, 20) },
    ],
    gpu: (x, y) => matmul(x!, y!),
    reference: (x, y) => reference.matmul(x!, y!, { ...size, repeatB: true }),
    tolerance,
  });
  await checkOp(t, gpu, "transposed batches of a repeated operand", {
    inputs: [
      { shape: [1, 4, 3], data: a.slice(0, 12) },
      { shape: [6, 5, 4], data: b },
    ],
    gpu: (x, y) => matmul(x!, y!, { transposeA: true, transposeB: true }),
    reference: (x, y) => reference.matmul(x!, y!, { ...size, repeatA: true }, { a: true, b: true }),
    tolerance,
  });
  // [batch, time, heads, d] seen as [batch, heads, time, d]: two batch axes that do not merge.
  const [batch, heads, time, d] = [2, 3, 5, 4];
  const perHead = (x: Float64Array) =>
    Float64Array.from({ length: x.length }, (_, i) => {
      const [l, h, s, e] = [
        Math.floor(i / (heads * time * d)),
        Math.floor(i / (time * d)) % heads,
        Math.floor(i / d) % time,
        i % d,
      ];
      return x[((l * time + s) * heads + h) * d + e]!;
    });
  await checkOp(t, gpu, "attention scores of interleaved heads", {
    inputs: [1, 2].map((seed) => ({
      shape: [batch, time, heads, d],
      data: randomArray(seed, batch * time * heads * d),
    })),
    gpu: (q, k) => matmul(q!.transpose(1, 2), k!.transpose(1, 2), { transposeB: true }),
    reference: (q, k) =>
      reference.matmul(
        perHead(q!),
        perHead(k!),
        { batch: batch * heads, m: time, k: d, n: time },
        { b: true },
      ),
    tolerance,
  });
  await checkOp(t, gpu, "slices, and an operand used twice", {
    inputs: [{ shape: [7, 9], data: randomArray(5, 63) }],
    gpu: (x) => matmul(x!.slice(0, 2, 3).slice(1, 1, 5), x!.slice(1, 4, 5).slice(0, 1, 5)),
    reference: (x) => {
      const left = Float64Array.from(
        { length: 15 },
        (_, i) => x![(2 + Math.floor(i / 5)) * 9 + 1 + (i % 5)]!,
      );
      const right = Float64Array.from(
        { length: 25 },
        (_, i) => x![(1 + Math.floor(i / 5)) * 9 + 4 + (i % 5)]!,
      );
      return reference.matmul(left, right, { m: 3, k: 5, n: 5 });
    },
    tolerance,
  });
});

all("linear: bias, activations, residual, gradients of everything", async (t, gpu) => {
  const [rows, inputs, outputs] = [6, 5, 7];
  const x = { shape: [2, 3, inputs], data: randomArray(6, rows * inputs) };
  const weight = { shape: [inputs, outputs], data: randomArray(7, inputs * outputs) };
  const bias = { shape: [outputs], data: randomArray(8, outputs) };
  const residual = { shape: [2, 3, outputs], data: randomArray(9, rows * outputs) };
  const expected =
    (act: (z: number) => number, withResidual: boolean) =>
    (...a: Float64Array[]) =>
      reference
        .matmul(a[0]!, a[1]!, { m: rows, k: inputs, n: outputs })
        .map((z, i) => act(z + a[2]![i % outputs]!) + (withResidual ? a[3]![i]! : 0));
  for (const activation of ["none", "gelu2", "silu", "relu"] as const) {
    const act = activation === "none" ? (z: number) => z : reference.unary[activation]!;
    await checkOp(t, gpu, activation, {
      inputs: [x, weight, bias],
      gpu: (p, w, b) => linear(p!, w!, b!, { activation }),
      reference: expected(act, false),
      tolerance,
    });
    await checkOp(t, gpu, `${activation} with residual`, {
      inputs: [x, weight, bias, residual],
      gpu: (p, w, b, r) => linear(p!, w!, b!, { activation, residual: r! }),
      reference: expected(act, true),
      tolerance,
    });
  }
  await checkOp(t, gpu, "a layer applied twice adds up its gradients", {
    inputs: [
      { shape: [4, 5], data: randomArray(10, 20) },
      { shape: [5, 5], data: randomArray(11, 25) },
      { shape: [5], data: randomArray(12, 5) },
    ],
    gpu: (p, w, b) => add(linear(linear(p!, w!, b!, { activation: "silu" }), w!, b!), p!),
    reference: (p, w, b) => {
      const layer = (v: Float64Array) =>
        reference.matmul(v, w!, { m: 4, k: 5, n: 5 }).map((z, i) => z + b![i % 5]!);
      return layer(layer(p!).map(reference.unary.silu!)).map((y, i) => y + p![i]!);
    },
    tolerance,
  });
});

all("linear: the last columns of a tile", async (t, gpu) => {
  const [rows, inputs, outputs] = [17, 3, 31];
  await checkOp(t, gpu, "a bias on each of two tiles' columns", {
    inputs: [
      { shape: [rows, inputs], data: randomArray(13, rows * inputs) },
      { shape: [inputs, outputs], data: randomArray(14, inputs * outputs) },
      { shape: [outputs], data: randomArray(15, outputs) },
    ],
    gpu: (x, w, b) => linear(x!, w!, b!),
    reference: (x, w, b) =>
      reference.matmul(x!, w!, { m: rows, k: inputs, n: outputs }).map((z, i) => z + b![i % outputs]!),
    tolerance,
  });
});

/** Σ |a|·|b| of every element: what its rounding error is bounded by, times eps and the length of the sum. */
function bound(
  a: Float64Array,
  b: Float64Array,
  size: { m: number; k: number; n: number },
  transpose: { a?: boolean; b?: boolean },
) {
  return reference.matmul(a.map(Math.abs), b.map(Math.abs), size, transpose);
}

async function nearProduct(
  t: Check,
  actual: Tensor,
  a: Float64Array,
  b: Float64Array,
  size: { m: number; k: number; n: number },
  transpose: { a?: boolean; b?: boolean },
  name: string,
) {
  const values = await actual.read();
  const expected = reference.matmul(a, b, size, transpose);
  // A sum of k float32 products in any order: |error| ≤ k·eps·Σ|a||b|, in practice about its square root.
  const limit = bound(a, b, size, transpose);
  const worst = expected.reduce(
    (most, value, i) => Math.max(most, Math.abs(values[i]! - value) / limit[i]!),
    0,
  );
  t.ok(
    worst <= 4 * Math.sqrt(size.k) * 2 ** -24,
    `${name}: largest error ${worst.toExponential(1)} of Σ|a||b|`,
  );
}

all("large products, and the parts of a long sum", async (t, gpu) => {
  for (const [m, k, n] of [
    [129, 67, 131],
    [256, 128, 96],
    [65, 1741, 33],
  ] as const) {
    const x = randomArray(13, m * k);
    const w = randomArray(14, k * n);
    const dy = randomArray(15, m * n);
    const [a, b, r] = [fromArray(gpu, x, [m, k]), fromArray(gpu, w, [k, n]), fromArray(gpu, dy, [m, n])];
    await nearProduct(t, matmul(a, b), x, w, { m, k, n }, {}, `${m}×${k}×${n}`);
    await nearProduct(
      t,
      matmul(r, b, { transposeB: true }),
      dy,
      w,
      { m, k: n, n: k },
      { b: true },
      `dY·Wᵀ of ${m}×${k}×${n}`,
    );
    await nearProduct(
      t,
      matmul(a, r, { transposeA: true }),
      x,
      dy,
      { m: k, k: m, n },
      { a: true },
      `Xᵀ·dY of ${m}×${k}×${n}`,
    );
  }
});

all("weight and bias gradients over thousands of rows", async (t, gpu) => {
  const [rows, inputs, outputs] = [2051, 20, 12];
  const x = randomArray(16, rows * inputs);
  const w = randomArray(17, inputs * outputs);
  const dy = randomArray(18, rows * outputs);
  const input = fromArray(gpu, x, [rows, inputs]);
  const weight = fromArray(gpu, w, [inputs, outputs]).requireGrad();
  const bias = fromArray(gpu, randomArray(19, outputs), [outputs]).requireGrad();
  const { backwardFrom } = await import("../../../dist/engine/tensor/autograd.js");
  for (let pass = 1; pass <= 2; pass++) {
    backwardFrom(linear(input, weight, bias), fromArray(gpu, dy, [rows, outputs]));
    const scaled = dy.map((value) => pass * value);
    await nearProduct(
      t,
      weight.grad!,
      x,
      scaled,
      { m: inputs, k: rows, n: outputs },
      { a: true },
      `weight, pass ${pass}`,
    );
    await nearProduct(
      t,
      bias.grad!,
      new Float64Array(rows).fill(1),
      scaled,
      { m: 1, k: rows, n: outputs },
      {},
      `bias, pass ${pass}`,
    );
  }
});

test("wrong shapes are named", async (t, gpu) => {
  const a = fromArray(gpu, new Float32Array(6), [2, 3], "f32", "x");
  const b = fromArray(gpu, new Float32Array(20), [4, 5], "f32", "w");
  await t.throwsMessage(
    () => matmul(a, b),
    /x \[2, 3\] and b w \[4, 5\]: inner dimensions 3 and 4 differ/,
    "inner dimensions",
  );
  await t.throwsMessage(
    () => linear(a, b, null),
    /x \[2, 3\] and weight w \[4, 5\]: x is \[\.\.\., in\], the weight \[in, out\]/,
    "linear",
  );
});
