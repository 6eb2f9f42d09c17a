/** evaluate.js with several weights: one table, its files, and going on after a kill. */

import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import "../../dist/baselines.js";
import { nodePlatform } from "../../dist/platform/node.js";
import { sharedGpu } from "../device.js";
import { build, saved } from "../tiny-captioner.js";
import { writePictures } from "./pictures.js";
import { runCommand } from "./run.js";

t.setTimeout(600_000);

const folder = await mkdtemp(join(tmpdir(), "mcd-models-"));
t.teardown(() => rm(folder, { recursive: true }));
await writePictures(join(folder, "pictures"));
await writePictures(join(folder, "other"));

/** Random weights as a run leaves them: weights/, and beside it the path of the data. */
async function writeRun(name: string, data: string, ...set: string[]): Promise<void> {
  const gpu = await sharedGpu();
  const captioner = build(gpu, "data.source=folder", `data.folder=${data}`, ...set);
  await mkdir(join(folder, name));
  await captioner.save(nodePlatform.files, join(folder, name, "weights"), await saved(captioner));
  await writeFile(join(folder, name, "config.json"), JSON.stringify({ data: { folder: data } }));
  captioner.dispose();
}
const pictures = join(folder, "pictures");
await writeRun("mine", pictures);
await writeRun("lstm", pictures, "model=lstm", "lstm.width=16", "lstm.embedding=12", "data.imageSize=32");
await writeRun("elsewhere", join(folder, "other"));
await cp(join(folder, "mine"), join(folder, "again"), { recursive: true });

const few = ["--splits", "validation", "--seeds", "2", "--draws", "50"];
const score = (...args: string[]) => runCommand("evaluate", [...few, ...args], { cwd: folder });

interface Written {
  format: string;
  command: string;
  tokenizer: string;
  draws: number;
  models: { name: string; model: string; imageSize: number; weights: { sha256: string } }[];
  columns: { name: string }[];
  splits: {
    rows: { name: string; scores: Record<string, { mean: number; seeds: number[] }> }[];
    differences: { of: string; minus: string; scores: Record<string, { p: number; adjusted: number }> }[];
    captions: { id: string; rows: { name: string; captions: string[]; scores: { ciderD: number } }[] }[];
  }[];
}

t.test("models of two kinds and sizes in one table, and all its files", async (t) => {
  const files = ["--json", "s.json", "--captions", "--csv", "s.csv", "--latex", "s.tex", "--page", "s.html"];
  const weights = ["--weights", "mine/weights", "lstm/weights", "--weights", "again/weights"];
  const { code, stdout, stderr } = await score(...weights, "--metrics", "all", ...files);
  t.equal(code, 0, stderr);
  const names = ["mine", "lstm", "again", "mine, other picture", "nearest by pixels", "nearest by codes"];
  const [scores, differences, legend] = stdout.split("\n\n");
  const column = (table: string, place: number) =>
    table
      .split("\n")
      .slice(2)
      .map((line) => line.split(" | ")[place]);
  t.same(column(scores!, 2), names);
  t.same(
    column(differences!, 2),
    names.slice(1).map((name) => `${name} − mine`),
  );
  t.match(legend, /Holm-adjusted/);
  t.match(stderr, /captions \d+\/\d+ pictures/, "one display of progress for all models");

  const record = JSON.parse(await readFile(join(folder, "s.json"), "utf8")) as Written;
  t.match(record, {
    format: "mc-diffusion-model-table-1",
    command: /^node dist\/evaluate\.js --splits validation/,
    tokenizer: "ptb",
    draws: 50,
    models: [
      { name: "mine", model: "mc-diffusion", imageSize: 16 },
      { name: "lstm", model: "lstm", imageSize: 32 },
      { name: "again", model: "mc-diffusion", imageSize: 16 },
    ],
  });
  t.equal(record.columns.length, 18);
  const [split] = record.splits as [Written["splits"][number]];
  const [mine, , again] = split.rows;
  t.same(again!.scores, mine!.scores, "the same weights score the same");
  t.same(
    Object.values(split.differences[1]!.scores).filter(({ p }) => p !== null && p !== 1),
    [],
    "and do not differ",
  );
  const each = split.captions.map(({ rows }) => rows[0]!.scores.ciderD);
  const mean = each.reduce((sum, value) => sum + value, 0) / each.length;
  t.ok(Math.abs(mean - mine!.scores.ciderD!.mean) < 1e-9, "scores of pictures, whose mean is the score");

  await score("--weights", "lstm/weights", "--json", "alone.json", "--captions", "--metrics", "ciderD");
  const alone = JSON.parse(await readFile(join(folder, "alone.json"), "utf8")) as Written;
  const said = (written: Written, row: number) =>
    written.splits[0]!.captions.map(({ id, rows }) => [id, rows[row]!.captions]);
  t.same(said(alone, 0), said(record, 1), "a model says in the table what it says alone");
  t.same(alone.splits[0]!.rows[0]!.scores.ciderD, split.rows[1]!.scores.ciderD);

  const csv = (await readFile(join(folder, "s.csv"), "utf8")).trimEnd().split("\r\n");
  t.equal(csv.length, 1 + 6 * 18);
  t.match(await readFile(join(folder, "s.tex"), "utf8"), "mine & ");
  const html = await readFile(join(folder, "s.html"), "utf8");
  t.equal(html.split("<article ").length - 1, 4, "every picture");
});

t.test("a killed evaluation goes on with the captions of finished models", async (t) => {
  const weights = ["--weights", "mine/weights", "lstm/weights", "--metrics", "ciderD", "--json", "go.json"];
  const first = await score(...weights, "--quiet");
  t.equal(first.code, 0, first.stderr);
  const kept = await readdir(join(folder, "go.json.captions"));
  t.equal(kept.length, 2, "a file a model");
  const results = async () => (JSON.parse(await readFile(join(folder, "go.json"), "utf8")) as Written).splits;
  const expected = await results();
  const found: string[] = [];
  const total = async () => {
    const { code, stderr } = await score(...weights);
    t.equal(code, 0, stderr);
    t.same(await results(), expected, "the same results");
    for (const [, model] of stderr.matchAll(/^captions of (\w+): found in go\.json\.captions$/gm))
      found.push(model!);
    return Number(/captions \d+\/(\d+) pictures/.exec(stderr)?.[1] ?? 0);
  };
  t.equal(await total(), 0, "nothing is captioned again");
  t.same(found, ["mine", "lstm"], "which is said");
  const sizes = new Map<string, number>();
  for (const name of kept) {
    const path = join(folder, "go.json.captions", name);
    const whole = await readFile(path, "utf8");
    await writeFile(path, whole.slice(0, -20));
    sizes.set(name, await total());
    t.equal(await readFile(path, "utf8"), whole, "a damaged file is made again");
  }
  // lstm: 4 pictures encoded, captioned with 2 seeds; mine also 20 of training, and 2 × 4 shown other pictures.
  t.same([...sizes.values()].sort(), [12, 40], "only the model whose captions are missing");
  const other = await score(...weights, "--steps", "3");
  t.match(other.stderr, /captions 52\/52 pictures/, "other settings, other captions");
});

t.test("what cannot be compared is one sentence, before a device is opened", async (t) => {
  for (const [args, pattern] of [
    [
      ["--weights", "mine/weights", "elsewhere/weights"],
      /elsewhere\/weights was trained on folder:\S+other, mine\/weights on folder:\S+pictures; name the data set to score with --data/,
    ],
    [["--weights", "mine/weights", "./mine/weights"], /--weights: \.\/mine\/weights is named twice/],
    [["--weights", "mine/weights", "nothing"], /nothing holds no captioner/],
    [["--metrics", "bleu5"], /--metrics: "bleu5" is no metric \(did you mean bleu/],
    [["--metrics", "all", "--bound", "4"], /--bound is of one model/],
    [["--csv", "nowhere/s.csv"], /--csv nowhere\/s\.csv: there is no folder nowhere/],
    [["--json", "a.json", "--out", "b.json"], /--out and --json are the same/],
    [["--weights", "mine/weights", "lstm/weights", "--steps", "11"], /--steps should be at most 10/],
  ] as const) {
    const { code, stderr } = await score(...args);
    t.not(code, 0, args.join(" "));
    t.match(stderr, pattern, stderr);
    t.notMatch(stderr, /^adapter: /m);
  }
  const { code, stderr } = await score(
    "--weights",
    "mine/weights",
    "elsewhere/weights",
    "--data",
    "other",
    "--bound",
    "0",
    "--quiet",
  );
  t.equal(code, 0, `--data makes them comparable: ${stderr}`);
});
