/**
 * Kernels write the elements that they own and no others, at sizes that four does not divide. The shared device watches
 * what lies behind every tensor that a kernel writes (`gpu/poison.ts`); here neighbours are looked at, too.
 */

import { Module } from "../../../dist/engine/nn/module.js";
import { PackedParameters } from "../../../dist/engine/nn/parameters.js";
import * as elementwise from "../../../dist/engine/ops/elementwise.js";
import { layerNorm } from "../../../dist/engine/ops/layer-norm.js";
import { linear, matmul } from "../../../dist/engine/ops/matmul.js";
import { sum } from "../../../dist/engine/ops/reduce.js";
import { AdamW } from "../../../dist/engine/optim/adamw.js";
import { backward } from "../../../dist/engine/tensor/autograd.js";
import { fromArray, type Tensor } from "../../../dist/engine/tensor/tensor.js";
import { float16Test, randomArray, test } from "../../harness.js";
import * as reference from "../../reference/dense.js";

const { add } = elementwise;
const sizes = [1, 2, 3, 5, 7, 17, 19, 65, 67];

/** f′ by central differences. */
const slope = (f: (x: number) => number, x: number) => (f(x + 1e-6) - f(x - 1e-6)) / 2e-6;

test("gradients of slices within slices, whatever their lengths", async (t, gpu) => {
  const { unary, binary } = reference;
  const ops: Record<string, { of: (x: Tensor) => Tensor; value: (x: number) => number }> = {};
  const { exp, log, sqrt, square, silu, tanh, mul, div, maximum } = elementwise;
  for (const [name, of] of Object.entries({ exp, log, sqrt, square, silu, tanh }))
    ops[name] = { of, value: unary[name]! };
  for (const [name, op] of Object.entries({ add, mul, div, maximum })) {
    const of = (x: Tensor) => op(x, elementwise.scale(x.detach(), 0, 1.5));
    ops[name] = { of, value: (x) => binary[name]!(x, 1.5) };
  }
  const data = randomArray(1, 131).map((x) => Math.abs(x) + 0.1);
  const wrong: string[] = [];
  for (const [name, { of, value }] of Object.entries(ops)) {
    for (const size of sizes) {
      for (const inner of sizes.filter((length) => length <= size).slice(-2)) {
        const x = fromArray(gpu, data, [131]).requireGrad();
        gpu.scope(() => {
          const outerPart = x.slice(0, 0, size);
          const innerPart = outerPart.slice(0, 0, inner);
          backward(add(add(sum(outerPart), sum(innerPart)), sum(of(innerPart))));
        });
        const gradient = await x.grad!.read();
        const expected = data.map((v, i) => (i < inner ? 2 + slope(value, v) : i < size ? 1 : 0));
        const bad = expected.findIndex((g, i) => !(Math.abs(g - gradient[i]!) <= 1e-4 * (1 + Math.abs(g))));
        if (bad >= 0)
          wrong.push(`${name}, ${inner} of ${size}: ${gradient[bad]} for ${expected[bad]} at ${bad}`);
        x.grad!.dispose();
        x.dispose();
      }
    }
  }
  t.same(wrong, [], "every element of every gradient");
});

class Vectors extends Module {
  readonly vectors = sizes.map((size) => this.parameter(`v${size}`, [size], () => new Float32Array(size)));
}

test("the norm of packed gradients counts no gaps", async (t, gpu) => {
  const model = new Vectors(gpu);
  model.initialise(1);
  const packed = PackedParameters.of(model)[0]!;
  const adamw = new AdamW({ gpu, packs: [packed], clip: 1 });
  const total = sizes.reduce((all, size) => all + size, 0);
  for (const [name, op] of [
    ["exp", elementwise.exp],
    ["x·(x + 1)", (x: Tensor) => elementwise.mul(x, elementwise.scale(x, 1, 1))],
  ] as const) {
    packed.zeroGrad();
    gpu.scope(() => backward(model.vectors.map((vector) => sum(op(vector))).reduce(add)));
    packed.completeGradients();
    adamw.setSchedule({ learningRate: 0, step: 1 });
    adamw.step();
    t.near((await adamw.norm.read()).slice(0, 1), [Math.sqrt(total)], { rel: 1e-6 }, `under ${name}`);
    let place = 0;
    const gradients = await packed.gradients.read();
    const gaps = sizes.flatMap((size) => {
      const start = place;
      place = start + 64 * Math.ceil(size / 64);
      return [...gradients.slice(start + size, place)];
    });
    t.ok(gaps.length > 0 && gaps.every((value) => value === 0), "gaps are zero");
  }
  adamw.dispose();
  packed.dispose();
  model.dispose();
});

float16Test("halves: results and gradients at all sizes", async (t, gpu) => {
  const wrong: string[] = [];
  for (const size of sizes) {
    const ones = new Float64Array(size).fill(1);
    const data = randomArray(size, 3 * size, 0.5).map((x) => Math.round(x * 256) / 256);
    const x = fromArray(gpu, data, [3, size], "f16", "x").requireGrad();
    const gain = fromArray(gpu, ones, [size], "f32", "gain").requireGrad();
    const zero = fromArray(gpu, new Float64Array(size), [size]);
    const [product, sums, norm] = gpu.scope(() => {
      const column = fromArray(gpu, ones, [size, 1], "f16");
      const same = fromArray(gpu, ones, [1, size], "f16");
      const rowSums = matmul(x, column, { output: "f16" });
      const active = linear(rowSums, same, zero, { activation: "silu", output: "f16" });
      const normed = layerNorm(fromArray(gpu, data, [3, size]), gain, zero, { output: "f16" });
      backward(add(sum(matmul(active, column)), sum(matmul(normed, column))));
      return [active, rowSums, normed];
    });
    const [values, halves, gradient] = [await product!.read(), await sums!.read(), await x.grad!.read()];
    for (let row = 0; row < 3; row++) {
      const total = data.slice(row * size, (row + 1) * size).reduce((a, b) => a + b, 0);
      const silu = (z: number) => z / (1 + Math.exp(-z));
      const near = (actual: number, expected: number) =>
        Math.abs(actual - expected) <= 2e-2 + 4e-3 * Math.abs(expected);
      const ok =
        near(halves[row]!, total) &&
        [...values.slice(row * size, (row + 1) * size)].every((value) => near(value, silu(total))) &&
        [...gradient.slice(row * size, (row + 1) * size)].every((value) =>
          near(value / size, slope(silu, total)),
        );
      if (!ok) wrong.push(`${size}, row ${row}`);
    }
    if (!(await norm!.read()).every(Number.isFinite)) wrong.push(`${size}, norm`);
    if (!(await gain.grad!.read()).every(Number.isFinite)) wrong.push(`${size}, gain`);
    for (const tensor of [x.grad!, gain.grad!, x, gain, zero, product!, sums!, norm!]) tensor.dispose();
  }
  t.same(wrong, [], "every size");
});
