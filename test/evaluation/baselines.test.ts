/** What scores are made of: every reference of a picture, the settings that were asked for, baselines that know training only. */

import t from "tap";
import type { Captioner } from "../../dist/captioner/captioner.js";
import { type CaptionedImage, type Dataset, MemoryImages, splitsOf } from "../../dist/data/dataset.js";
import { evaluate } from "../../dist/evaluation/evaluation.js";
import { scoresTable } from "../../dist/evaluation/tables.js";
import { attributesOf } from "../../dist/text/attributes.js";
import { cellOf } from "../scores-table.js";

const size = 16;
const bytes = size * size * 3;

interface Picture {
  split: string;
  /** What it shows, all over. */
  grey: number;
  captions: readonly string[];
}

/** Pictures lie in another order than their records. */
function dataset(pictures: readonly Picture[]): Dataset {
  const records: CaptionedImage[] = pictures.map(({ split, captions }, i) => ({
    id: `${split}/${i}`,
    image: (i + 1) % pictures.length,
    captions,
    keywordCaptions: ["no reference"],
    split,
    attributes: attributesOf(captions[0]!),
  }));
  const images = new Uint8Array(records.length * bytes);
  records.forEach(({ image }, i) => {
    images.fill(pictures[i]!.grey, image * bytes, (image + 1) * bytes);
  });
  return {
    name: "greys",
    size,
    images: new MemoryImages(images, size),
    records,
    splits: splitsOf(records),
  };
}

/** Tells greys 20 apart and says `say` of them; `asked` gets the options that it was called with. */
function captioner(say: (grey: number) => string, asked: object[] = []): Captioner {
  return {
    config: { seed: 1 },
    decoder: {},
    positions: 2,
    async encodeAll(images: Uint8Array) {
      return Uint32Array.from({ length: (2 * images.length) / bytes }, (_, i) =>
        Math.round(images[Math.floor(i / 2) * bytes]! / 20),
      );
    },
    async captionCodes(codes: Uint32Array, options: object) {
      asked.push(options);
      return Array.from({ length: codes.length / 2 }, (_, i) => ({
        text: say(20 * codes[2 * i]!),
        tokens: [],
      }));
    },
  } as unknown as Captioner;
}

t.test("every reference of a picture counts, in every score", async (t) => {
  const references = [
    ["a red hat on a mat", "one hat on the floor", "a red hat"],
    ["two dogs in a boat", "some dogs at sea in a boat", "dogs in a boat"],
    ["the old man with skis", "a man on his long skis", "an old man skiing"],
  ];
  const pictures = references.flatMap((captions, i) => [
    { split: "train", grey: 200 + 10 * i, captions: ["nothing of the kind"] },
    { split: "test", grey: 40 * i, captions },
  ]);
  for (const number of [0, 1, 2]) {
    const model = captioner((grey) => references[grey / 40]![number]!);
    const table = scoresTable(await evaluate(model, dataset(pictures), { splits: ["test"] }));
    const score = (column: string) => cellOf(table, ["test", "3", "model"], column);
    t.equal(score("exact"), 100, `caption ${number} of each picture is exact`);
    t.ok(score("BLEU-4") > 0.99, `and right by BLEU-4: ${score("BLEU-4")}`);
    t.ok(score("CIDEr-D") > 3, `and near by CIDEr-D: ${score("CIDEr-D")}`);
  }
});

t.test("baselines answer with what training says of the nearest training picture", async (t) => {
  const unseen = "a thing that nobody has seen before";
  const trained = ["a red hat on a mat", "two dogs in a boat", "the old man with skis"];
  const pictures = [
    { split: "test", grey: 12, captions: [unseen] },
    ...trained.map((caption, i) => ({
      split: "train",
      grey: 100 * i,
      captions: [caption, "something else"],
    })),
    // A twin in another split, which is no training picture either.
    { split: "other", grey: 12, captions: [unseen] },
    { split: "test", grey: 196, captions: [trained[2]!] },
  ];
  const asked: object[] = [];
  const options = {
    guidance: { method: "cfg", scale: 1.5 },
    steps: 7,
    seed: 4,
    topR: 0.5,
    temperature: 0.7,
  } as const;
  const model = captioner(() => unseen, asked);
  const evaluated = await evaluate(model, dataset(pictures), { splits: ["test", "other"], ...options });
  const exact = (...row: string[]) => cellOf(scoresTable(evaluated), row, "exact");
  t.equal(exact("test", "2", "model"), 50, "the model has one of two");
  for (const name of ["nearest by pixels", "nearest by codes"]) {
    t.equal(exact("test", "2", name), 50, `${name}: what training has is right, what it has not is wrong`);
    t.equal(exact("other", "1", name), 0, `${name}: in another split too`);
  }
  t.equal(asked.length, 4, "the model is asked about own and other pictures of both splits");
  for (const given of asked) t.match(given, options, "with the settings that were given");
});
