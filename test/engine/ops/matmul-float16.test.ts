import { cast } from "../../../dist/engine/ops/copy.js";
import { linear, matmul } from "../../../dist/engine/ops/matmul.js";
import { backwardFrom } from "../../../dist/engine/tensor/autograd.js";
import { float16ToFloat32, float32ToFloat16 } from "../../../dist/engine/tensor/float16.js";
import { fromArray } from "../../../dist/engine/tensor/tensor.js";
import { checkOp, randomArray, test } from "../../harness.js";
import * as reference from "../../reference/dense.js";
import { everyKernel } from "./matmul-kernels.js";

/** Numbers that float16 holds exactly, so that only what the kernels do is measured. */
const halves = (seed: number, length: number) =>
  Float64Array.from(float16ToFloat32(float32ToFloat16(Float32Array.from(randomArray(seed, length)))));

// Sums are float32: float16 operands cost nothing beyond their own rounding.
const asFloat32 = { forward: { abs: 1e-5, rel: 1e-5 }, gradient: { abs: 2e-5, rel: 2e-5 } };
/** A float16 result is rounded once, by at most half a place of eleven bits. */
const rounded = { abs: 1e-5, rel: 2 ** -11 };

const all = (
  name: string,
  body: Parameters<typeof everyKernel>[1],
  ...options: [{ without: "registers" }?]
) =>
  everyKernel(
    name,
    async (t, gpu) => {
      if (gpu.has("shader-f16")) await body(t, gpu);
      else t.comment("this device lacks the feature shader-f16");
    },
    ...options,
  );
// lavapipe takes minutes to compile the kernel in registers with an epilogue, and SwiftShader, which it is for, has no
// float16: of that kernel only the product itself is tested.
const exceptRegisters = { without: "registers" } as const;

// A software adapter compiles each combination of types, transpositions and alignment for a second or more: the tests
// take the combinations that training and captioning use, and leave the rest to those of float32.
all("float16 matmul, odd sizes, all transpositions", async (t, gpu) => {
  for (const [m, k, n] of [
    [3, 5, 2],
    [1, 65, 17],
    [8, 4, 12],
  ] as const) {
    for (const transposeA of [false, true]) {
      for (const transposeB of [false, true]) {
        await checkOp(t, gpu, `${m}×${k}×${n}, A${transposeA ? "ᵀ" : ""} B${transposeB ? "ᵀ" : ""}`, {
          inputs: [
            { shape: transposeA ? [k, m] : [m, k], data: halves(1, m * k) },
            { shape: transposeB ? [n, k] : [k, n], data: halves(2, k * n) },
          ],
          gpu: (a, b) => matmul(cast(a!, "f16"), cast(b!, "f16"), { transposeA, transposeB, output: "f16" }),
          reference: (a, b) => reference.matmul(a!, b!, { m, k, n }, { a: transposeA, b: transposeB }),
          tolerance: { ...asFloat32, forward: rounded },
          gradientOf: [m === 3 && !transposeA, m === 3 && !transposeB],
        });
      }
    }
  }
});

all("batches and views of float16", async (t, gpu) => {
  const size = { batch: 6, m: 3, k: 4, n: 5 };
  await checkOp(t, gpu, "one matrix for all batches", {
    inputs: [
      { shape: [2, 3, 3, 4], data: halves(5, 72) },
      { shape: [4, 5], data: halves(6, 20) },
    ],
    gpu: (x, y) => matmul(cast(x!, "f16"), cast(y!, "f16")),
    reference: (x, y) => reference.matmul(x!, y!, { ...size, repeatB: true }),
    tolerance: asFloat32,
  });
  await checkOp(t, gpu, "slices", {
    inputs: [{ shape: [7, 9], data: halves(7, 63) }],
    gpu: (x) => {
      const half = cast(x!, "f16");
      return matmul(half.slice(0, 2, 3).slice(1, 1, 5), half.slice(1, 4, 5).slice(0, 1, 5));
    },
    reference: (x) => {
      const at = (row: number, column: number) => x![row * 9 + column]!;
      const left = Float64Array.from({ length: 15 }, (_, i) => at(2 + Math.floor(i / 5), 1 + (i % 5)));
      const right = Float64Array.from({ length: 25 }, (_, i) => at(1 + Math.floor(i / 5), 4 + (i % 5)));
      return reference.matmul(left, right, { m: 3, k: 5, n: 5 });
    },
    tolerance: asFloat32,
  });
});

all(
  "float16 linear: bias, activation, residual, gradients of everything",
  async (t, gpu) => {
    const rows = 6;
    for (const [inputs, outputs] of [
      [5, 7],
      [8, 12],
    ] as const) {
      const operands = [
        { shape: [2, 3, inputs], data: halves(8, rows * inputs) },
        { shape: [inputs, outputs], data: halves(9, inputs * outputs) },
        { shape: [outputs], data: randomArray(10, outputs) },
        { shape: [2, 3, outputs], data: randomArray(11, rows * outputs) },
      ];
      const layer =
        (act: (z: number) => number) =>
        (x: Float64Array, w: Float64Array, b: Float64Array, r: Float64Array) =>
          reference
            .matmul(x, w, { m: rows, k: inputs, n: outputs })
            .map((z, i) => act(z + b[i % outputs]!) + r[i]!);
      await checkOp(t, gpu, `${inputs} → ${outputs}, to float32`, {
        inputs: operands,
        gpu: (x, w, b, r) => linear(cast(x!, "f16"), cast(w!, "f16"), b!, { residual: r! }),
        reference: (x, w, b, r) => layer((z) => z)(x!, w!, b!, r!),
        tolerance: asFloat32,
      });
      await checkOp(t, gpu, `${inputs} → ${outputs}, GELU2, to float16`, {
        inputs: operands,
        gpu: (x, w, b, r) =>
          linear(cast(x!, "f16"), cast(w!, "f16"), b!, { activation: "gelu2", residual: r!, output: "f16" }),
        reference: (x, w, b, r) => layer(reference.unary.gelu2!)(x!, w!, b!, r!),
        // The argument of the activation is kept in float16 too: its slope is off by as much, and a gradient sums up to
        // twelve of such errors.
        tolerance: { forward: rounded, gradient: { abs: 5e-3 } },
      });
    }
  },
  exceptRegisters,
);

all(
  "weight gradients of float16 activations over thousands of rows",
  async (t, gpu) => {
    const [rows, inputs, outputs] = [2051, 20, 12];
    const x = halves(12, rows * inputs);
    const dy = randomArray(13, rows * outputs);
    const weight = fromArray(gpu, halves(14, inputs * outputs), [inputs, outputs], "f16").requireGrad();
    const bias = fromArray(gpu, randomArray(15, outputs), [outputs]).requireGrad();
    const input = fromArray(gpu, x, [rows, inputs], "f16");
    backwardFrom(linear(input, weight, bias, { output: "f16" }), fromArray(gpu, dy, [rows, outputs]));
    t.equal(weight.grad!.dtype, "f32", "the gradient of a float16 weight is float32");
    const size = { m: inputs, k: rows, n: outputs };
    const expected = reference.matmul(x, dy, size, { a: true });
    // About √2051 products of normal numbers add up; in float16 sums the error would be some thousand times this.
    t.near(await weight.grad!.read(), expected, { abs: 1e-3, rel: 1e-5 }, "weight");
    const sums = reference.matmul(new Float64Array(rows).fill(1), dy, { ...size, m: 1 });
    t.near(await bias.grad!.read(), sums, { abs: 1e-3, rel: 1e-5 }, "bias");
    for (const tensor of [weight, bias]) tensor.grad!.dispose();
  },
  exceptRegisters,
);

test("float16 sums are float32: 4096 ones and a long tail of small numbers", async (t, gpu) => {
  if (!gpu.has("shader-f16")) return t.comment("this device lacks the feature shader-f16");
  // In float16, 2048 + 1 is 2048 and 1 + 2⁻¹² is 1.
  const ones = fromArray(gpu, new Float32Array(4096).fill(1), [1, 4096], "f16");
  t.near(await matmul(ones, ones.transpose()).read(), [4096], {}, "ones");
  const small = fromArray(gpu, [1, ...new Float32Array(4095).fill(2 ** -12)], [4096, 1], "f16");
  t.near(await matmul(ones, small).read(), [1 + 4095 * 2 ** -12], { rel: 1e-6 }, "a tail");
});
