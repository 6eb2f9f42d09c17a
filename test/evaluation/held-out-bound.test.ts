import type { Captioner } from "../../dist/captioner/captioner.js";
import { type CaptionedImage, type Dataset, MemoryImages, splitsOf } from "../../dist/data/dataset.js";
import { boundTable, heldOutBound, splitBounds } from "../../dist/evaluation/held-out-bound.js";
import { captionBounds } from "../../dist/models/mc-diffusion/bound.js";
import { attributesOf } from "../../dist/text/attributes.js";
import { test } from "../harness.js";
import { build, decoderOf, pictures, tokenizer } from "../tiny-captioner.js";

/** Five pictures, with one caption to three each. The third is longer than the model's 6 tokens. */
function dataset(): Dataset {
  const captions = [
    ["a cat"],
    ["a black dog", "dog"],
    ["a red cat with a hat on a mat", "cat", "red hat"],
    ["hat on mat"],
    ["a black cat", "a cat"],
  ];
  const records: CaptionedImage[] = captions.map((of, image) => {
    const split = image === 0 ? "train" : "test";
    const attributes = attributesOf("");
    return { id: `${image}`, image, captions: of, keywordCaptions: ["never"], split, attributes };
  });
  return {
    name: "five",
    size: 16,
    images: new MemoryImages(pictures(5), 16),
    records,
    splits: splitsOf(records),
  };
}

test("the bound of held-out captions: all references, means over pictures, bits of words and ends", async (t, gpu) => {
  const captioner: Captioner = build(gpu);
  const data = dataset();
  const { length } = captioner.decoder.shape;
  const codes = await captioner.encodeAll(pictures(5));
  const codesOf = (picture: number) => codes.slice(picture * 16, (picture + 1) * 16);
  const records = [1, 2, 3];
  const decoder = decoderOf(captioner);
  const table = decoder.table(decoder.schedule.visit(10));
  const pairs = records.flatMap((record) =>
    data.records[record]!.captions.map((text) => ({ record, ids: tokenizer.encodeFixed(text, length) })),
  );
  const nats = await captionBounds(
    decoder,
    table,
    pairs.map(({ ids }) => ids),
    pairs.map(({ record }) => codesOf(record)),
    { steps: 4, seed: 8 },
  );
  const own = records.map((record) => {
    const of = pairs.flatMap((pair, i) => (pair.record === record ? [nats[i]!] : []));
    return of.reduce((a, b) => a + b) / of.length;
  });
  const mean = own.reduce((a, b) => a + b) / 3;
  const deviation = Math.sqrt(own.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 2);
  const done: number[] = [];
  const onBatch = (count: number) => done.push(count);
  const of = codes.slice(16, 64);
  const bound = await heldOutBound(captioner, data, records, of, { steps: 4, seed: 8, onBatch });
  t.near(
    [bound.nats],
    [mean],
    { rel: 1e-12 },
    "nats: the mean over pictures of the mean over their captions",
  );
  t.near([bound.standardError], [deviation / Math.sqrt(3)], { rel: 1e-12 }, "standard error over pictures");
  // Words and one end: 4 and 2; 5 of the 9 words and the end, 2, 3; 4.
  const tokens = 4 + 2 + 6 + 2 + 3 + 4;
  t.near(
    [bound.bitsPerToken],
    [nats.reduce((a, b) => a + b) / tokens / Math.log(2)],
    { rel: 1e-12 },
    "bits a token",
  );
  t.near([bound.prior], [length * decoder.schedule.priorKl()], { rel: 1e-12 }, "the prior's part");
  t.same([bound.captions, bound.pictures, bound.steps], [6, 3, 4], "captions, pictures, steps");
  t.same(done, [6], "it tells how far it is");
  t.equal((await heldOutBound(captioner, data, records, of)).steps, 10, "all steps where none are given");
  t.equal((await heldOutBound(captioner, data, records, of, { steps: 99 })).steps, 10, "and at most all");

  const progress: number[][] = [];
  const splits = await splitBounds(captioner, data, ["none", "test"], {
    limit: 3,
    steps: 4,
    seed: 8,
    onProgress: (...counts) => progress.push(counts),
  });
  t.same(splits, [{ split: "test", ...bound }], "a split: its own pictures with their own codes");
  t.same(
    progress,
    [
      [0, 6],
      [6, 6],
    ],
    "progress is told after the codes and after the captions",
  );
  t.equal(
    boundTable(splits).split("\n").at(-1),
    `| test | 6 | ${mean.toFixed(2)} ± ${bound.standardError.toFixed(2)} | ${bound.bitsPerToken.toFixed(2)} |`,
    "a row of the table",
  );
  const one = await splitBounds(captioner, data, ["test"], { steps: 4, seed: 8, limit: 1 });
  const row = boundTable(one).split("\n").at(-1)!;
  t.ok(
    /^\| test \| \d+ \| \d+\.\d\d \| \d+\.\d\d \|$/.test(row),
    `one picture has no standard error: ${row}`,
  );
  captioner.dispose();
});

test("the bounds of splits end where progress throws, before the first captions and after each batch", async (t, gpu) => {
  const captioner = build(gpu);
  const stops = [0, 1];
  for (const stop of stops) {
    const told: number[] = [];
    await t.throwsMessage(
      splitBounds(captioner, dataset(), ["test"], {
        steps: 2,
        onProgress(done) {
          told.push(done);
          if (done >= stop) throw new Error("asked to stop");
        },
      }),
      /asked to stop/,
      `after ${stop} captions`,
    );
    t.equal(told.length, 1 + stop, "at once");
  }
  captioner.dispose();
});
