import * as kernels from "../../../dist/engine/gpu/kernels.generated.js";
import { adaLayerNorm, layerNorm } from "../../../dist/engine/ops/layer-norm.js";
import { backwardFrom } from "../../../dist/engine/tensor/autograd.js";
import { empty, fromArray } from "../../../dist/engine/tensor/tensor.js";
import { checkOp, randomArray, test } from "../../harness.js";
import * as reference from "../../reference/normalisation.js";

const tolerance = { forward: { abs: 5e-6, rel: 1e-5 }, gradient: { abs: 3e-5, rel: 3e-4 } };
const epsilon = 1e-5;

test("layer norm, odd sizes", async (t, gpu) => {
  for (const [rows, width] of [
    [1, 3],
    [3, 17],
    [65, 3],
    [2, 65],
  ] as const) {
    await checkOp(t, gpu, `${rows}×${width}`, {
      inputs: [
        { shape: [rows, width], data: randomArray(1, rows * width) },
        { shape: [width], data: randomArray(2, width) },
        { shape: [width], data: randomArray(3, width) },
      ],
      gpu: (x, weight, bias) => layerNorm(x!, weight!, bias!, { epsilon }),
      reference: (x, weight, bias) => reference.layerNorm(x!, weight!, bias!, epsilon),
      tolerance,
    });
  }
});

test("one tensor as weight and bias gets both gradients", async (t, gpu) => {
  await checkOp(t, gpu, "layer norm", {
    inputs: [
      { shape: [3, 5], data: randomArray(1, 15) },
      { shape: [5], data: randomArray(2, 5) },
    ],
    gpu: (x, both) => layerNorm(x!, both!, both!, { epsilon }),
    reference: (x, both) => reference.layerNorm(x!, both!, both!, epsilon),
    tolerance,
  });
});

test("adaptive layer norm", async (t, gpu) => {
  for (const [batches, positions, width] of [
    [1, 1, 3],
    [3, 5, 7],
    [2, 1, 17],
  ] as const) {
    await checkOp(t, gpu, `B${batches} T${positions} C${width}`, {
      inputs: [
        { shape: [batches, positions, width], data: randomArray(4, batches * positions * width) },
        { shape: [batches, 2 * width], data: randomArray(5, batches * 2 * width) },
      ],
      gpu: (x, scaleShift) => adaLayerNorm(x!, scaleShift!, { epsilon }),
      reference: (x, scaleShift) => reference.adaLayerNorm(x!, scaleShift!, batches, width, epsilon),
      tolerance,
    });
  }
});

test("layer norm of a row far from zero, and of an outlier in front", async (t, gpu) => {
  const width = 257;
  const data = randomArray(6, 2 * width).map((value, i) =>
    i < width ? value + 1000 : i === width ? 500 : value,
  );
  const x = Float32Array.from(data);
  const y = layerNorm(
    fromArray(gpu, x, [2, width]),
    fromArray(gpu, new Float32Array(width).fill(1), [width]),
    fromArray(gpu, new Float32Array(width), [width]),
  );
  const expected = reference.normalise(Float64Array.from(x), width, 1e-5);
  t.near(await y.read(), expected, { abs: 2e-4, rel: 2e-4 }, "moments about the first element are stable");
});

test("layer norm adds to gradients that exist", async (t, gpu) => {
  const x = fromArray(gpu, randomArray(7, 51), [3, 17]).requireGrad();
  const weight = fromArray(gpu, randomArray(8, 17), [17]).requireGrad();
  const bias = fromArray(gpu, randomArray(9, 17), [17]).requireGrad();
  const dy = fromArray(gpu, randomArray(10, 51), [3, 17]);
  const once = () => gpu.scope(() => backwardFrom(layerNorm(x, weight, bias), dy));
  once();
  const first = await Promise.all([x, weight, bias].map((leaf) => leaf.grad!.read()));
  once();
  for (const [i, leaf] of [x, weight, bias].entries()) {
    const doubled = first[i]!.map((value) => 2 * value);
    t.near(await leaf.grad!.read(), doubled, { rel: 1e-6, abs: 1e-7 }, `input ${i} doubles`);
  }
});

test("layer norm kernels that share a row between lanes, as on a real GPU", async (t, gpu) => {
  const [rows, channels] = [5, 37];
  const data = randomArray(11, rows * channels);
  const [w, b] = [randomArray(12, channels), randomArray(13, channels)];
  const x = fromArray(gpu, data, [rows, channels]);
  const weight = fromArray(gpu, w, [channels]);
  const bias = fromArray(gpu, b, [channels]);
  const params = {
    rows,
    channels,
    rows_per_group: rows,
    group_stride: 0,
    shift_offset: 0,
    one: 0,
    epsilon,
    accumulate: 0,
  };
  for (const LANES of [8, 32]) {
    const options = { groups: gpu.groups1d(rows * LANES, 64), tune: { LANES, WORKGROUP: 64 } };
    const y = empty(gpu, [rows, channels]);
    const stats = empty(gpu, [rows, 2]);
    gpu.run(
      kernels.layerNorm.forward,
      { input: x, factors: weight, shifts: bias, output: y, stats },
      params,
      options,
    );
    t.near(
      await y.read(),
      reference.layerNorm(data, w, b, epsilon),
      tolerance.forward,
      `forward, ${LANES} lanes`,
    );
    const dy = fromArray(gpu, randomArray(14, rows * channels), [rows, channels]);
    const [one, many] = [empty(gpu, [rows, channels]), empty(gpu, [rows, channels])];
    gpu.run(
      kernels.layerNorm.backwardInput,
      { input: x, factors: weight, dy, saved: stats, dx: one },
      params,
      {
        groups: gpu.groups1d(rows, 64),
        tune: { LANES: 1, WORKGROUP: 64 },
      },
    );
    gpu.run(
      kernels.layerNorm.backwardInput,
      { input: x, factors: weight, dy, saved: stats, dx: many },
      params,
      options,
    );
    t.near(await many.read(), await one.read(), { abs: 1e-6, rel: 1e-5 }, `backward, ${LANES} lanes`);
  }
});

test("layer norm says what is wrong with its shapes", async (t, gpu) => {
  const x = (...shape: number[]) => fromArray(gpu, new Float32Array(shape.reduce((a, b) => a * b, 1)), shape);
  await t.throwsMessage(() => layerNorm(x(2, 3), x(2), x(3)), /layerNorm: x tensor \[2, 3\]/, "weight");
  await t.throwsMessage(
    () => adaLayerNorm(x(2, 3, 4), x(2, 4)),
    /\[2, 8\], not tensor \[2, 4\]/,
    "scale and shift",
  );
});
