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

t.test("at most `limit` pictures, evenly spread", async (t) => {
  const data = dataset();
  t.same(recordsOf(data, "test", 0), [5, 6, 7, 8, 9], "0: all");
  t.same(recordsOf(data, "test", 2), [5, 7]);
  t.same(recordsOf(data, "test", 9), [5, 6, 7, 8, 9]);
  t.same(recordsOf(data, "none", 2), [], "a split that is not there is empty");
});
