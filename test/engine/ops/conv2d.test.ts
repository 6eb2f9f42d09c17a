import { Gpu } from "../../../dist/engine/gpu/gpu.js";
import { conv2d, type Padding } from "../../../dist/engine/ops/conv2d.js";
import { backwardFrom } from "../../../dist/engine/tensor/autograd.js";
import { fromArray, type Tensor } from "../../../dist/engine/tensor/tensor.js";
import { checkOp, randomArray, test } from "../../harness.js";
import { type ConvolutionShape, referenceConv2d, referenceConv2dGradients } from "../../reference/conv2d.js";
import { fourLanesGpu } from "./matmul-kernels.js";

/** Sums of up to some hundred products of numbers near 1, in float32. */
const tolerance = { abs: 2e-5, rel: 2e-5 };

interface Case {
  name: string;
  x: [number, number, number, number];
  weight: [number, number, number, number];
  stride?: number;
  padding?: number | Partial<Padding>;
}

function shapeOf({ x, weight, stride = 1, padding = 0 }: Case): ConvolutionShape {
  const [batch, height, width, channels] = x;
  const [kernelHeight, kernelWidth, , outChannels] = weight;
  const side = (name: keyof Padding) => (typeof padding === "number" ? padding : (padding[name] ?? 0));
  const outHeight = Math.floor((height + side("top") + side("bottom") - kernelHeight) / stride) + 1;
  const outWidth = Math.floor((width + side("left") + side("right") - kernelWidth) / stride) + 1;
  const sizes = { batch, height, width, channels, kernelHeight, kernelWidth, outChannels };
  return { ...sizes, stride, top: side("top"), left: side("left"), outHeight, outWidth };
}

const cases: Case[] = [
  { name: "1×1", x: [2, 3, 3, 4], weight: [1, 1, 4, 8] },
  { name: "1×1, odd channels", x: [1, 3, 5, 3], weight: [1, 1, 3, 5] },
  { name: "3×3", x: [1, 5, 4, 4], weight: [3, 3, 4, 4], padding: 1 },
  { name: "3×3 on one pixel", x: [1, 1, 1, 4], weight: [3, 3, 4, 4], padding: 1 },
  { name: "4×4 stride 2", x: [1, 6, 6, 4], weight: [4, 4, 4, 4], stride: 2, padding: 1 },
  { name: "4×4 stride 2, odd image", x: [1, 7, 5, 1], weight: [4, 4, 1, 3], stride: 2, padding: 1 },
  {
    name: "3×3 stride 2, padded at the bottom and right only",
    x: [2, 4, 5, 4],
    weight: [3, 3, 4, 4],
    stride: 2,
    padding: { bottom: 1, right: 1 },
  },
  {
    name: "stride 3 larger than the kernel, asymmetric padding",
    x: [1, 7, 8, 3],
    weight: [2, 1, 3, 2],
    stride: 3,
    padding: { top: 2, left: 1 },
  },
  {
    name: "odd channels, stride 2, every side padded differently",
    x: [1, 5, 6, 3],
    weight: [3, 4, 3, 2],
    stride: 2,
    padding: { top: 1, left: 2, right: 1 },
  },
];

for (const convolution of cases) {
  test(`conv2d ${convolution.name}`, async (t, gpu) => {
    const shape = shapeOf(convolution);
    const { x, weight, stride, padding } = convolution;
    const size = (lengths: number[]) => lengths.reduce((a, b) => a * b, 1);
    const input = { shape: x, data: randomArray(1, size(x)) };
    const filter = { shape: weight, data: randomArray(2, size(weight)) };
    const bias = { shape: [weight[3]], data: randomArray(3, weight[3]) };
    const options = { ...(stride ? { stride } : {}), ...(padding ? { padding } : {}) };
    await checkOp(t, gpu, "with bias", {
      inputs: [input, filter, bias],
      gpu: (a, w, b) => conv2d(a!, w!, { ...options, bias: b! }),
      reference: (a, w, b) => referenceConv2d(shape, a!, w!, b),
      tolerance: { forward: tolerance, gradient: { abs: 1e-4, rel: 1e-4 } },
    });
    await checkOp(t, gpu, "without bias", {
      inputs: [input, filter],
      gpu: (a, w) => conv2d(a!, w!, options),
      reference: (a, w) => referenceConv2d(shape, a!, w!),
      tolerance: { forward: tolerance, gradient: { abs: 1e-4, rel: 1e-4 } },
      gradientOf: [true, false],
    });
  });
}

const large: Case[] = [
  { name: "several blocks of rows and columns", x: [3, 9, 10, 36], weight: [3, 3, 36, 68], padding: 1 },
  { name: "stride 2", x: [2, 17, 15, 12], weight: [4, 4, 12, 40], stride: 2, padding: 1 },
  { name: "odd channels", x: [2, 9, 17, 5], weight: [3, 3, 5, 33], padding: 1 },
  { name: "line of 65", x: [1, 1, 65, 8], weight: [1, 3, 8, 4], padding: { left: 1, right: 1 } },
];

async function checkLarge(
  t: Parameters<Parameters<typeof test>[1]>[0],
  gpu: Gpu,
  convolution: Case,
  label: string,
): Promise<void> {
  const shape = shapeOf(convolution);
  const { x, weight, stride = 1, padding = 0 } = convolution;
  const size = (lengths: readonly number[]) => lengths.reduce((a, b) => a * b, 1);
  const xs = randomArray(4, size(x));
  const ws = randomArray(5, size(weight), 0.2);
  const bs = randomArray(6, weight[3]);
  const leaves = [fromArray(gpu, xs, x), fromArray(gpu, ws, weight), fromArray(gpu, bs, [weight[3]])];
  const [input, filter, bias] = leaves.map((leaf) => leaf.requireGrad()) as [Tensor, Tensor, Tensor];
  const expected = referenceConv2d(shape, xs, ws, bs);
  const dys = randomArray(7, expected.length);
  const dy = fromArray(gpu, dys, [expected.length]);
  const pass = () =>
    gpu.scope(() => {
      const y = conv2d(input, filter, { stride, padding, bias });
      backwardFrom(y, dy.reshape(y.shape));
      return y.detach().keep();
    });
  const y = pass();
  t.near(await y.read(), expected, tolerance, `${label}: forward`);
  y.dispose();
  const { dx, dweight, dbias } = referenceConv2dGradients(shape, xs, ws, dys);
  const loose = { abs: 3e-4, rel: 1e-4 };
  t.near(await input.grad!.read(), dx, loose, `${label}: dx`);
  t.near(await filter.grad!.read(), dweight, loose, `${label}: dweight`);
  t.near(await bias.grad!.read(), dbias, loose, `${label}: dbias`);
  // A second pass adds to the gradients.
  pass().dispose();
  const twice = (values: Float64Array) => values.map((value) => 2 * value);
  t.near(await input.grad!.read(), twice(dx), loose, `${label}: dx accumulates`);
  t.near(await filter.grad!.read(), twice(dweight), loose, `${label}: dweight accumulates`);
  t.near(await bias.grad!.read(), twice(dbias), loose, `${label}: dbias accumulates`);
  for (const leaf of leaves) {
    leaf.grad!.dispose();
    leaf.dispose();
  }
  dy.dispose();
}

for (const convolution of large) {
  test(`conv2d larger: ${convolution.name}`, async (t, gpu) => {
    await checkLarge(t, gpu, convolution, "default");
  });
}

test("conv2d: lanes of 4, and the portable kernels at vector channel counts", async (t, gpu) => {
  const convolution: Case = { name: "", x: [2, 5, 6, 8], weight: [3, 3, 8, 12], stride: 2, padding: 1 };
  const limited = (features: string[], subgroupMinSize: number) => {
    // The same device, seen as one with fewer features.
    const { device } = gpu;
    return new Proxy(device, {
      get(target, name) {
        if (name === "features") return new Set(features);
        if (name === "adapterInfo") return { subgroupMinSize };
        const value = Reflect.get(target, name, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  };
  if (gpu.has("subgroups"))
    await checkLarge(t, Gpu.from(limited(["subgroups"], 4), { software: false }), convolution, "lanes of 4");
  await checkLarge(t, Gpu.from(limited([], 0), { software: true }), convolution, "portable");
});

test("conv2d in registers, for software adapters with subgroups of four lanes", async (t, shared) => {
  const gpu = await fourLanesGpu(shared);
  if (gpu.certainLanes !== 4) return t.comment("this device has no subgroups");
  for (const convolution of [...cases, ...large]) await checkLarge(t, gpu, convolution, convolution.name);
  await gpu.idle();
});

test("conv2d says which shapes do not fit", async (t, gpu) => {
  const x = fromArray(gpu, randomArray(1, 48), [1, 4, 4, 3]);
  const w = fromArray(gpu, randomArray(2, 36), [3, 3, 2, 2]);
  await t.throwsMessage(() => conv2d(x, w), /conv2d: .*\[1, 4, 4, 3\].*\[3, 3, 2, 2\].*3 and 2/, "channels");
  const w3 = fromArray(gpu, randomArray(2, 150), [5, 5, 3, 2]);
  await t.throwsMessage(() => conv2d(x, w3), /kernel is larger/, "kernel larger than the image");
  await t.throwsMessage(() => conv2d(x, w3, { stride: 0 }), /stride 0/, "stride");
  for (const tensor of [x, w, w3]) tensor.dispose();
});
