import { MemoryImages } from "../../../dist/data/dataset.js";
import type { SplitPictures } from "../../../dist/evaluation/sweep/pictures.js";
import {
  clipReferenceFree,
  likelihoodReferenceFree,
  likelihoodSteps,
} from "../../../dist/evaluation/sweep/reference-free.js";
import { clipScore } from "../../../dist/metrics/clip-score.js";
import type { Clip } from "../../../dist/models/clip/clip.js";
import { captionBounds } from "../../../dist/models/mc-diffusion/bound.js";
import { test } from "../../harness.js";
import { build, decoderOf, pictures, tokenizer } from "../../tiny-captioner.js";

test("without CLIP: the model's own bound on log p of a caption, by the same noise each time", async (t, gpu) => {
  const captioner = build(gpu);
  const codes = await captioner.encodeAll(pictures(3));
  const given = { codes } as unknown as SplitPictures;
  const free = likelihoodReferenceFree(captioner);
  const captions = ["a cat", "red hat on mat", "dog"];
  const scores = await free.score(given, captions);
  const decoder = decoderOf(captioner);
  const bounds = await captionBounds(
    decoder,
    decoder.table(decoder.schedule.visit(decoder.steps)),
    captions.map((text) => tokenizer.encodeFixed(text, decoder.shape.length)),
    captions.map((_, i) => codes.subarray(i * 16, (i + 1) * 16)),
    { steps: likelihoodSteps, seed: 20_240_101 },
  );
  t.same(
    [...scores],
    Array.from(bounds, (nats) => -nats),
    "the higher, the likelier",
  );
  t.same([...(await free.score(given, captions))], [...scores], "the same draws again");
  const other = await free.score(given, ["a cat", "dog", "dog"]);
  t.ok(other[0] === scores[0] && other[2] === scores[2] && other[1] !== scores[1], "caption by caption");
  t.equal(free.passes, likelihoodSteps, "passes for estimates");
  const silent = { ...captioner, config: captioner.config, decoder: { shape: decoder.shape } };
  await t.throwsMessage(
    () => likelihoodReferenceFree(silent as unknown as typeof captioner),
    /A mc-diffusion decoder has no bound on the likelihood of captions; name a CLIP with --clip/,
    "a model without a bound",
  );
  captioner.dispose();
});

test("CLIPScore of each picture with its caption", async (t) => {
  const ofText = (text: string) => [text.length, text.charCodeAt(text.length - 1) - 100, 1];
  const clip = {
    ...{ shape: { features: 3 }, sha256: "c" },
    encodeImages: async (images: { data: Uint8Array }[]) =>
      Float32Array.from(images.flatMap(({ data }) => [...data.subarray(0, 3)])),
    encodeTexts: async (texts: string[]) => Float32Array.from(texts.flatMap(ofText)),
  } as unknown as Clip;
  const images = new MemoryImages(
    Uint8Array.from({ length: 12 }, (_, i) => (37 * i) % 101),
    1,
  );
  const records = [2, 0].map((image) => ({ image }));
  const given = {
    dataset: { size: 1, images, records },
    records: [0, 1],
  } as unknown as SplitPictures;
  const free = clipReferenceFree(clip, { hash: async (_, data) => String(data).replaceAll(" ", "-") });
  const captions = ["a bird", "two cats"];
  const expected = [2, 0].map((image, i) =>
    clipScore(
      Float32Array.from([0, 1, 2], (c) => (37 * (3 * image + c)) % 101),
      Float32Array.from(ofText(`A photo depicts ${captions[i]}`)),
    ),
  );
  t.same([...(await free.score(given, captions))], expected, "with the prompt");
  t.equal(free.title, "CLIPScore", "its name");
});
