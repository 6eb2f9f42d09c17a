/** VQGAN against the reference implementation: test/vectors. */

import { readFileSync } from "node:fs";
import { Gpu } from "../../../dist/engine/gpu/gpu.js";
import { concat } from "../../../dist/engine/ops/copy.js";
import { fromArray } from "../../../dist/engine/tensor/tensor.js";
import { loadWeights } from "../../../dist/engine/weights/weights.js";
import { mapCheckpoint } from "../../../dist/models/vqgan/checkpoint.js";
import { checkCodeMap, codesOfIds, idCount, mapTensors } from "../../../dist/models/vqgan/code-map.js";
import { multiplyAdds, Vqgan } from "../../../dist/models/vqgan/vqgan.js";
import { openNodeDevice } from "../../../dist/platform/node-adapter.js";
import { test } from "../../harness.js";
import { channelsLast, checkpoint, type Kind, pictureOf, vectorPath, vectors, vqganOf } from "./support.js";

/** Largest difference allowed in float32; the reference's own float32 is within 3e-5. */
const tolerance = { abs: 3e-4 };

for (const kind of ["nn", "gumbel"] as const satisfies Kind[]) {
  test(`${kind}: codes, values on the way to them, and pictures from them`, async (t, gpu) => {
    const expected = vectors(kind);
    const vqgan = await vqganOf(gpu, kind);
    let worst = 0;
    for (const i of [0, 1, 2]) {
      const near = async (name: string, tensor: { read(): Promise<Float32Array> }) => {
        const actual = await tensor.read();
        const wanted = channelsLast(expected.get(`image${i}.${name}`)!);
        for (const [at, value] of actual.entries()) worst = Math.max(worst, Math.abs(value - wanted[at]!));
        t.near(actual, wanted, tolerance, `image${i}: ${name}`);
      };
      const image = await pictureOf(gpu, kind, i);
      const { encoder, prequant } = vqgan.features(image);
      const ids = vqgan.encodeGrid(image);
      const indices = expected.get(`image${i}.indices`)!;
      t.same(ids.shape.slice(1), indices.shape, `image${i}: a grid of ${indices.shape.join("×")}`);
      t.same(Array.from(await ids.read()), Array.from(indices.data, Number), `image${i}: codes`);
      await near("encoder", encoder);
      await near("prequant", prequant);
      const logits = vqgan.quantizer.logits(prequant);
      t.equal(logits !== null, kind === "gumbel", `image${i}: logits in one kind only`);
      if (logits) await near("logits", logits);
      const quantized = vqgan.quantizer.vectorsOf(ids);
      await near("quantized", quantized);
      const picture = vqgan.decodeGrid(ids);
      await near("reconstruction", picture);
      for (const tensor of [image, encoder, prequant, ids, logits, quantized, picture]) tensor?.dispose();
    }
    t.comment(`${kind}: largest difference ${worst.toExponential(2)}`);
    vqgan.dispose();
  });
}

test("many pictures go in passes, with the same codes and pictures", async (t, gpu) => {
  const vqgan = await vqganOf(gpu, "nn");
  const [first, second] = [await pictureOf(gpu, "nn", 0), await pictureOf(gpu, "nn", 1)];
  const images = concat([first, second, second], 0);
  const side = vqgan.side;
  t.same([side, vqgan.codeCount, vqgan.codeVectors.shape], [8, 64, [64, 6]], "the door's sizes");
  const together = vqgan.encode(images);
  const picture = vqgan.decode(together);
  vqgan.passBytes = 2 * vqgan.largestValue(32, 32);
  const before = gpu.memory.liveBytes;
  for (const tensor of [vqgan.encode(images), vqgan.decode(together)]) tensor.dispose();
  t.equal(gpu.memory.liveBytes, before, "the passes leave nothing behind");
  const apart = vqgan.encode(images);
  t.same(apart.shape, [3, side * side], "ids of each picture, row by row");
  t.same(Array.from(await apart.read()), Array.from(await together.read()), "codes");
  const indices = vectors("nn").get("image1.indices")!;
  const last = Array.from(await apart.read()).slice(2 * side * side);
  t.same(last, Array.from(indices.data, Number), "the last pass has its own picture");
  const decoded = vqgan.decode(apart);
  t.near(await decoded.read(), await picture.read(), { abs: 1e-6 }, "pictures");
  for (const tensor of [first, second, images, together, picture, apart, decoded]) tensor.dispose();
  vqgan.dispose();
});

test("ids of codes in use: there, and back to pictures", async (t, gpu) => {
  const { fullToId, idToFull, images } = JSON.parse(
    readFileSync(vectorPath("gumbel", "code-map.json"), "utf8"),
  ) as { fullToId: number[]; idToFull: number[]; images: { ids: number[] }[] };
  const map = checkCodeMap(fullToId, 64, "code-map.json");
  t.same(codesOfIds(map), idToFull, "the code of each id");
  const weights = await checkpoint("gumbel");
  const plain = await vqganOf(gpu, "gumbel");
  const vqgan = new Vqgan(gpu, { ...plain.shape, ids: idCount(map) }, 32);
  const mapped = mapCheckpoint(weights, plain, "gumbel");
  const added = mapTensors(map, mapped.get("quantize.codebook")!);
  loadWeights(vqgan, { get: (name) => added.get(name) ?? mapped.get(name) }, "gumbel");
  t.same([vqgan.codeCount, vqgan.codeVectors.shape], [44, [44, 16]], "K follows");
  const expected = vectors("gumbel", "code-map.expected.safetensors");
  for (const i of [0, 1, 2]) {
    const image = await pictureOf(gpu, "gumbel", i);
    const ids = vqgan.encodeGrid(image);
    t.same(Array.from(await ids.read()), images[i]!.ids.flat(), `image${i}: ids`);
    const picture = vqgan.decodeGrid(ids);
    const wanted = channelsLast(expected.get(`image${i}.reconstruction`)!);
    t.near(await picture.read(), wanted, tolerance, `image${i}: picture`);
    for (const tensor of [image, ids, picture]) tensor.dispose();
  }
  plain.dispose();
  vqgan.dispose();
});

test("a large picture goes in strips of rows: the same codes, and the same picture from them", async (t, gpu) => {
  for (const kind of ["nn", "gumbel"] as const satisfies Kind[]) {
    const vqgan = await vqganOf(gpu, kind);
    const [height, width] = [103, 54];
    const { channels, multipliers, zChannels, codes } = vqgan.shape;
    const pixels = Float32Array.from({ length: height * width * 3 }, (_, i) => Math.sin(i * i * 1e-4));
    const image = fromArray(gpu, pixels, [1, height, width, 3]);
    const most = vqgan.stripBytes;
    t.ok(vqgan.largestValue(height, width) < most, "fits as a whole");
    /** Bytes of the largest binding of a convolution or a norm while the body is recorded, and of the most memory. */
    const measured = <T>(body: () => T) => {
      let [largest, strips] = [0, 0];
      gpu.resetPeakMemory();
      const before = gpu.memory.liveBytes;
      gpu.observer = {
        dispatch({ pipeline, bindings }) {
          const { name } = pipeline.kernel.spec;
          if (!/^(conv2d|group-?norm)/i.test(name)) return;
          if (name.endsWith(".statistics")) strips++;
          largest = Math.max(largest, ...bindings.map(({ size }) => size));
        },
      };
      const result = body();
      gpu.observer = null;
      return { result, largest, strips, peak: gpu.memory.peakBytes - before };
    };
    const whole = measured(() => vqgan.features(image));
    const ids = vqgan.encodeGrid(image);
    const picture = measured(() => vqgan.decodeGrid(ids));
    // 26 rows of the widest values: the 103 go in four strips or more. Attention, which takes all places, has less.
    vqgan.stripBytes = 26 * 4 * width * channels * Math.max(...multipliers.slice(0, 2));
    const cut = measured(() => vqgan.features(image));
    const cutIds = vqgan.encodeGrid(image);
    const cutPicture = measured(() => vqgan.decodeGrid(ids));
    for (const [what, one, many] of [
      ["encoder", whole, cut],
      ["decoder", picture, cutPicture],
    ] as const) {
      t.ok(one.largest > vqgan.stripBytes, `${kind}, ${what}: more than a strip as a whole`);
      t.ok(
        many.largest <= vqgan.stripBytes,
        `${kind}, ${what}: ${many.largest} of ${vqgan.stripBytes} bytes`,
      );
      t.ok(many.strips > one.strips, `${kind}, ${what}: ${many.strips} sums for ${one.strips} norms`);
      t.ok(
        many.peak < 1.5 * one.peak,
        `${kind}, ${what}: ${many.peak} bytes of memory, as a whole ${one.peak}`,
      );
    }
    t.same(cut.result.encoder.shape, [1, 25, 13, zChannels], `${kind}: each halving rounds down`);
    t.near(await cut.result.encoder.read(), await whole.result.encoder.read(), { abs: 1e-4 }, "encoder");
    t.same(Array.from(await cutIds.read()), Array.from(await ids.read()), `${kind}: ids of ${codes} codes`);
    t.near(await cutPicture.result.read(), await picture.result.read(), { abs: 1e-4 }, "picture");
    const parts = vqgan.quantizer.ids(cut.result.prequant, 10 * 4 * codes);
    t.same(
      Array.from(await parts.read()),
      Array.from(await ids.read()),
      `${kind}: ids of ten places at once`,
    );
    parts.dispose();
    for (const { result } of [whole, cut]) for (const tensor of Object.values(result)) tensor.dispose();
    for (const tensor of [image, ids, cutIds, picture.result, cutPicture.result]) tensor.dispose();
    vqgan.dispose();
  }
});

test("pictures that cannot be encoded are refused in a sentence", async (t, gpu) => {
  const vqgan = await vqganOf(gpu, "nn");
  const small = fromArray(gpu, new Float32Array(3 * 8 * 3), [1, 3, 8, 3]);
  await t.throwsMessage(
    () => vqgan.encodeGrid(small),
    /^A picture of 8×3 pixels has no code in this VQGAN: one takes 4×4 pixels\.$/,
    "too small",
  );
  const most = Math.min(gpu.limits.maxStorageBufferBindingSize, gpu.limits.maxBufferSize);
  // Values that are not cut take 16 bytes a pixel or more.
  const side = 4 * Math.ceil(Math.sqrt(most / 16) / 4) + 4;
  let allowed = 0;
  await t.throwsMessage(
    () => {
      try {
        vqgan.checkSize(side, side);
      } catch (error) {
        allowed = Number(/at most (\d+)/.exec((error as Error).message)?.[1]);
        throw error;
      }
    },
    new RegExp(`^A picture of ${side}×${side} pixels needs values of .* at most \\d+×\\d+ pixels\\.$`),
    "too large for a binding",
  );
  vqgan.checkSize(allowed, allowed);
  await t.throwsMessage(
    () => vqgan.checkSize(allowed + 8, allowed + 8),
    /in one buffer/,
    `${allowed}×${allowed} is possible, and little more`,
  );
  small.dispose();
  vqgan.dispose();
});

/** f = 8 of taming-transformers, trained on OpenImages. */
const realShape = {
  channels: 128,
  multipliers: [1, 1, 2, 4],
  resBlocks: 2,
  attention: [3],
  middleAttention: true,
  resampleConvolution: true,
  zChannels: 256,
  embedDim: 256,
  codes: 8192,
  quantizer: "gumbel" as const,
  ids: 0,
};

test("the real size has the parameters and the arithmetic of the published network", async (t) => {
  const opened = await openNodeDevice({ adapter: "null" });
  const gpu = Gpu.from(opened.device, opened);
  const vqgan = new Vqgan(gpu, realShape, 256);
  const count = (prefix: string) =>
    vqgan
      .parameters()
      .reduce((sum, { name, tensor }) => sum + (name.startsWith(prefix) ? tensor.size : 0), 0);
  t.equal((count("encoder.") / 1e6).toFixed(2), "26.35", "million parameters of the encoder");
  t.equal((count("decoder.") / 1e6).toFixed(2), "38.32", "of the decoder");
  t.equal((vqgan.parameterCount / 1e6).toFixed(1), "69.0", "in all");
  t.equal(vqgan.side, 32, "a grid of 32×32");
  // Four convolutions of 128 → 128 channels at 256×256 alone.
  const least = 4 * 256 ** 2 * 9 * 128 ** 2;
  const { encoder, decoder } = multiplyAdds(realShape, 256, 256);
  t.ok(encoder > least && decoder > 1.5 * least, "multiply-adds");
  t.equal(vqgan.largestValue(256, 256), 32 * 2 ** 20, "largest value: within any device's bindings");
  t.equal(vqgan.picturesAtOnce, 4, "few pictures at once");
  vqgan.dispose();
  gpu.dispose();
});
