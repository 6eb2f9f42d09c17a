/** Grids that one dimension does not hold are folded over two. */

import type { Gpu } from "../../../dist/engine/gpu/gpu.js";
import { adaLayerNorm } from "../../../dist/engine/ops/layer-norm.js";
import { linear, matmul } from "../../../dist/engine/ops/matmul.js";
import { backwardFrom } from "../../../dist/engine/tensor/autograd.js";
import { fromArray } from "../../../dist/engine/tensor/tensor.js";
import { checkOp, randomArray, test } from "../../harness.js";
import * as reference from "../../reference/dense.js";
import { everyKernel } from "./matmul-kernels.js";

const tolerance = { forward: { abs: 1e-5, rel: 1e-5 }, gradient: { abs: 1e-4, rel: 1e-4 } };

/** From here on the device seems to allow no more workgroups than these in a dimension. */
function limitGrids(gpu: Gpu, maxComputeWorkgroupsPerDimension: number): void {
  const { limits } = gpu;
  const value = new Proxy(limits, {
    get: (_, name) =>
      name === "maxComputeWorkgroupsPerDimension"
        ? maxComputeWorkgroupsPerDimension
        : limits[name as "maxBufferSize"],
  });
  Object.defineProperty(gpu, "limits", { value });
}

everyKernel("more tiles than a dimension of the grid holds", async (t, gpu) => {
  limitGrids(gpu, 9);
  for (const [name, batch, m, k, n] of [
    ["rows", 1, 700, 1, 1],
    ["columns", 1, 1, 2, 600],
    ["columns by vectors", 1, 3, 2, 1000],
    ["batches", 40, 1, 1, 2],
    ["rows and batches", 3, 70, 2, 70],
  ] as const) {
    const a = fromArray(gpu, randomArray(1, batch * m * k), [batch, m, k]);
    const b = fromArray(gpu, randomArray(2, batch * k * n), [batch, k, n]);
    const product = gpu.scope(() => matmul(a, b));
    const expected = reference.matmul(Float64Array.from(await a.read()), Float64Array.from(await b.read()), {
      batch,
      m,
      k,
      n,
    });
    t.near(await product.read(), expected, tolerance.forward, name);
  }
  await checkOp(t, gpu, "gradients of a linear layer with many rows", {
    inputs: [
      { shape: [300, 1], data: randomArray(3, 300) },
      { shape: [1, 2], data: randomArray(4, 2) },
      { shape: [2], data: randomArray(5, 2) },
    ],
    gpu: (x, weight, bias) => linear(x!, weight!, bias!),
    reference: (x, weight, bias) =>
      reference.matmul(x!, weight!, { m: 300, k: 1, n: 2 }).map((value, i) => value + bias![i % 2]!),
    tolerance,
  });
});

test("65,537 products of a batch, forward and backward", async (t, gpu) => {
  const batch = 65_537;
  const a = fromArray(gpu, randomArray(1, batch), [batch, 1, 1]).requireGrad();
  const b = fromArray(gpu, randomArray(2, batch), [batch, 1, 1]).requireGrad();
  const product = gpu.scope(() => {
    const c = matmul(a, b);
    backwardFrom(c, a.detach());
    return c.detach();
  });
  const [x, y] = [await a.read(), await b.read()];
  t.near(
    await product.read(),
    x.map((value, i) => value * y[i]!),
    { rel: 1e-6, abs: 1e-7 },
    "products",
  );
  t.near(
    await b.grad!.read(),
    x.map((value) => value * value),
    { rel: 1e-6, abs: 1e-7 },
    "gradient",
  );
  for (const tensor of [a.grad!, b.grad!, a, b, product]) tensor.dispose();
});

test("adaptive layer norm of 65,537 batch elements", async (t, gpu) => {
  const batch = 65_537;
  const x = fromArray(gpu, randomArray(1, 2 * batch), [batch, 1, 2]);
  const scaleShift = fromArray(gpu, randomArray(2, 4 * batch), [batch, 4]).requireGrad();
  const dy = fromArray(gpu, randomArray(3, 2 * batch), [batch, 1, 2]);
  gpu.scope(() => backwardFrom(adaLayerNorm(x, scaleShift), dy));
  const gradient = await scaleShift.grad!.read();
  const wanted = await dy.read();
  t.near(
    wanted.map((_, i) => gradient[4 * Math.floor(i / 2) + 2 + (i % 2)]!),
    wanted,
    { abs: 1e-6 },
    "the gradient of a shift is that of the output",
  );
  for (const tensor of [scaleShift.grad!, x, scaleShift, dy]) tensor.dispose();
});
