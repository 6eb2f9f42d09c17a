/** Matrix products and fully connected layers. */

import { linear, matmul } from "../../dist/engine/index.js";
import { at } from "../numbers.js";
import { forward, input, roundedToHalf, withGradients } from "../problem.js";
import * as reference from "../reference.js";

/** @import { Case, Family } from "../types.js" */

/**
 * @param {string} name
 * @param {{ m: number, k: number, n: number, batch?: number, ta?: boolean, tb?: boolean }} shape
 * @param {"f32" | "f16"} [dtype] Of both operands and the product.
 * @returns {Case<Record<"batch" | "m" | "k" | "n", number>>}
 */
function product(name, { m, k, n, batch = 1, ta = false, tb = false }, dtype = "f32") {
  const half = dtype === "f16";
  const large = batch * m * k * n > 2 ** 24;
  return {
    family: "matmul",
    name: `matmul ${name}${half ? " float16" : ""}`,
    needs: half ? "shader-f16" : undefined,
    size: { batch, m, k, n },
    checkSize: large ? { batch, m: Math.min(m, 129), k: Math.min(k, 257), n: Math.min(n, 131) } : undefined,
    flops: (s) => 2 * s.batch * s.m * s.k * s.n,
    bytes: (s) => (half ? 2 : 4) * s.batch * (s.m * s.k + s.k * s.n + s.m * s.n),
    // A float16 product is rounded to eleven bits.
    tolerance: half ? 2 ** -11 : 1e-5,
    build(gpu, s, random) {
      const kept = half ? roundedToHalf : (/** @type {Float32Array} */ values) => values;
      const a = kept(random.floats(s.batch * s.m * s.k));
      const b = kept(random.floats(s.batch * s.k * s.n));
      const stack = s.batch > 1 ? [s.batch] : [];
      const left = input(gpu, a, [...stack, ...(ta ? [s.k, s.m] : [s.m, s.k])], dtype);
      const right = input(gpu, b, [...stack, ...(tb ? [s.n, s.k] : [s.k, s.n])], dtype);
      const options = { transposeA: ta, transposeB: tb, output: dtype };
      return forward(
        [left, right],
        () => [matmul(left, right, options)],
        () => [reference.matmul(a, b, { m: s.m, k: s.k, n: s.n, batch: s.batch, ta, tb })],
      );
    },
  };
}

/**
 * @param {string} name
 * @param {{ rows: number, inputs: number, outputs: number }} size
 * @param {{ activation: "none" | "gelu2", gradients: boolean, dtype?: "f32" | "f16" }} options
 * @returns {Case<typeof size>}
 */
function layer(name, size, { activation, gradients, dtype = "f32" }) {
  const half = dtype === "f16";
  return {
    family: "linear",
    name: `linear ${name}${half ? " float16" : ""}${gradients ? ", gradients" : ""}`,
    needs: half ? "shader-f16" : undefined,
    size,
    checkSize: {
      rows: Math.min(size.rows, 67),
      inputs: Math.min(size.inputs, 515),
      outputs: Math.min(size.outputs, 643),
    },
    flops: (s) => (gradients ? 6 : 2) * s.rows * s.inputs * s.outputs,
    bytes(s) {
      const [x, y, weights] = [s.rows * s.inputs, s.rows * s.outputs, (s.inputs + 1) * s.outputs];
      // Gradients are float32, and so is the bias.
      return (half ? 2 : 4) * (x + y + weights) + (gradients ? 4 * (x + y + weights) : 0);
    },
    // The activation's argument is kept in float16 for the gradient too.
    tolerance: half ? 1e-3 : 2e-5,
    build(gpu, { rows, inputs, outputs }, random) {
      const kept = half ? roundedToHalf : (/** @type {Float32Array} */ values) => values;
      const x = kept(random.floats(rows * inputs));
      const w = kept(random.floats(inputs * outputs, 1 / Math.sqrt(inputs)));
      const bias = random.floats(outputs);
      const dy = random.floats(rows * outputs);
      const gx = input(gpu, x, [rows, inputs], dtype);
      const gw = input(gpu, w, [inputs, outputs], dtype);
      const gb = input(gpu, bias, [outputs]);
      const leaves = [gx, gw, gb];
      const op = () => linear(gx, gw, gb, { activation, output: dtype });
      const expected = () => {
        const before = reference
          .matmul(x, w, { m: rows, k: inputs, n: outputs })
          .map((value, i) => value + at(bias, i % outputs));
        const curved = activation === "gelu2";
        const d = Float64Array.from(
          dy,
          (value, i) => value * (curved ? reference.gelu2.slope(at(before, i)) : 1),
        );
        return [
          curved ? before.map(reference.gelu2.value) : before,
          ...(gradients
            ? [
                reference.matmul(d, w, { m: rows, k: outputs, n: inputs, tb: true }),
                reference.matmul(x, d, { m: inputs, k: rows, n: outputs, ta: true }),
                reference.columnSums(d, outputs),
              ]
            : []),
        ];
      };
      if (!gradients) return forward(leaves, () => [op()], expected);
      return withGradients(leaves, [], op, input(gpu, dy, [rows, outputs]), expected);
    },
  };
}

/**
 * A layer forward, and with its gradients.
 * @param {number} rows
 * @param {number} inputs
 * @param {number} outputs
 * @param {"none" | "gelu2"} activation
 */
function layers(rows, inputs, outputs, activation) {
  const name = `${rows}×${inputs}→${outputs}${activation === "none" ? "" : ` ${activation}`}`;
  return [false, true].map((gradients) => layer(name, { rows, inputs, outputs }, { activation, gradients }));
}

/** @param {number} n */
const cube = (n) => product(`${n}³`, { m: n, k: n, n });

/** A layer of the decoder's MLP with its gradients, in float16. */
const halfLayer = layer(
  "384×160→640 gelu2",
  { rows: 384, inputs: 160, outputs: 640 },
  { activation: "gelu2", gradients: true, dtype: "f16" },
);

/** @type {Family[]} */
export const families = [
  {
    name: "matmul",
    natural: "n × n × n",
    at: (n) => [cube(n)],
    small: [
      cube(64),
      cube(128),
      cube(256),
      product("65×129×33", { m: 65, k: 129, n: 33 }),
      product("8×256×256", { m: 8, k: 256, n: 256 }),
      product("16 of 32³", { batch: 16, m: 32, k: 32, n: 32 }),
    ],
    medium: [
      cube(512),
      product("512³", { m: 512, k: 512, n: 512 }, "f16"),
      cube(1024),
      product("512³ Aᵀ", { m: 512, k: 512, n: 512, ta: true }),
      product("512³ Bᵀ", { m: 512, k: 512, n: 512, tb: true }),
      product("384×160×1741", { m: 384, k: 160, n: 1741 }),
      product("8192×64×64", { m: 8192, k: 64, n: 64 }),
      product("16×512×512", { m: 16, k: 512, n: 512 }),
      product("64×8192×64 Aᵀ", { m: 64, k: 8192, n: 64, ta: true }),
      product("64 of 64³", { batch: 64, m: 64, k: 64, n: 64 }),
    ],
    large: [
      cube(2048),
      product("4096×512×2048", { m: 4096, k: 512, n: 2048 }),
      product("256×512×16384", { m: 256, k: 512, n: 16384 }),
      product("16×4096×4096", { m: 16, k: 4096, n: 4096 }),
    ],
  },
  {
    name: "linear",
    natural: "n rows, n → n with GELU2",
    at: (n) => layers(n, n, n, "gelu2"),
    small: layers(64, 64, 64, "none"),
    medium: [...layers(384, 160, 640, "gelu2"), halfLayer, ...layers(1024, 512, 512, "none")],
    // Of the blocks, of the condition's summary, of the VQ-VAE: what occurs in every block comes first.
    presets: [
      .../** @type {[number, number, number][]} */ ([
        [384, 96, 96],
        [384, 96, 288],
        [384, 96, 384],
        [384, 384, 96],
        [2304, 96, 192],
        [32, 1024, 384],
        [32, 384, 768],
        [2048, 96, 16],
        [1024, 24, 48],
        [1024, 48, 32],
        [32, 96, 128],
        [768, 128, 128],
        [768, 128, 384],
        [768, 128, 512],
        [768, 512, 128],
        [2304, 128, 256],
        [32, 512, 1024],
        [2048, 64, 128],
        [2048, 128, 64],
        [512, 64, 128],
      ]).map(([rows, inputs, outputs]) =>
        layer(
          `${rows}×${inputs}→${outputs}`,
          { rows, inputs, outputs },
          { activation: "none", gradients: true },
        ),
      ),
    ],
    large: layers(2048, 512, 2048, "gelu2"),
  },
];
