/** evaluate.js on scenes: what is true of captions, beside the scores and as columns. */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { TRUTH_NAMES } from "../../dist/data/scenes/truth-scores.js";
import { writeSceneWeights } from "../support/scene-weights.js";
import { runCommand } from "./run.js";

t.setTimeout(600_000);

const folder = mkdtempSync(join(tmpdir(), "scene-scores-"));
t.teardown(() => rmSync(folder, { recursive: true }));
await writeSceneWeights(folder, "one");

const few = ["--splits", "pairs", "--limit", "5", "--seeds", "2", "--draws", "50", "--neighbours", "3"];
const score = (...args: string[]) => runCommand("evaluate", [...few, ...args], { cwd: folder });
const NAMES = ["model", "model, other picture", "nearest by pixels", "nearest by codes", "references"];

interface Row {
  name: string;
  scores: Record<string, { mean: number; seeds: number[] }>;
}

t.test("a table of what is true beside the scores of one model", async (t) => {
  const { code, stdout, stderr } = await score("--weights", "one", "--bound", "0", "--json", "a.json");
  t.equal(code, 0, stderr);
  t.match(stdout, /captions by \| all named of 1 \| all named of 2 \|/);
  t.match(stdout, /\| pairs \| 5 \| references \| – \| 100\.0 % \[100\.0, 100\.0\] \|/, "two things in each");
  t.match(stdout, /references: the data set's own captions\./);
  const { truth, neighbours } = JSON.parse(readFileSync(join(folder, "a.json"), "utf8"));
  t.equal(neighbours, 3);
  t.same(
    truth.columns.map(({ name }: Row) => name),
    [...TRUTH_NAMES],
  );
  const rows: Row[] = truth.splits[0].rows;
  t.same(
    rows.map(({ name }) => name),
    NAMES,
  );
  t.equal(rows[0]!.scores.objectRecall!.seeds.length, 2);
  t.equal(rows[4]!.scores.relation!.mean, 1);
});

t.test("columns of the table of models, and its files", async (t) => {
  const files = ["--json", "b.json", "--captions", "--csv", "b.csv", "--latex", "b.tex", "--page", "b.html"];
  const { code, stdout, stderr } = await score(
    ...["--weights", "one", "--metrics", "relation,ciderD,objects2", ...files],
  );
  t.equal(code, 0, stderr);
  t.match(stdout, /captions by \| CIDEr-D \| all named of 2 \| relation \|/);
  t.match(stdout, /\| references \| – \| 100\.0 % \[100\.0, 100\.0\] \| 100\.0 %/);
  t.match(readFileSync(join(folder, "b.csv"), "utf8"), /pairs,5,references,references,relation,1,1,1/);
  t.match(readFileSync(join(folder, "b.tex"), "utf8"), /references & -- & .*100\.0/);
  const page = readFileSync(join(folder, "b.html"), "utf8");
  t.match(page, /all named of 2/);
  const all = await score("--weights", "one", "--page", "c.html", "--no-baselines");
  t.match(all.stdout, /CIDEr-D \| all named of 1 .*gender said \|/, "all of them, if none is named");
});

t.test("columns of scenes for other pictures", async (t) => {
  const { code, stderr } = await runCommand("evaluate", ["--metrics", "bleu4,relation,count", "--quiet"]);
  t.equal(code, 2);
  t.match(stderr, /--metrics: relation, count can be told of scenes alone; of emoji nobody knows/);
});
