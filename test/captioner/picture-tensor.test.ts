import { type ImageFit, imageFromPixels, imageFromTexture } from "../../dist/captioner/picture-tensor.js";
import type { Gpu } from "../../dist/engine/gpu/gpu.js";
import { Gpu as Engine } from "../../dist/engine/gpu/gpu.js";
import * as kernels from "../../dist/engine/gpu/kernels.generated.js";
import { fromArray, type Tensor } from "../../dist/engine/tensor/tensor.js";
import { type Check, randomArray, test } from "../harness.js";
import { scalePicture } from "../reference/picture.js";

/** Noise with transparent places, RGBA. */
function noise(width: number, height: number, seed = 1) {
  const values = randomArray(seed, width * height * 4, 90);
  const data = new Uint8Array(values.length);
  values.forEach((value, i) => {
    data[i] = Math.max(0, Math.min(255, 128 + value * (i % 4 === 3 ? 3 : 1)));
  });
  return { width, height, data };
}

const words = (data: Uint8Array) => new Uint32Array(data.slice().buffer);

function texture(gpu: Gpu, { width, height, data }: ReturnType<typeof noise>, format: GPUTextureFormat) {
  const made = gpu.device.createTexture({
    size: [width, height],
    format,
    usage: GPUTextureUsage.TEXTURE_BINDING | GPUTextureUsage.COPY_DST,
  });
  const bytesPerRow = width * 4;
  gpu.device.queue.writeTexture({ texture: made }, data as Uint8Array<ArrayBuffer>, { bytesPerRow }, [
    width,
    height,
  ]);
  return made;
}

/** Within a byte of the reference, and exact but where a mean lies so near to a half that float32 decides. */
async function check(t: Check, result: Tensor, expected: Float64Array, message: string): Promise<void> {
  const bytes = Float64Array.from(await result.read(), (value) => (value + 1) * 127.5);
  result.dispose();
  let wrong = 0;
  let worst = 0;
  bytes.forEach((byte, i) => {
    worst = Math.max(worst, Math.abs(byte - expected[i]!));
    const undecided = Math.abs((expected[i]! % 1) - 0.5) < 0.003;
    if (!undecided && Math.abs(byte - Math.round(expected[i]!)) > 1e-3) wrong++;
  });
  t.ok(
    bytes.length === expected.length && wrong === 0 && worst < 0.51,
    `${message} (${wrong} of ${bytes.length} bytes differ, at most ${worst.toFixed(3)} from the mean)`,
  );
}

const cases: [width: number, height: number, size: number][] = [
  [16, 16, 16],
  [1, 1, 5],
  [3, 17, 8],
  [17, 3, 8],
  [65, 40, 16],
  [7, 9, 17],
  [200, 3, 16],
  [64, 64, 1],
];

for (const [width, height, size] of cases) {
  for (const fit of ["contain", "cover"] as ImageFit[]) {
    test(`a picture of ${width}×${height} → ${size}, ${fit}`, async (t, gpu) => {
      const picture = noise(width, height);
      const expected = scalePicture(picture, size, fit);
      const pixels = fromArray(gpu, words(picture.data), [height, width], "u32");
      await check(t, imageFromPixels(pixels, size, fit), expected, "from pixels");
      pixels.dispose();
      const source = texture(gpu, picture, "rgba8unorm");
      await check(t, imageFromTexture(gpu, source, size, fit), expected, "from a texture");
      source.destroy();
    });
  }
}

test("textures of other formats give the same bytes", async (t, gpu) => {
  const picture = noise(12, 10);
  picture.data.forEach((_, i) => {
    if (i % 4 === 3) picture.data[i] = 255;
  });
  const expected = scalePicture(picture, 12, "contain");
  const swapped = picture.data.map((_, i) => picture.data[i % 4 === 3 ? i : i - (i % 4) + 2 - (i % 4)]!);
  for (const [format, data] of [
    ["rgba8unorm-srgb", picture.data],
    ["bgra8unorm", swapped],
    ["bgra8unorm-srgb", swapped],
  ] as const) {
    const source = texture(gpu, { ...picture, data }, format);
    await check(t, imageFromTexture(gpu, source, 12), expected, format);
    source.destroy();
  }
});

test("every number of lanes a pixel gives the same", async (t, gpu) => {
  const picture = noise(50, 31);
  const expected = scalePicture(picture, 9, "contain");
  for (const LANES of kernels.picture.fromPixels.spec.tunables.LANES!.candidates) {
    const tuned = Engine.from(gpu.device);
    tuned.tuning.set(kernels.picture.fromPixels, { LANES });
    const pixels = fromArray(tuned, words(picture.data), [31, 50], "u32");
    await check(t, imageFromPixels(pixels, 9), expected, `${LANES} lanes`);
    tuned.dispose();
  }
});

test("a captured step reads the texture anew at every run", async (t, gpu) => {
  const [first, second] = [noise(20, 20, 2), noise(20, 20, 3)];
  const source = texture(gpu, first, "rgba8unorm");
  const { work, result } = gpu.capture(() => imageFromTexture(gpu, source, 10));
  const groups = gpu.counters.bindGroups;
  for (const picture of [first, second, first]) {
    gpu.device.queue.writeTexture(
      { texture: source },
      picture.data as Uint8Array<ArrayBuffer>,
      { bytesPerRow: 80 },
      [20, 20],
    );
    work.run();
    await check(t, result.alias(), scalePicture(picture, 10, "contain"), "this picture");
  }
  t.equal(gpu.counters.bindGroups - groups, 0, "no bind group of the engine's cache");
  work.dispose();
  source.destroy();
});

test("what is no picture is said", async (t, gpu) => {
  const flat = fromArray(gpu, [1, 2, 3], [3], "u32");
  await t.throwsMessage(() => imageFromPixels(flat, 8), /\[3\] is not \[height, width\]/, "a rank");
  flat.dispose();
  const sampled = gpu.device.createTexture({
    size: [4, 4],
    format: "rgba8unorm",
    sampleCount: 4,
    usage: GPUTextureUsage.TEXTURE_BINDING | GPUTextureUsage.RENDER_ATTACHMENT,
  });
  await t.throwsMessage(() => imageFromTexture(gpu, sampled, 8), /with 4 samples a pixel/, "samples");
  sampled.destroy();
});
