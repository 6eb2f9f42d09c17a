/** `node dist/align.js`. */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { writeSceneWeights } from "../support/scene-weights.js";
import { runCommand } from "./run.js";

t.setTimeout(600_000);

const folder = mkdtempSync(join(tmpdir(), "align-"));
t.teardown(() => rmSync(folder, { recursive: true }));

await writeSceneWeights(folder, "one");
await writeSceneWeights(folder, "two", "seed=5");
await writeSceneWeights(folder, "large", "data.imageSize=48");
const align = (...args: string[]) =>
  runCommand("align", ["--split", "pairs", "--limit", "5", "--draws", "50", ...args], { cwd: folder });

interface Row {
  model: string;
  of: string;
  count: number;
  scores: Record<string, { mean: number; low: number; high: number }>;
  differences: Record<string, { mean: number }> | null;
}

t.test("two models on the data set's own captions: tables, JSON and sheet", async (t) => {
  const { code, stdout, stderr } = await align(
    ...["--weights", "one", "two", "--captions", "references", "--regions", "2"],
    ...["--json", "a.json", "--sheet", "a.svg", "--examples", "2"],
  );
  t.equal(code, 0, stderr);
  t.match(stdout, /\| words \| model \| number \| log p \|/);
  t.match(stdout, /\| thing \| one \| \d+ \|/);
  t.match(stdout, /\| removed \| two \| 10 \|/, "two things in each of five pictures");
  t.match(stdout, /5 pictures \[95 % interval/);
  t.match(
    stdout,
    /\| the false caption has another \|.*\| attribute \| two \| [1-5] \|/s,
    "captions beside false ones",
  );
  const record = JSON.parse(readFileSync(join(folder, "a.json"), "utf8"));
  t.same(
    [
      record.format,
      record.split,
      record.captions,
      record.pictures,
      record.models.map((m: Row) => m.model ?? null),
    ],
    ["mc-diffusion-alignment-1", "pairs", "references", 5, [null, null]],
  );
  const all: Row[] = record.roles.filter(({ of }: Row) => of === "all");
  t.equal(all[0]!.count, all[1]!.count, "the same words for both");
  t.ok(all[0]!.count >= 10 && all[0]!.differences === null && all[1]!.differences !== null);
  t.equal(all[0]!.scores.area!.mean, all[1]!.scores.area!.mean);
  const pairs: Row[] = record.pairs;
  t.same(
    pairs.map(({ of }) => of),
    ["object", "object", "attribute", "attribute", "relation", "relation", "place", "place"],
  );
  for (const i of [0, 2, 4, 6]) t.equal(pairs[i]!.count, pairs[i + 1]!.count, "the same pairs for both");
  t.not(all[0]!.scores.logProbability!.mean, all[1]!.scores.logProbability!.mean, "other weights");
  const svg = readFileSync(join(folder, "a.svg"), "utf8");
  t.match(svg, /pairs\/000000, one: .*pairs\/000000, two: .*pairs\/000200, one: /s);
  t.match(svg, />\d+ % in box, area \d+ %<.*>Δ -?\d+\.\d\d nats</s);
  t.equal(svg.match(/<image [^>]*opacity="1"/g)?.length, 4, "two pictures for each model");
  const [first] = record.roles.filter(({ of }: Row) => of === "all");
  t.ok(svg.match(/<image [^>]*opacity="0\.45"/g)!.length >= 8 && first.count >= 10, "a map for each phrase");
});

t.test("generated captions, and a PNG", async (t) => {
  const { code, stdout, stderr } = await align("--weights", "one", "--quiet", "--sheet", "b.png");
  t.equal(code, 0, stderr);
  t.notMatch(stderr, /adapter:|sheet:|pictures/, "quiet");
  t.match(stdout, /the thing is|Means over the words of 5 pictures/);
  t.same(
    [...readFileSync(join(folder, "b.png")).subarray(1, 4)],
    [..."PNG"].map((c) => c.charCodeAt(0)),
  );
});

t.test("what is wrong is said in one sentence", async (t) => {
  for (const [args, message] of [
    [[], /required option '--weights/],
    [["--weights", "one", "large"], /pictures of 32 and 48 pixels, which show other scenes/],
    [["--weights", "one", "--sheet", "a.gif"], /--sheet a\.gif should end with \.png or \.svg/],
    [["--weights", "one", "--captions", "mine"], /Allowed choices are generated, references/],
    [
      ["--weights", "one", "--split", "nowhere", "--quiet"],
      /scenes have no split "nowhere"; they have train, /,
    ],
    [["--weights", "one", "--regions", "0"], /whole number from 1 to 100/],
  ] as const) {
    const { code, stderr } = await align(...args);
    t.equal(code, 2, stderr);
    t.match(stderr, message);
  }
});
