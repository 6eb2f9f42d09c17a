/** Many pictures are captioned in batches that the decoder can hold. */

import { McDiffusion } from "../../dist/models/mc-diffusion/mc-diffusion.js";
import { picturesAtOnce } from "../../dist/models/pictures-at-once.js";
import { test } from "../harness.js";
import { build, pictures } from "../tiny-captioner.js";

test("pictures at once: 64, or what fits", async (t) => {
  t.equal(picturesAtOnce({ kept: 1, largest: 1 }), 64, "small networks");
  const keyValues = 1024 * 2 * 512;
  t.equal(picturesAtOnce({ kept: 18 * keyValues, largest: keyValues }), 7, "the paper's: a gibibyte in all");
  t.equal(picturesAtOnce({ kept: 1, largest: 77 * 49_408 }), 4, "logits of long captions: 128 MiB each");
  t.equal(picturesAtOnce({ kept: 1e12, largest: 1 }), 1, "one at least");
});

test("a decoder that takes two pictures at once", async (t, gpu) => {
  const captioner = build(gpu);
  const decoder = McDiffusion.of(captioner.decoder);
  t.equal(decoder.picturesAtOnce, 64, "64, as it is small");
  Object.defineProperty(decoder, "picturesAtOnce", { value: 2 });
  const batches: number[] = [];
  const generate = decoder.generate.bind(decoder);
  decoder.generate = (codes, ...rest) => {
    batches.push(codes.shape[0]!);
    return generate(codes, ...rest);
  };
  const images = pictures(5);
  const done: number[] = [];
  const captions = await captioner.captionAll(images, { onBatch: (count) => done.push(count) });
  t.same([captions.length, batches, done], [5, [2, 2, 1], [2, 4, 5]], "pictures");
  const codes = await captioner.encodeAll(images);
  batches.length = 0;
  t.same(await captioner.captionCodes(codes), captions, "the same captions of their codes");
  t.same(batches, [2, 2, 1], "codes");
  const measured: number[] = [];
  const S = captioner.positions;
  await decoder.likelihood.bound(
    captions.map(({ tokens }) => Uint32Array.from(tokens)),
    captions.map((_, i) => codes.slice(i * S, (i + 1) * S)),
    { steps: 1, seed: 0, onBatch: (count) => measured.push(count) },
  );
  t.same(measured, [2, 4, 5], "and bounds");
  captioner.dispose();
});
