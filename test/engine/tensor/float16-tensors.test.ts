import { checkFinite } from "../../../dist/engine/gpu/finite-check.js";
import { Gpu } from "../../../dist/engine/gpu/gpu.js";
import * as kernels from "../../../dist/engine/gpu/kernels.generated.js";
import { cast, contiguous } from "../../../dist/engine/ops/copy.js";
import { backwardFrom } from "../../../dist/engine/tensor/autograd.js";
import { float16ToFloat32, float32ToFloat16 } from "../../../dist/engine/tensor/float16.js";
import { copyStrided } from "../../../dist/engine/tensor/strided.js";
import { clear, empty, fromArray, type Tensor, zeros } from "../../../dist/engine/tensor/tensor.js";
import { deviceOf } from "../../device.js";
import { float16Test, randomArray, test } from "../../harness.js";

/** What float16 makes of numbers: the conversion on the CPU, which has tests of its own. */
const rounded = (values: ArrayLike<number>) => float16ToFloat32(float32ToFloat16(Float32Array.from(values)));

/** Normal, subnormal and vanishing numbers, ties, and both signs; all within the range of float16. */
const numbers = [
  ...[
    0,
    -0,
    1,
    -1,
    0.1,
    1 / 3,
    1 + 2 ** -11,
    1 + 3 * 2 ** -11,
    2048.5,
    65504,
    -65519,
    6.1e-5,
    5e-6,
    -3e-8,
    1e-9,
  ],
  ...randomArray(1, 114, 100),
];

float16Test("float16 tensors of any length are written and read", async (t, gpu) => {
  for (const size of [1, 2, 3, 17, 65, 129]) {
    const x = fromArray(gpu, numbers.slice(0, size), [size], "f16");
    t.near(await x.read(), rounded(numbers.slice(0, size)), {}, `${size} elements`);
    t.equal(x.dtype, "f16", "element type");
  }
  const x = fromArray(gpu, numbers, [129], "f16");
  t.near(
    await x.slice(0, 3, 4).read(),
    rounded(numbers.slice(3, 7)),
    {},
    "a stretch that begins inside a word",
  );
  x.slice(0, 3, 3).write([7, 8, 9]);
  const expected = rounded(numbers);
  expected.set([7, 8, 9], 3);
  t.near(await x.read(), expected, {}, "a stretch is written without touching its neighbours");
  clear(x.slice(0, 5, 2));
  expected.fill(0, 5, 7);
  t.near(await x.read(), expected, {}, "a stretch is cleared without touching its neighbours");
  t.near(await zeros(gpu, [3], "f16").read(), [0, 0, 0], {}, "zeros of an odd length");
});

float16Test("float16 takes half the memory", (t, gpu) => {
  const before = gpu.memory.liveBytes;
  const wide = empty(gpu, [4096]);
  const narrow = empty(gpu, [4096], "f16");
  t.equal(gpu.memory.liveBytes - before, 4096 * 6, "4 bytes an element and 2");
  wide.dispose();
  narrow.dispose();
});

float16Test("conversions round as IEEE 754 says, and pass gradients through", async (t, gpu) => {
  const x = fromArray(gpu, numbers, [43, 3]).requireGrad();
  const half = cast(x, "f16");
  t.near(
    await half.read(),
    rounded(numbers),
    { abs: 2 ** -25 },
    "to float16 (a subnormal may be flushed or cut)",
  );
  const wide = cast(half, "f32");
  t.near(await wide.read(), await half.read(), {}, "and back, exactly");
  const dy = randomArray(2, numbers.length);
  backwardFrom(wide, fromArray(gpu, dy, [43, 3]));
  t.near(await x.grad!.read(), dy, {}, "the gradient is not rounded");
  x.grad!.dispose();
  const [large] = await cast(fromArray(gpu, [1e6], [1]), "f16").read();
  t.equal(large, Number.POSITIVE_INFINITY, "what is beyond the range becomes infinite");
});

float16Test("strided copies of float16", async (t, gpu) => {
  const data = rounded(numbers);
  const x = fromArray(gpu, data, [43, 3], "f16");
  const y = contiguous(x.transpose()) as Tensor<"f16">;
  t.equal(y.dtype, "f16", "the type is kept");
  t.near(
    await y.read(),
    data.map((_, i) => data[(i % 43) * 3 + Math.floor(i / 43)]!),
    {},
    "transposed",
  );
  const sums = fromArray(gpu, randomArray(3, 129), [43, 3]);
  copyStrided(x, sums, { accumulate: true });
  t.near(
    await sums.read(),
    randomArray(3, 129).map((value, i) => value + data[i]!),
    { rel: 1e-6, abs: 1e-6 },
    "added to float32 numbers",
  );
});

float16Test("a non-finite float16 is found, and padding is not", async (t, shared) => {
  const gpu = Gpu.from(shared.device);
  const used = fromArray(gpu, new Float32Array(64).fill(Number.NaN), [64]);
  used.dispose(); // the next tensor of this size reuses the memory
  const x = fromArray(gpu, [1, 2, 3], [3]);
  checkFinite(gpu);
  const y = empty(gpu, [3], "f16", "halves");
  copyStrided(x, y, { accumulate: false });
  t.near(await y.read(), [1, 2, 3], {}, "what lies behind a tensor does not count");
  x.write([1, 1e6, 3]);
  await t.throwsMessage(
    async () => {
      copyStrided(x, y, { accumulate: false });
      await y.read();
    },
    /strided\.copy wrote 1 NaN or infinite value into halves/,
    "one that overflowed is found",
  );
  gpu.dispose();
});

float16Test("a binding takes the element type that its variant names", async (t, gpu) => {
  const x = fromArray(gpu, [1], [1]);
  const y = empty(gpu, [1], "f16", "halves");
  await t.throwsMessage(
    () =>
      gpu.run(
        kernels.strided.copy,
        { source: x, destination: y },
        {
          shape_low: [1, 1, 1, 1],
          source_low: [0, 0, 0, 0],
          target_low: [0, 0, 0, 0],
          source_high: [0, 0, 0, 0],
          target_high: [0, 0, 0, 0],
          shape_1: 1,
          source_offset: 0,
          target_offset: 0,
          count: 1,
          accumulate: 0,
        },
        { groups: [1] },
      ),
    /strided\.copy: destination takes f32, but halves is f16/,
    "without the variant",
  );
});

test("a device without shader-f16 refuses float16 in one sentence", async (t) => {
  const device = await deviceOf("swiftshader");
  if (!device || device.features.has("shader-f16")) return t.comment("every device here has shader-f16");
  const gpu = Gpu.from(device, { description: "SwiftShader" });
  await t.throwsMessage(
    () => empty(gpu, [4], "f16", "queries"),
    /^queries, a float16 tensor, needs the WebGPU feature shader-f16, which SwiftShader does not have$/,
    "it names the tensor, the feature and the device",
  );
  device.destroy();
});
