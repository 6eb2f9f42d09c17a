import { createHash } from "node:crypto";
import t from "tap";
import type { Captioner } from "../../../dist/captioner/captioner.js";
import type { BatchOptions } from "../../../dist/captioner/options.js";
import { resolveConfig } from "../../../dist/config/resolve.js";
import { type Dataset, MemoryImages, splitsOf } from "../../../dist/data/dataset.js";
import { parseGrid } from "../../../dist/evaluation/sweep/grid.js";
import { LineStore } from "../../../dist/evaluation/sweep/line-store.js";
import { distinct } from "../../../dist/evaluation/sweep/points.js";
import type { ReferenceFree } from "../../../dist/evaluation/sweep/reference-free.js";
import { byReferences, FREE, type SweepMetric } from "../../../dist/evaluation/sweep/scores.js";
import { splitView } from "../../../dist/evaluation/sweep/split-view.js";
import { Sweep } from "../../../dist/evaluation/sweep/sweep.js";
import { meanOfDefined, meanRows } from "../../../dist/metrics/bootstrap.js";
import { METRICS } from "../../../dist/metrics/scores.js";
import { guidanceOptions } from "../../../dist/models/sampling-settings.js";
import { single } from "../../../dist/platform/collective.js";
import { localCollectives } from "../../../dist/training/port-collective.js";
import { MemoryFiles } from "../../io/memory-files.js";

const size = 2;
const bytes = size * size * 3;
const things = ["a red hat on a mat", "two dogs in a boat", "the old man with skis", "one cup of hot tea"];

/** Four things in each split; picture i has the grey i. `testCaption` replaces the references of the test split. */
function dataset(testCaption?: string): Dataset {
  const records = ["test", "train", "validation"].flatMap((split, s) =>
    things.map((caption, thing) => ({
      ...{ id: `${split} ${thing}`, image: 4 * s + thing, keywordCaptions: [], split },
      captions: [split === "test" ? (testCaption ?? caption) : caption],
      attributes: { tone: "none", gender: "none", objectWords: [] } as const,
    })),
  );
  const images = Uint8Array.from({ length: 12 * bytes }, (_, i) => Math.floor(i / bytes));
  return { name: "things", size, images: new MemoryImages(images, size), records, splits: splitsOf(records) };
}

/** What was asked of the captioner: split by the first picture's code, guidance, steps, seed. */
let asked: string[] = [];
/** Stops the captioner at this call, as a kill does. */
let killAt = Number.POSITIVE_INFINITY;

/**
 * Wrong in more things the farther ω is from 2 on validation pictures, from 3 on test pictures; unguided it is right only with
 * a temperature of 0.5.
 */
const captioner = {
  positions: 1,
  decoder: {},
  config: { ...resolveConfig(), seed: 1 },
  async encodeAll(images: Uint8Array) {
    return Uint32Array.from({ length: images.length / bytes }, (_, i) => images[i * bytes]!);
  },
  async captionCodes(codes: Uint32Array, options: BatchOptions) {
    const { method, scale = 0 } = guidanceOptions(options.guidance);
    const test = codes[0]! < 4;
    if (asked.length === killAt) throw new Error("killed");
    asked.push(
      `${test ? "test" : "validation"} ${method} ${scale} ${options.steps} ${options.temperature} ${options.seed}`,
    );
    const wrong =
      method === "none" ? 6 * Math.abs(options.temperature! - 0.5) : Math.abs(scale - (test ? 3 : 2));
    options.onBatch?.(codes.length);
    return Array.from(codes, (code, i) => ({ text: i < wrong ? "no" : things[code % 4]! }));
  },
} as unknown as Captioner;

let judged = 0;
const free: ReferenceFree = {
  ...{ name: "likelihood", title: "words", decimals: 1, id: "words", passes: 1 },
  async score(_pictures, captions) {
    judged++;
    return Float64Array.from(captions, (text) => text.split(" ").length);
  },
};

const grid = parseGrid(
  {
    seeds: 2,
    curves: [
      { method: "none", temperature: [0.5, 1] },
      { method: "cfg", scale: [1.5, 2, 3] },
      { method: "mcs", scale: [1, 3], maskRate: 0.5 },
    ],
  },
  "grid",
);

/** Looks at pictures by their numbers, as the truth of scenes does: 0 to 3 are those of test, 8 to 11 of validation. */
const looked: SweepMetric = {
  ...{ title: "looked", decimals: "share", statistic: meanOfDefined },
  rows: (captions, { images }) =>
    meanRows(
      captions.map((caption, i) => Number(caption === things[images[i]! % 4] && images[i]! >> 2 !== 1)),
    ),
};
const metrics = new Map<string, SweepMetric>([...byReferences(Object.entries(METRICS)), ["looked", looked]]);

async function sweepOn(
  data: Dataset,
  files: MemoryFiles,
  progress: [number, number, string][] = [],
  collective = single,
) {
  const store = collective.rank === 0 ? await LineStore.open(files, "captions.jsonl") : null;
  const sweep = new Sweep(
    {
      ...{ captioner, weights: "w", sampling: {}, free, store, collective },
      hash: async (_, text) => createHash("sha256").update(text).digest("hex"),
    },
    {
      ...{ grid, metrics, choose: "ciderD", limit: 0, draws: 20 },
      ...{ base: { steps: 4, temperature: 1, topR: 0.9, most: 10 }, seed: 5, testSeeds: 3 },
    },
    (...told) => progress.push(told),
  );
  const selection = await sweep.select(splitView(data, ["train", "validation"]), 4);
  const chosen = distinct(selection.choices.map(({ point }) => point));
  const test = await sweep.test(data, "test", chosen);
  return { selection, test };
}

const choicesOf = ({ selection }: Awaited<ReturnType<typeof sweepOn>>) =>
  selection.choices.map(({ group, point }) => `${group} ${point.value}`);

t.beforeEach(() => {
  asked = [];
  killAt = Number.POSITIVE_INFINITY;
  judged = 0;
});

t.test("settings are chosen on validation, one for each method, and reported on test", async (t) => {
  const progress: [number, number, string][] = [];
  const result = await sweepOn(dataset(), new MemoryFiles(), progress);
  t.same(
    choicesOf(result),
    ["none 0.5", "cfg 2", "mcs 3", "none ×2 0.5"],
    "what is best on validation, although cfg 3 is best on test",
  );
  const validation = asked.filter((call) => call.startsWith("validation"));
  // Unguided: 2 temperatures with 4 steps and with 8; cfg 3; mcs 1 is the full model, 3 is not.
  t.equal(validation.length, 2 * (2 * 2 + 3 + 1), "every setting with two seeds, the full model once");
  t.equal(new Set(validation).size, validation.length, "nothing twice");
  const tests = asked.filter((call) => call.startsWith("test"));
  t.equal(tests.length, 3 * 4, "four chosen settings with three seeds");
  t.ok(
    tests.every((call) => / (5|6|7)$/.test(call)),
    "from the first seed on",
  );
  const exact = (key: string) => result.test.scores.get(key)!.estimates.get("exact")!.mean;
  t.equal(exact("cfg ω=2 τ=1 r=0.9 N=4"), 0.75, "one of four wrong on test");
  t.equal(result.test.scores.get("cfg ω=2 τ=1 r=0.9 N=4")!.estimates.get(FREE)!.seeds.length, 3);
  for (const { scores } of [result.test, result.selection.validation])
    for (const { estimates } of scores.values())
      t.equal(
        estimates.get("looked")!.mean,
        estimates.get("exact")!.mean,
        "captions meet their own pictures",
      );
  const [done, total] = progress.at(-1)!;
  t.equal(done, total, "progress ends at its total");
  // 4 pictures: validation 2 seeds × (passes 4 4 8 8 · 1 + 8 · 4, and 8 judgements); test 3 seeds × (4 + 8 + 8 + 8 + 4).
  t.equal(done, 4 * (2 * (4 + 4 + 8 + 8 + 4 * 8 + 8) + 3 * (4 + 8 + 8 + 8 + 4)), "in network passes");
});

t.test("no choice sees a test caption", async (t) => {
  const [files, other] = [new MemoryFiles(), new MemoryFiles()];
  const plain = await sweepOn(dataset(), files);
  const nonsense = await sweepOn(dataset("xyzzy plugh"), other);
  const seen = ({ selection: { validation, choices } }: typeof plain) =>
    JSON.stringify([choices, [...validation.scores].map(([key, { estimates }]) => [key, [...estimates]])]);
  t.equal(seen(nonsense), seen(plain), "choice and scores of validation are equal to the bit");
  t.equal(await other.readText("captions.jsonl"), await files.readText("captions.jsonl"), "and the captions");
  const ciderD = ({ test }: typeof plain) =>
    [...test.scores.values()].map(({ estimates }) => estimates.get("ciderD")!.mean);
  t.not(JSON.stringify(ciderD(nonsense)), JSON.stringify(ciderD(plain)), "the scores of the test are not");
  const sweep = new Sweep(
    {
      captioner,
      weights: "w",
      sampling: {},
      free,
      store: await LineStore.open(files, "x"),
      hash: async () => "",
    },
    {
      ...{ grid, metrics, choose: "ciderD", limit: 0, draws: 20 },
      ...{ base: { steps: 4, temperature: 1, topR: 0.9, most: 10 }, seed: 5, testSeeds: 3 },
    },
  );
  await t.rejects(
    sweep.select(dataset()),
    /settings are chosen on validation pictures; the data holds the split "test", too/,
    "data with test records is refused",
  );
});

t.test("a killed sweep goes on without a caption made twice or lost", async (t) => {
  const unbroken = new MemoryFiles();
  const expected = await sweepOn(dataset(), unbroken);
  const calls = [...asked];
  for (const at of [0, 3, calls.length - 1]) {
    const files = new MemoryFiles();
    asked = [];
    killAt = at;
    await t.rejects(sweepOn(dataset(), files), /killed/);
    await files.append("captions.jsonl", '{"key":"cut","capt');
    killAt = Number.POSITIVE_INFINITY;
    const result = await sweepOn(dataset(), files);
    t.same(asked, calls, `killed at call ${at}: the same captions in the same order, each once`);
    t.same(
      await files.readText("captions.jsonl"),
      await unbroken.readText("captions.jsonl"),
      "the same lines",
    );
    t.same(choicesOf(result), choicesOf(expected));
  }
  asked = [];
  judged = 0;
  await sweepOn(dataset(), unbroken);
  t.same([asked, judged], [[], 0], "a finished sweep makes nothing again");
});

t.test(
  "two and three processes divide settings and seeds, and the first one chooses and keeps",
  async (t) => {
    const alone = new MemoryFiles();
    const expected = await sweepOn(dataset(), alone);
    const calls = [...asked].sort();
    const lines = async (files: MemoryFiles) => (await files.readText("captions.jsonl")).split("\n").sort();
    for (const size of [2, 3]) {
      asked = [];
      judged = 0;
      const { ranks, close } = localCollectives(size);
      const files = new MemoryFiles();
      const progress: [number, number, string][] = [];
      const results = await Promise.all(
        ranks.map((own, i) => sweepOn(dataset(), files, i === 0 ? progress : [], own)),
      );
      t.same([...asked].sort(), calls, `${size} processes: each setting and seed is captioned once`);
      t.equal(judged, calls.length, "and scored once");
      t.same(await lines(files), await lines(alone), "the same lines");
      for (const result of results) t.same(choicesOf(result), choicesOf(expected), "the same choice on each");
      t.same(
        JSON.stringify([...results[0]!.test.scores].map(([key, { estimates }]) => [key, [...estimates]])),
        JSON.stringify([...expected.test.scores].map(([key, { estimates }]) => [key, [...estimates]])),
        "the same scores on the first",
      );
      const [done, total] = progress.at(-1)!;
      t.equal(done, total, "progress ends at its total");
      asked = [];
      await Promise.all(ranks.map((own) => sweepOn(dataset(), files, [], own)));
      t.same(asked, [], "a finished sweep makes nothing again");
      close();
    }
  },
);
