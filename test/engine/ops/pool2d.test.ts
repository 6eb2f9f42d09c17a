import type { Padding } from "../../../dist/engine/ops/conv2d.js";
import { add } from "../../../dist/engine/ops/elementwise.js";
import { avgPool2d, maxPool2d } from "../../../dist/engine/ops/pool2d.js";
import { backwardFrom } from "../../../dist/engine/tensor/autograd.js";
import { fromArray, zeros } from "../../../dist/engine/tensor/tensor.js";
import { checkOp, randomArray, test } from "../../harness.js";
import { type PoolShape, pool2d } from "../../reference/pool2d.js";

interface Case {
  x: [number, number, number, number];
  kernel: number | [number, number];
  stride?: number | [number, number];
  padding?: number | Partial<Padding>;
}

const cases: Case[] = [
  { x: [2, 4, 6, 4], kernel: 2 },
  { x: [1, 5, 7, 3], kernel: 2 },
  { x: [2, 5, 5, 8], kernel: 3, stride: 2, padding: 1 },
  { x: [1, 7, 6, 1], kernel: 3, stride: 1, padding: { top: 1, right: 2 } },
  { x: [1, 3, 9, 5], kernel: [1, 4], stride: [2, 3], padding: { left: 1, right: 1 } },
  { x: [1, 4, 4, 3], kernel: [3, 2], stride: [3, 1], padding: { bottom: 2 } },
  { x: [2, 3, 2, 4], kernel: [3, 2] },
  { x: [1, 1, 17, 1], kernel: 1, stride: 2 },
];

function shapeOf({ x, kernel, stride = kernel, padding = 0 }: Case): PoolShape {
  const pair = (value: number | [number, number]): [number, number] =>
    typeof value === "number" ? [value, value] : value;
  const side = (name: keyof Padding) => (typeof padding === "number" ? padding : (padding[name] ?? 0));
  const [batch, height, width, channels] = x;
  const [kh, kw] = pair(kernel);
  const [sy, sx] = pair(stride);
  return {
    batch,
    height,
    width,
    channels,
    kernel: [kh, kw],
    stride: [sy, sx],
    top: side("top"),
    left: side("left"),
    outHeight: Math.floor((height + side("top") + side("bottom") - kh) / sy) + 1,
    outWidth: Math.floor((width + side("left") + side("right") - kw) / sx) + 1,
  };
}

const sum = (values: number[]) => values.reduce((a, b) => a + b, 0);
const tolerance = { forward: { abs: 1e-6, rel: 1e-6 }, gradient: { abs: 1e-5, rel: 1e-5 } };

for (const each of cases) {
  const { x: shape, ...options } = each;
  test(`pooling of [${shape}] ${JSON.stringify(options)}`, async (t, gpu) => {
    const s = shapeOf(each);
    const input = {
      shape,
      data: randomArray(
        1,
        shape.reduce((a, b) => a * b),
      ),
    };
    await checkOp(t, gpu, "maximum, used twice", {
      inputs: [input],
      gpu: (x) => add(maxPool2d(x!, options), maxPool2d(x!, options)),
      reference: (x) => pool2d(s, x!, (values) => 2 * Math.max(...values)),
      tolerance,
    });
    await checkOp(t, gpu, "mean", {
      inputs: [input],
      gpu: (x) => avgPool2d(x!, options),
      reference: (x) => pool2d(s, x!, (values) => sum(values) / values.length),
      tolerance,
    });
    await checkOp(t, gpu, "mean that counts the padding, used twice", {
      inputs: [input],
      gpu: (x) => {
        const one = () => avgPool2d(x!, { ...options, countPadding: true });
        return add(one(), one());
      },
      reference: (x) => pool2d(s, x!, (values) => (2 * sum(values)) / (s.kernel[0] * s.kernel[1])),
      tolerance,
    });
  });
}

test("max pooling: equal elements, one gets the gradient; elements below all that float32 starts from", async (t, gpu) => {
  const x = fromArray(gpu, [5, 5, 5, 5, -1e38, -2e38, -3e38, -3.4e38], [2, 2, 2, 1]).requireGrad();
  const dy = fromArray(gpu, [7, 3], [2, 1, 1, 1]);
  const y = gpu.scope(() => {
    const result = maxPool2d(x, { kernel: 2 });
    backwardFrom(result, dy);
    return result.detach().keep();
  });
  t.near(await y.read(), [5, -1e38], { rel: 1e-6 }, "maxima");
  t.near(await x.grad!.read(), [7, 0, 0, 0, 3, 0, 0, 0], {}, "the first of equals");
  for (const tensor of [x.grad!, x, dy, y]) tensor.dispose();
});

test("max pooling: not a number stays", async (t, gpu) => {
  for (const channels of [1, 4]) {
    const data = new Float32Array(4 * channels).fill(1).fill(Number.NaN, channels, 2 * channels);
    const x = fromArray(gpu, data, [1, 2, 2, channels]);
    const y = maxPool2d(x, { kernel: 2 });
    t.ok((await y.read()).every(Number.isNaN), `${channels} channels`);
    x.dispose();
    y.dispose();
  }
});

test("pooling: one dispatch forward, one backward", async (t, gpu) => {
  const x = zeros(gpu, [2, 8, 8, 4]).requireGrad();
  const dy = zeros(gpu, [2, 4, 4, 4]);
  for (const op of [maxPool2d, avgPool2d]) {
    await gpu.idle();
    const before = gpu.counters.dispatches;
    gpu.scope(() => backwardFrom(op(x, { kernel: 2 }), dy));
    await gpu.idle();
    t.equal(gpu.counters.dispatches - before, 2, "dispatches");
    x.gradIsCurrent = false;
  }
  x.grad!.dispose();
  x.dispose();
  dy.dispose();
});

test("pooling says what does not fit", async (t, gpu) => {
  const x = zeros(gpu, [1, 2, 3, 4]);
  const flat = zeros(gpu, [2, 3]);
  await t.throwsMessage(() => maxPool2d(flat, { kernel: 2 }), /maxPool2d: x \[2, 3\] is not/, "rank");
  await t.throwsMessage(() => maxPool2d(x, { kernel: 0 }), /kernelHeight 0 is not/, "kernel");
  await t.throwsMessage(() => avgPool2d(x, { kernel: 2, stride: 1.5 }), /strideY 1.5 is not/, "stride");
  await t.throwsMessage(() => maxPool2d(x, { kernel: [3, 1] }), /a window of 3×1 is larger/, "too large");
  await t.throwsMessage(
    () => avgPool2d(x, { kernel: 2, padding: 2 }),
    /padding 2 is not smaller than the window of 2×2/,
    "padding",
  );
  await t.throwsMessage(
    () => avgPool2d(x, { kernel: 2, padding: -1 }),
    /padding -1: not whole numbers of at least 0/,
    "below 0",
  );
  x.dispose();
  flat.dispose();
});
