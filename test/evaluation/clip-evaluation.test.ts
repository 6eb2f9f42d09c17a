/** CLIPScore of an evaluation: which features go into it, which are kept, and what the table says. */

import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import t from "tap";
import { type Dataset, MemoryImages } from "../../dist/data/dataset.js";
import { clipEvaluation, clipTable } from "../../dist/evaluation/clip-evaluation.js";
import { FeatureStore } from "../../dist/evaluation/feature-store.js";
import type { Evaluation } from "../../dist/evaluation/scoring.js";
import { clipScore, refClipScore } from "../../dist/metrics/clip-score.js";
import type { Clip } from "../../dist/models/clip/clip.js";
import type { ClipPixels } from "../../dist/models/clip/preprocess.js";
import { UserError } from "../../dist/platform/errors.js";
import { nodePlatform } from "../../dist/platform/node.js";

const { files, hash } = nodePlatform;
const width = 3;
const size = 2;

/** Features of a picture: its first pixel. Of a text: its length, its first letter, and 1. */
const ofPixels = ({ data }: Pick<ClipPixels, "data">) =>
  Array.from(data.subarray(0, width), (value) => value - 100);
const ofText = (text: string) => [text.length, text.charCodeAt(text.length - 1) - 100, 1];

/** A CLIP whose features are those, with what it was asked for. */
function toy() {
  const asked = { pictures: [] as number[][], texts: [] as string[] };
  const clip = {
    shape: { features: width },
    async encodeImages(pictures: ClipPixels[]) {
      asked.pictures.push(...pictures.map((picture) => [picture.width, picture.height]));
      return Float32Array.from(pictures.flatMap(ofPixels));
    },
    async encodeTexts(texts: string[]) {
      asked.texts.push(...texts);
      return Float32Array.from(texts.flatMap(ofText));
    },
  } as unknown as Clip;
  return { clip, asked };
}

const bytes = Uint8Array.from({ length: 4 * size * size * 3 }, (_, i) => (i * 67) % 251);
const dataset: Dataset = {
  name: "toy",
  size,
  images: new MemoryImages(bytes, size),
  records: [],
  splits: {},
};

const score = { mean: 0, low: 0, high: 0, seeds: [0], deviation: 0 };
const names = ["bleu4", "ciderD", "exact", "objectWords", "tone", "gender"] as const;
type Scores = Evaluation["splits"][number]["methods"][number]["scores"];
const scores = Object.fromEntries(names.map((name) => [name, score])) as unknown as Scores;
const captions = [
  {
    id: "a",
    image: 2,
    references: ["a bird", "bird"],
    captions: { model: ["a cat", "a cow"], nearest: ["bird"] },
  },
  { id: "b", image: 0, references: ["two"], captions: { model: ["a cat", "two"], nearest: ["a fox"] } },
  { id: "c", image: 3, references: ["three x"], captions: { model: ["one", "a"], nearest: ["y"] } },
];
const evaluation: Evaluation = {
  seeds: [1, 2],
  draws: 50,
  level: 0.95,
  splits: [
    {
      split: "test",
      pictures: 3,
      of: 3,
      methods: [
        { method: "model", name: "model", scores },
        { method: "nearestPixels", name: "nearest", scores },
      ],
      differences: [],
      captions,
    },
  ],
};

t.test("scores are those of the features, means over pictures and seeds", async (t) => {
  const { clip, asked } = toy();
  const [split] = await clipEvaluation(clip, dataset, evaluation, { hash });
  const prompted = (text: string) => ofText(`A photo depicts ${text}`);
  const picture = (image: number) => ofPixels({ data: bytes.subarray(image * size * size * 3) });
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  for (const [i, name] of (["model", "nearest"] as const).entries()) {
    const { clipScore: plain, refClipScore: withReferences } = split!.rows[i]!;
    const each = (of: (record: (typeof captions)[number], caption: string) => number) =>
      mean(captions.flatMap((record) => record.captions[name].map((caption) => of(record, caption))));
    const wanted = each(({ image }, caption) => clipScore(picture(image), prompted(caption)));
    t.ok(Math.abs(plain.mean - wanted) < 1e-6, `${name}: ${plain.mean} for ${wanted}`);
    const wantedReferences = each(({ image, references }, caption) =>
      refClipScore(picture(image), prompted(caption), references.map(prompted)),
    );
    t.ok(Math.abs(withReferences.mean - wantedReferences) < 1e-6, `${name}: ${withReferences.mean}`);
    t.ok(plain.low <= plain.mean && plain.mean <= plain.high, "interval");
  }
  const [first, second] = split!.rows;
  t.match(split!.differences, [{ of: "model", minus: "nearest" }]);
  t.ok(
    Math.abs(split!.differences[0]!.clipScore.mean - (first!.clipScore.mean - second!.clipScore.mean)) < 1e-9,
  );
  t.equal(new Set(asked.texts).size, asked.texts.length, "each text once");
  t.equal(asked.pictures.length, 3, "each picture once");
  const lines = clipTable([split!]).split("\n");
  t.equal(lines[0], "| split | pictures | captions by | CLIPScore | RefCLIPScore |");
  t.match(lines[2], /^\| test \| 3 \| model \| \d\.\d{4} \[\d\.\d{4}, \d\.\d{4}\] ± /);
  t.match(lines[4], /^\| test \| 3 \| model − nearest \| [+-]\d/);
});

t.test("features are kept on disk and used again; a damaged file is as none", async (t) => {
  const folder = t.testdir();
  const path = join(folder, "clip", "features.safetensors");
  const run = async () => {
    const { clip, asked } = toy();
    const store = await FeatureStore.open(files, path, width);
    const result = await clipEvaluation(clip, dataset, evaluation, { hash, store });
    return { result, asked };
  };
  const first = await run();
  t.equal(first.asked.pictures.length, 3);
  const second = await run();
  t.same(second.asked, { pictures: [], texts: [] }, "nothing is encoded again");
  t.same(second.result, first.result, "the same scores");
  const whole = await readFile(path);
  await writeFile(path, whole.subarray(0, whole.length - 5));
  const third = await run();
  t.equal(third.asked.pictures.length, 3, "encoded again");
  t.same(await readFile(path), whole, "and written again");
  t.equal((await FeatureStore.open(files, path, width + 1)).get("x"), undefined, "another width is as none");
  await mkdir(join(folder, "taken"));
  const blocked = await FeatureStore.open(files, join(folder, "taken", "x", "y"), width);
  t.throws(() => blocked.set("a b", new Float32Array(width)), RangeError);
  t.throws(() => blocked.set("a", new Float32Array(1)), RangeError);
});

t.test("files are decoded at their full size; what cannot be is taken as the data set has it", async (t) => {
  const { clip, asked } = toy();
  const images = Object.assign(new MemoryImages(bytes, size), {
    content: (number: number) => `content${number}`,
    file: async (number: number) => Uint8Array.of(number),
  });
  const decode = async ([number]: Uint8Array) => {
    if (number === 0) throw new UserError("a drawing");
    return { width: 9, height: 5, data: new Uint8Array(135).fill(number! * 50) };
  };
  const store = FeatureStore.inMemory(width);
  await clipEvaluation(clip, { ...dataset, images }, evaluation, { hash, decode, store });
  t.same(asked.pictures, [
    [9, 5],
    [2, 2],
    [9, 5],
  ]);
  t.ok(store.get("file-content3"), "kept by the file's content");
});
