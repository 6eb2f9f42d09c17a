import { conv2d, type Padding } from "../../../dist/engine/ops/conv2d.js";
import { conv2dGroups } from "../../../dist/engine/ops/conv2d-groups.js";
import { add } from "../../../dist/engine/ops/elementwise.js";
import { fromArray, zeros } from "../../../dist/engine/tensor/tensor.js";
import { checkOp, randomArray, test } from "../../harness.js";
import { referenceConv2d } from "../../reference/conv2d.js";

interface Case {
  name: string;
  x: [number, number, number, number];
  /** KH, KW, I of a group, O of all. */
  weight: [number, number, number, number];
  groups: number;
  stride?: [number, number];
  padding?: Partial<Padding>;
}

const cases: Case[] = [
  {
    name: "depthwise 3×3",
    x: [2, 4, 5, 6],
    weight: [3, 3, 1, 6],
    groups: 6,
    padding: { top: 1, left: 1, bottom: 1, right: 1 },
  },
  {
    name: "two outputs a channel, stride 2",
    x: [1, 5, 7, 3],
    weight: [2, 3, 1, 6],
    groups: 3,
    stride: [2, 2],
    padding: { left: 2 },
  },
  { name: "groups of odd sizes", x: [1, 3, 9, 6], weight: [1, 2, 3, 10], groups: 2, stride: [1, 3] },
  { name: "one group", x: [1, 4, 3, 3], weight: [2, 2, 3, 2], groups: 1, padding: { bottom: 1, right: 2 } },
  {
    name: "stride larger than the kernel",
    x: [2, 7, 8, 4],
    weight: [2, 1, 2, 4],
    groups: 2,
    stride: [3, 2],
    padding: { top: 2 },
  },
  { name: "one pixel", x: [3, 1, 1, 4], weight: [1, 1, 1, 4], groups: 4 },
];

/** The convolution of each group apart, by the reference of the plain one. */
function reference(each: Case, x: Float64Array, weight: Float64Array, bias?: Float64Array): Float64Array {
  const [batch, height, width, channels] = each.x;
  const [kernelHeight, kernelWidth, inputs, outputs] = each.weight;
  const { groups, stride = [1, 1], padding = {} } = each;
  const { top = 0, left = 0, bottom = 0, right = 0 } = padding;
  const own = outputs / groups;
  const outHeight = Math.floor((height + top + bottom - kernelHeight) / stride[0]) + 1;
  const outWidth = Math.floor((width + left + right - kernelWidth) / stride[1]) + 1;
  // The reference has one stride for both directions: step 1, then every so many pixels.
  const fullHeight = height + top + bottom - kernelHeight + 1;
  const fullWidth = width + left + right - kernelWidth + 1;
  const y = new Float64Array(batch * outHeight * outWidth * outputs);
  for (let g = 0; g < groups; g++) {
    const xs = Float64Array.from(
      { length: batch * height * width * inputs },
      (_, i) => x[Math.floor(i / inputs) * channels + g * inputs + (i % inputs)]!,
    );
    const ws = Float64Array.from(
      { length: kernelHeight * kernelWidth * inputs * own },
      (_, i) => weight[Math.floor(i / own) * outputs + g * own + (i % own)]!,
    );
    const part = referenceConv2d(
      {
        batch,
        height,
        width,
        channels: inputs,
        kernelHeight,
        kernelWidth,
        outChannels: own,
        stride: 1,
        top,
        left,
        outHeight: fullHeight,
        outWidth: fullWidth,
      },
      xs,
      ws,
      bias?.slice(g * own, (g + 1) * own),
    );
    for (let b = 0; b < batch; b++)
      for (let oy = 0; oy < outHeight; oy++)
        for (let ox = 0; ox < outWidth; ox++)
          for (let o = 0; o < own; o++)
            y[((b * outHeight + oy) * outWidth + ox) * outputs + g * own + o] =
              part[((b * fullHeight + oy * stride[0]) * fullWidth + ox * stride[1]) * own + o]!;
  }
  return y;
}

const size = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);

for (const each of cases) {
  test(`conv2d in groups: ${each.name}`, async (t, gpu) => {
    const { groups, stride, padding } = each;
    const options = { ...(stride ? { stride } : {}), ...(padding ? { padding } : {}) };
    const input = { shape: each.x, data: randomArray(1, size(each.x)) };
    const filter = { shape: each.weight, data: randomArray(2, size(each.weight)) };
    const bias = { shape: [each.weight[3]], data: randomArray(3, each.weight[3]) };
    const tolerance = { forward: { abs: 1e-5, rel: 1e-5 }, gradient: { abs: 1e-4, rel: 1e-4 } };
    await checkOp(t, gpu, "with bias, used twice", {
      inputs: [input, filter, bias],
      gpu: (x, w, b) => {
        const one = () => conv2dGroups(x!, w!, groups, { ...options, bias: b! });
        return add(one(), one());
      },
      reference: (x, w, b) => reference(each, x!, w!, b!).map((y) => 2 * y),
      tolerance,
    });
    await checkOp(t, gpu, "without", {
      inputs: [input, filter],
      gpu: (x, w) => conv2dGroups(x!, w!, groups, options),
      reference: (x, w) => reference(each, x!, w!),
      tolerance,
      gradientOf: [true, false],
    });
  });
}

test("conv2d in one group is conv2d", async (t, gpu) => {
  const { a, b } = gpu.scope(() => {
    const x = fromArray(gpu, randomArray(1, 2 * 9 * 10 * 12), [2, 9, 10, 12]);
    const w = fromArray(gpu, randomArray(2, 9 * 12 * 20), [3, 3, 12, 20]);
    return {
      a: conv2dGroups(x, w, 1, { padding: 1, stride: 2 }),
      b: conv2d(x, w, { padding: 1, stride: 2 }),
    };
  });
  t.near(await a.read(), await b.read(), { abs: 2e-5, rel: 2e-5 }, "the same");
  a.dispose();
  b.dispose();
});

test("conv2d in groups says what does not fit", async (t, gpu) => {
  const x = zeros(gpu, [1, 3, 3, 6]);
  const w = zeros(gpu, [2, 2, 2, 4]);
  const bias = zeros(gpu, [3]);
  await t.throwsMessage(
    () => conv2dGroups(x, w, 2),
    /in 2 groups: the weight needs a 2th of the 6/,
    "inputs",
  );
  await t.throwsMessage(() => conv2dGroups(x, w, 3), /3 has to divide its output channels/, "outputs");
  const fitting = zeros(gpu, [4, 2, 2, 6]);
  await t.throwsMessage(() => conv2dGroups(x, fitting, 3, { bias }), /bias \[3\] for 6/, "bias");
  await t.throwsMessage(() => conv2dGroups(x, fitting, 3), /a window of 4×2 is larger/, "too large");
  for (const tensor of [x, w, bias, fitting]) tensor.dispose();
});
