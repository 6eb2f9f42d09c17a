/** `node dist/judge.js`: trains, is stopped, goes on, is measured, and scores captions in evaluate.js. */

import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { SWAPS } from "../../dist/data/scenes/swapped.js";
import { writeSceneWeights } from "../support/scene-weights.js";
import { runCommand } from "./run.js";

t.setTimeout(600_000);

const folder = mkdtempSync(join(tmpdir(), "judge-"));
t.teardown(() => rmSync(folder, { recursive: true }));

const small = [
  ...["data.imageSize=32", "data.subset=16", "judge.batch=4", "judge.negatives=1", "judge.channels=8"],
  ...["judge.width=16", "judge.heads=2", "judge.imageLayers=1", "judge.textLayers=1", "judge.features=8"],
  ...["judge.resBlocks=0", "judge.steps=6", "log.scored=100", "log.every=1", "log.evaluateEvery=0"],
].flatMap((entry) => ["--set", entry]);
const judge = (...args: string[]) => runCommand("judge", args, { cwd: folder });

t.test("a judge is trained, goes on after Ctrl-C, and is measured", async (t) => {
  const stopped = await runCommand("judge", ["train", "--out", "run", ...small], {
    cwd: folder,
    interruptAt: /judge 2\/6 {2}total/,
  });
  t.equal(stopped.code, 130, stopped.stderr);
  t.match(stopped.stderr, /stopped; go on with: node dist\/judge\.js train --resume run/);
  t.notOk(existsSync(join(folder, "run", "weights")), "no weights yet");
  const { code, stdout, stderr } = await judge("train", "--resume", "run");
  t.equal(code, 0, stderr);
  t.match(stderr, /judge: resumed at step [234]/);
  t.match(stdout, /measure it with: node dist\/judge\.js measure --judge run\/weights/);
  const log = readFileSync(join(folder, "run", "log.jsonl"), "utf8")
    .trimEnd()
    .split("\n");
  t.equal(log.length, 6, "a line for each step");
  t.match(
    readFileSync(join(folder, "run", "samples", "judge-000006.txt"), "utf8"),
    /validation\/000000\n.*\[object\]/s,
  );

  const measured = await judge("measure", "--judge", "run/weights", "--limit", "100", "--quiet");
  t.equal(measured.code, 0, measured.stderr);
  t.match(measured.stdout, /own caption first of 100 +\| +100 +\|.*95\.0: not met/);
  t.match(measured.stdout, /true before another relation/);
  const { about, shape, data } = JSON.parse(
    readFileSync(join(folder, "run", "weights", "judge.json"), "utf8"),
  );
  t.same([shape.imageSize, data.things], [32, 0]);
  for (const swap of SWAPS) t.ok(about.figures.test[swap].pictures > 0, swap);
});

t.test("evaluate.js scores by it, and refuses pictures of another size", async (t) => {
  await writeSceneWeights(folder, "one");
  const few = ["--splits", "pairs", "--limit", "5", "--seeds", "1", "--draws", "50", "--no-baselines"];
  const args = ["--weights", "one", "--judge", "run/weights", "--metrics", "ciderD", "--json", "a.json"];
  const { code, stdout, stderr } = await runCommand("evaluate", [...few, ...args], { cwd: folder });
  t.equal(code, 0, stderr);
  t.match(stdout, /captions by \| CIDEr-D \| judge \|/);
  t.match(stdout, /\| references \| – \| -?0\.\d{4} /, "the references are judged, too");
  const record = JSON.parse(readFileSync(join(folder, "a.json"), "utf8"));
  t.match(record.judge.sha256, /^[0-9a-f]{64}$/);
  const emoji = await runCommand("evaluate", [
    "--judge",
    join(folder, "run/weights"),
    "--quiet",
    "--limit",
    "2",
  ]);
  t.equal(emoji.code, 2);
  t.match(emoji.stderr, /--judge: it knows scenes alone, and these are pictures of emoji/);
});

t.test("options that do not go together", async (t) => {
  for (const [args, message] of [
    [["train", "--minutes", "1", "--set", "judge.steps=3"], /--minutes chooses the steps/],
    [["train", "--resume", "run", "--seed", "2"], /--seed cannot be given with --resume/],
    [["train", "--out", "run"], /run already holds a run/],
    [["measure", "--judge", "none"], /none holds no judge/],
    [["measure"], /required option '--judge <folder>'/],
  ] as const) {
    const { code, stderr } = await judge(...args);
    t.ok(code === 1 || code === 2, `exit code ${code}`);
    t.match(stderr, message);
  }
  const listed = await judge("train", "--help-config");
  t.match(listed.stdout, /^judge\.negatives=3 {2}false captions/m);
});
