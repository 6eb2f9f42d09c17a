import t from "tap";
import type { Captioner } from "../../dist/captioner/captioner.js";
import type { BatchOptions } from "../../dist/captioner/options.js";
import type { CaptionedImage, Dataset } from "../../dist/data/dataset.js";
import { MemoryImages, splitsOf } from "../../dist/data/dataset.js";
import { parseCompared } from "../../dist/evaluation/compared.js";
import { evaluate } from "../../dist/evaluation/evaluation.js";
import { recordsOf, testSplits } from "../../dist/evaluation/pictures.js";
import type { SplitScores } from "../../dist/evaluation/scoring.js";
import { differencesTable, scoresTable, tableLegend } from "../../dist/evaluation/tables.js";
import { ciderD } from "../../dist/metrics/cider.js";
import { guidanceOptions } from "../../dist/models/sampling-settings.js";
import { UserError } from "../../dist/platform/errors.js";
import { attributesOf } from "../../dist/text/attributes.js";

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
  return {
    name: "greys",
    size,
    images: new MemoryImages(images, size),
    records,
    splits: splitsOf(records),
  };
}

/** Codes a picture by its thing, [thing, thing]. */
const encoded: number[] = [];
/** What was asked for: the things shown, the seed, the guidance. */
const asked: { things: number[]; seed: number; guidance: string; scale: number | undefined }[] = [];

/** Says the caption of the thing that it is shown; with seed 2 or without guidance it is wrong about thing 0. */
const captioner = {
  positions: 2,
  decoder: {},
  config: { seed: 1 },
  async encodeAll(images: Uint8Array, onBatch?: (done: number) => void) {
    const count = images.length / bytes;
    encoded.push(count);
    onBatch?.(count);
    return Uint32Array.from({ length: 2 * count }, (_, i) =>
      Math.floor(images[Math.floor(i / 2) * bytes]! / 40),
    );
  },
  async captionCodes(
    codes: Uint32Array,
    { onBatch, seed = 1, guidance: given }: BatchOptions,
  ): Promise<{ text: string }[]> {
    const { method: guidance = "cfg", scale } = guidanceOptions(given);
    const things = Array.from({ length: codes.length / 2 }, (_, i) => codes[2 * i]!);
    asked.push({ things, seed, guidance, scale });
    onBatch?.(things.length);
    const wrong = seed === 2 || guidance === "none";
    return things.map((thing) => ({ text: thing === 0 && wrong ? "a red cat" : captions[thing]! }));
  },
} as unknown as Captioner;

t.beforeEach(() => {
  encoded.length = 0;
  asked.length = 0;
});

t.test("a captioner that sees, the same one shown another picture, and the nearest pictures", async (t) => {
  const progress: [number, number][] = [];
  const evaluation = await evaluate(captioner, dataset(), {
    splits: ["test"],
    onProgress: (done, total) => progress.push([done, total]),
  });
  const [result] = evaluation.splits;
  const exact = Object.fromEntries(
    result!.methods.map(({ method, scores }) => [method, scores.exact.mean] as const),
  );
  t.same(
    exact,
    { model: 1, shuffled: 0, nearestPixels: 1, nearestCodes: 1 },
    "the model says what is shown, nobody keeps its own picture, nearest pictures are of the same thing",
  );
  t.same([...asked[1]!.things].sort(), [0, 1, 2, 3, 4], "every picture is shown once to somebody");
  const [model, shuffled] = result!.methods;
  t.ok(model!.scores.ciderD.mean > 5 && shuffled!.scores.ciderD.mean < 0.5, "CIDEr-D tells them apart");
  t.ok(Number.isNaN(model!.scores.tone.mean), "no caption has a tone: not a share");
  t.same(
    result!.captions.map(({ id, captions }) => [id, captions.model]),
    captions.map((caption, thing) => [`test/${thing}`, [caption]]),
    "captions stand beside their pictures",
  );
  t.same(progress.at(-1), [20, 20], "progress ends at its total: 10 pictures coded, 5 captioned twice");
  const rows = scoresTable(evaluation).split("\n");
  t.equal(rows.length, 2 + 4, "a row a method");
  t.match(rows[2], /^\| test \| 5 \| model \| 1\.000 \[1\.000, 1\.000\] \|/);
  t.match(rows[2], /\| – \| \d+\.\d % \[/, "no tone, a share with its interval");
});

t.test("means over seeds: pictures are encoded once, baselines scored once", async (t) => {
  const evaluation = await evaluate(captioner, dataset(), { splits: ["test"], seeds: 3 });
  t.same(evaluation.seeds, [1, 2, 3]);
  t.same(encoded, [10], "training and test pictures, once");
  t.same(
    asked.map(({ seed }) => seed),
    [1, 2, 3, 1, 2, 3],
    "the model and the model shown other pictures, each with each seed",
  );
  const [model, , byPixels] = evaluation.splits[0]!.methods;
  const { exact } = model!.scores;
  t.same(exact.seeds, [1, 0.8, 1], "one picture of five is wrong with seed 2");
  t.ok(Math.abs(exact.mean - 14 / 15) < 1e-12, "their mean");
  t.ok(Math.abs(exact.deviation - Math.sqrt(0.04 / 3)) < 1e-12, "and deviation");
  t.ok(exact.low < exact.mean && exact.high === 1, `interval [${exact.low}, ${exact.high}]`);
  t.same(byPixels!.scores.exact.seeds, [1], "a nearest picture knows no seeds");
  t.match(scoresTable(evaluation), /model \|.* 93\.3 % \[\d+\.\d, 100\.0\] ± 11\.5 \|/);
  t.match(tableLegend(evaluation), /^Mean over 3 sampling seeds \[95 % interval/);
});

t.test("nearest pictures are searched among as many as asked for", async (t) => {
  const evaluation = await evaluate(captioner, dataset(), { splits: ["test"], neighbours: 2 });
  t.same(encoded, [7], "two training pictures and five of the test");
  const [, , byPixels, byCodes] = evaluation.splits[0]!.methods;
  for (const { name, scores } of [byPixels!, byCodes!])
    t.equal(scores.exact.mean, 0.4, `${name}: things 0 and 2 are known`);
});

t.test("settings are compared on the same pictures and seeds", async (t) => {
  const compare = parseCompared("none, cfg:1.25,mcs:2:0.5");
  const evaluation = await evaluate(captioner, dataset(), {
    splits: ["test"],
    seeds: 2,
    seed: 7,
    compare,
    baselines: false,
  });
  t.same(encoded, [5], "without baselines no training picture is encoded");
  t.same(
    asked.map(({ guidance, scale, seed }) => [guidance, scale, seed]),
    [
      ["none", undefined, 7],
      ["none", undefined, 8],
      ["cfg", 1.25, 7],
      ["cfg", 1.25, 8],
      ["mcs", 2, 7],
      ["mcs", 2, 8],
    ],
  );
  const [{ methods, differences }] = evaluation.splits as [SplitScores];
  t.same(
    differences.map(({ of, minus }) => `${of} − ${minus}`),
    ["cfg:1.25 − none", "mcs:2:0.5 − none", "mcs:2:0.5 − cfg:1.25"],
    "each pair",
  );
  const [gain, , equal] = differences.map(({ scores }) => scores.exact);
  t.ok(Math.abs(gain!.mean - 0.2) < 1e-12, "guidance says one picture of five more");
  t.ok(gain!.low >= 0 && gain!.high > gain!.mean, `a gain in every resample: [${gain!.low}, ${gain!.high}]`);
  t.same(
    [equal!.mean, equal!.low, equal!.high],
    [0, 0, 0],
    "the same captions: no difference in any resample",
  );
  t.ok(methods[0]!.scores.exact.high > methods[0]!.scores.exact.low, "which is more than each of them knows");
  t.match(differencesTable(evaluation), /cfg:1\.25 − none \|.*\+20\.0 points \[\+0\.0, \+\d+\.0\] ± 0\.0 \|/);
});

t.test("the comparison as the command line has it", async (t) => {
  t.same(parseCompared("none,mcs-printed:0.5"), [
    { name: "none", guidance: "none" },
    { name: "mcs-printed:0.5", guidance: "mcs-printed", scale: 0.5 },
  ]);
  for (const wrong of ["", "more:1", "cfg:x", "cfg:1:0.5", "none:1", "mcs:2:1.5", "mcs:2:0.5:1", "cfg:"])
    t.throws(() => parseCompared(wrong), UserError, `"${wrong}"`);
  t.throws(() => parseCompared("none,none"), /compared with itself/);
});

t.test("idf of CIDEr-D comes from the whole split, whatever the limit", async (t) => {
  const data = dataset();
  const of = async (limit: number) => {
    const evaluation = await evaluate(captioner, data, { splits: ["test"], limit, baselines: false });
    const { splits } = evaluation;
    t.equal(differencesTable(evaluation), null, "one method: no differences");
    const [{ pictures, of, methods }] = splits as [SplitScores];
    t.same([pictures, of], [limit || 5, 5]);
    return methods[0]!.scores.ciderD.mean;
  };
  t.equal((await of(1)) > 0, true, "one picture of five: words have weight, which alone they would not");
  const references = captions.map((caption) => [caption]);
  const { each } = ciderD(captions, references);
  t.ok(
    Math.abs((await of(2)) - (each[0]! + each[2]!) / 2) < 1e-12,
    "two keep the scores that they have in all",
  );
});

t.test("tests are what is scored: neither training nor validation", async (t) => {
  t.same(testSplits({ splits: { train: [0], validation: [1], tone: [2], novel: [] } }), ["tone", "novel"]);
  t.same(
    testSplits({ splits: { train: [0], validation: [1] } }),
    ["validation"],
    "validation where it is all",
  );
});

t.test("at most `limit` pictures, evenly spread", async (t) => {
  const data = dataset();
  t.same(recordsOf(data, "test", 0), [5, 6, 7, 8, 9], "0: all");
  t.same(recordsOf(data, "test", 2), [5, 7]);
  t.same(recordsOf(data, "test", 9), [5, 6, 7, 8, 9]);
  t.same(recordsOf(data, "none", 2), [], "a split that is not there is empty");
});
