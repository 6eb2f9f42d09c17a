import t from "tap";
import type { Captioner } from "../dist/captioner.js";
import type { CaptionedImage, Dataset } from "../dist/data/dataset.js";
import { splitsOf } from "../dist/data/dataset.js";
import { evaluate, recordsOf, scoresTable } from "../dist/evaluation.js";
import { attributesOf } from "../dist/text/attributes.js";

const size = 16;
const bytes = size * size * 3;

/** Five things in five greys; the held-out pictures are nearly those of the training pictures. */
const captions = [
  "a red hat on a mat",
  "two dogs in a boat",
  "the old man with skis",
  "one cup of hot tea",
  "her cat near my fire",
];
const grey = (thing: number, heldOut: boolean) => 40 * thing + (heldOut ? 5 : 0);

function dataset(): Dataset {
  const records: CaptionedImage[] = [];
  for (const split of ["train", "test"]) {
    captions.forEach((caption, thing) => {
      records.push({
        id: `${split}/${thing}`,
        image: records.length,
        captions: [caption],
        keywordCaptions: [],
        split,
        attributes: attributesOf(caption),
      });
    });
  }
  const images = new Uint8Array(records.length * bytes);
  records.forEach(({ split, image }, i) => {
    images.fill(grey(i % captions.length, split === "test"), image * bytes, (image + 1) * bytes);
  });
  return { name: "greys", size, images, records, splits: splitsOf(records) };
}

/** Codes a picture by its thing, [thing, thing], and says the caption of the thing that it is shown. */
const shown: number[][] = [];
const captioner = {
  positions: 2,
  async encodeAll(images: Uint8Array, onBatch?: (done: number) => void) {
    const count = images.length / bytes;
    onBatch?.(count);
    return Uint32Array.from({ length: 2 * count }, (_, i) =>
      Math.floor(images[Math.floor(i / 2) * bytes]! / 40),
    );
  },
  async captionCodes(codes: Uint32Array, { onBatch }: { onBatch?: (done: number) => void }) {
    const things = Array.from({ length: codes.length / 2 }, (_, i) => codes[2 * i]!);
    shown.push(things);
    onBatch?.(things.length);
    return things.map((thing) => ({ text: captions[thing]! }));
  },
} as unknown as Captioner;

t.test("a captioner that sees, the same one shown another picture, and the nearest pictures", async (t) => {
  const progress: [number, number][] = [];
  const data = dataset();
  const [result] = await evaluate(captioner, data, {
    splits: ["test"],
    onProgress: (done, total) => progress.push([done, total]),
  });
  const { scores } = result!;
  t.equal(scores.model.exactMatch.accuracy, 1, "the model says what is shown");
  t.equal(scores.shuffled.exactMatch.accuracy, 0, "nobody keeps its own picture");
  t.same([...shown[1]!].sort(), [0, 1, 2, 3, 4], "and every picture is shown once to somebody");
  t.equal(scores.nearestPixels.exactMatch.accuracy, 1, "the nearest picture by pixels is of the same thing");
  t.equal(scores.nearestCodes.exactMatch.accuracy, 1, "and by codes");
  t.ok(scores.model.ciderD > 5 && scores.shuffled.ciderD < 0.5, "CIDEr-D tells them apart");
  t.same(
    result!.captions.map(({ id, caption }) => [id, caption]),
    captions.map((caption, thing) => [`test/${thing}`, caption]),
    "captions stand beside their pictures",
  );
  t.same(progress.at(-1), [20, 20], "progress ends at its total: 10 pictures coded, 5 captioned twice");
  const rows = scoresTable([result!]).split("\n");
  t.equal(rows.length, 2 + 4, "a row a method");
  t.match(rows[2], /^\| test \| 5 \| model \| 1\.000 \|/);
});

/**
 * Pictures of greys with the given captions, and a captioner that tells greys 20 apart and says `say` of them; `asked` gets
 * the options that it was called with.
 */
function greys(
  pictures: readonly { split: string; grey: number; captions: readonly string[] }[],
  say: (grey: number) => string,
  asked: object[] = [],
): { data: Dataset; told: Captioner } {
  // Pictures lie in another order than records.
  const place = (record: number) => (record + 1) % pictures.length;
  const records: CaptionedImage[] = pictures.map((picture, i) => ({
    id: `${picture.split}/${i}`,
    image: place(i),
    captions: picture.captions,
    keywordCaptions: ["no reference"],
    split: picture.split,
    attributes: attributesOf(picture.captions[0]!),
  }));
  const images = new Uint8Array(records.length * bytes);
  records.forEach(({ image }, i) => {
    images.fill(pictures[i]!.grey, image * bytes, (image + 1) * bytes);
  });
  const told = {
    positions: 2,
    async encodeAll(given: Uint8Array) {
      return Uint32Array.from({ length: (2 * given.length) / bytes }, (_, i) =>
        Math.round(given[Math.floor(i / 2) * bytes]! / 20),
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
  return { data: { name: "greys", size, images, records, splits: splitsOf(records) }, told };
}

t.test("every reference of a picture counts, in every score", async (t) => {
  const references = [
    ["a red hat on a mat", "one hat on the floor", "red hat"],
    ["two dogs in a boat", "some dogs at sea in a boat", "dogs and a boat"],
    ["the old man with skis", "a man on his long skis", "an old skier"],
  ];
  const pictures = references.flatMap((captions, i) => [
    { split: "train", grey: 200 + 10 * i, captions: ["nothing of the kind"] },
    { split: "test", grey: 40 * i, captions },
  ]);
  for (const number of [0, 1, 2]) {
    const { data, told } = greys(pictures, (grey) => references[grey / 40]![number]!);
    const [result] = await evaluate(told, data, { splits: ["test"] });
    const { model } = result!.scores;
    t.equal(model.exactMatch.accuracy, 1, `caption ${number} of each picture is exact`);
    t.ok(model.ciderD > 1, `and near by CIDEr-D (${model.ciderD.toFixed(2)})`);
    if (number < 2) t.ok(model.bleu[3] > 0.99, "and by BLEU-4");
    t.same(
      result!.captions.map(({ references: own }) => own),
      references,
      "references stand beside the captions",
    );
  }
});

t.test(
  "baselines answer with what training says of the nearest training picture, never with a test picture",
  async (t) => {
    const trained = ["a red hat on a mat", "two dogs in a boat", "the old man with skis"];
    const pictures = [
      { split: "test", grey: 12, captions: ["a thing that nobody has seen before"] },
      ...trained.map((caption, i) => ({
        split: "train",
        grey: 100 * i,
        captions: [caption, "something else"],
      })),
      { split: "other", grey: 12, captions: ["a thing that nobody has seen before"] },
      { split: "test", grey: 196, captions: ["the old man with skis"] },
    ];
    const asked: object[] = [];
    const { data, told } = greys(pictures, () => "a thing that nobody has seen before", asked);
    const options = { guidance: "cfg", scale: 1.5, steps: 7, seed: 4, topR: 0.5, temperature: 0.7 } as const;
    const [result, other] = await evaluate(told, data, { splits: ["test", "other"], ...options });
    t.equal(result!.scores.model.exactMatch.accuracy, 0.5, "the model has one of two");
    // The new thing has a twin in the split "other", which is no training picture.
    for (const method of ["nearestPixels", "nearestCodes"] as const) {
      t.equal(
        result!.scores[method].exactMatch.accuracy,
        0.5,
        `${method}: only what training has can be right`,
      );
      t.equal(other!.scores[method].exactMatch.accuracy, 0, `${method}: nor in another split`);
    }
    t.equal(asked.length, 4, "the model is asked about own and other pictures of both splits");
    for (const given of asked) t.match(given, options, "with the settings that were given");
  },
);

t.test("at most `limit` pictures, evenly spread", async (t) => {
  const data = dataset();
  t.same(recordsOf(data, "test", 0), [5, 6, 7, 8, 9], "0: all");
  t.same(recordsOf(data, "test", 2), [5, 7]);
  t.same(recordsOf(data, "test", 9), [5, 6, 7, 8, 9]);
  t.same(recordsOf(data, "none", 2), [], "a split that is not there is empty");
});
