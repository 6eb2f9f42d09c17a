/** `evaluate.js --sweep` as people run it: killed, gone on with, its folder; and what it refuses. */

import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import t from "tap";
import { writePictures } from "./pictures.js";
import { runCommand } from "./run.js";

t.setTimeout(900_000);

interface Line {
  key: string;
  point: string;
  split: string;
  captions?: string[];
}

t.test("a sweep that was killed goes on; its folder has choice, tables and figures", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "sweep-"));
  t.teardown(() => rm(folder, { recursive: true }));
  const data = join(folder, "pictures");
  await writePictures(data);
  const list = join(data, "captions.jsonl");
  // Every fourth training picture is for testing.
  let number = 0;
  const rows = (await readFile(list, "utf8")).replace(/"split":"train"/g, (split) =>
    number++ % 4 === 0 ? '"split":"test"' : split,
  );
  await writeFile(list, rows);
  const grid = join(folder, "grid.json");
  await writeFile(
    grid,
    JSON.stringify({
      curves: [
        { method: "none", temperature: [0.5, 1] },
        { method: "cfg", scale: [1, 2] },
        { method: "mcs", scale: [2], maskRate: 0.5, maskShape: "blocks" },
      ],
    }),
  );
  const run = (out: string, at?: RegExp) =>
    runCommand(
      "evaluate",
      [
        ...["--sweep", grid, "--data", data, "--steps", "2", "--seeds", "1", "--draws", "50"],
        ...["--sampler", "ancestral", "--temperature", "1"],
        ...["--out", join(folder, out)],
      ],
      at ? { interruptAt: at, signal: "SIGKILL" } : {},
    );
  const killed = await run("a", /setting 3 of|sweep \d+\/\d+ network passes/);
  t.equal(killed.code, null, "killed");
  const lines = join(folder, "a", "captions.jsonl");
  await writeFile(lines, `${await readFile(lines, "utf8").catch(() => "")}{"key":"cut`);
  const resumed = await run("a");
  t.equal(resumed.code, 0, resumed.stderr);
  t.match(resumed.stdout, /^Chosen on 4 validation pictures by CIDEr-D:\n {2}none: τ \S+, CIDEr-D \d/);
  t.match(resumed.stdout, /^\| cfg \| cfg \| ω [12] \| /m, "the chosen settings on the test pictures");
  t.match(resumed.stderr, /sweep \d+\/\d+ network passes \(100 %\)/, "progress");

  const kept = (await readFile(lines, "utf8"))
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Line);
  t.equal(new Set(kept.map(({ key }) => key)).size, kept.length, "each part once");
  const said = kept.filter(({ captions }) => captions);
  t.equal(said.filter(({ split }) => split === "validation").length, 6, "each setting, the full model once");
  t.ok(
    said.every(({ split, captions }) => captions!.length === (split === "test" ? 5 : 4)),
    "a caption for each picture",
  );
  t.same(
    (await readdir(join(folder, "a"))).sort(),
    [
      ...["captions.jsonl", "choice.json", "figure-passes.png", "figure-passes.svg", "figure-push.png"],
      ...[
        "figure-push.svg",
        "figure.png",
        "figure.svg",
        "scores.csv",
        "sweep.json",
        "tables.md",
        "tables.tex",
      ],
      ...["test.csv", "test.md", "test.tex", "unguided.csv"],
    ],
    "the folder, without a lock",
  );
  const { width, height } = await sharp(join(folder, "a", "figure.png")).metadata();
  t.ok(width! > 1000 && height! > 500, `a figure of ${width} × ${height} pixels`);
  t.notMatch(await readFile(join(folder, "a", "sweep.json"), "utf8"), folder, "no path of this machine");

  // Other test captions: another unbroken sweep chooses the same.
  await writeFile(
    list,
    rows.replace(/"caption":"[^"]*","split":"test"/g, '"caption":"xyzzy","split":"test"'),
  );
  const other = await run("b");
  t.equal(other.code, 0, other.stderr);
  const file = (out: string, name: string) => readFile(join(folder, out, name), "utf8");
  t.equal(
    await file("b", "choice.json"),
    await file("a", "choice.json"),
    "the choice does not see test captions",
  );
  t.equal(await file("b", "scores.csv"), await file("a", "scores.csv"));
  t.not(await file("b", "test.csv"), await file("a", "test.csv"), "the test does");

  // Joined over trainings: other weights are another training.
  const join2 = (...more: string[]) =>
    runCommand("sweeps", [...["a", "b"].map((out) => join(folder, out)), ...more]);
  const twice = await join2();
  t.equal(twice.code, 1);
  t.match(twice.stderr, /two of these sweeps are of the same weights/);
  const record = JSON.parse(await file("b", "sweep.json")) as { weights: { sha256: string } };
  record.weights.sha256 = "of another training";
  await writeFile(join(folder, "b", "sweep.json"), JSON.stringify(record));
  const joined = await join2("--metrics", "ciderD", "--json", join(folder, "joined.json"));
  t.equal(joined.code, 0, joined.stderr);
  t.match(
    joined.stdout,
    /\*\*gap at equal push\*\*\n\n[^\n]*\n[^\n]*\n\| validation \| ciderD \| cfg − none, temperature \| /,
  );
  t.notMatch(joined.stdout, /bleu4/, "the metric asked for alone");
  const { differences } = JSON.parse(await readFile(join(folder, "joined.json"), "utf8")) as {
    differences: { metric: string; over: { each: number[] } }[];
  };
  t.ok(
    differences.some(({ metric }) => metric === "bleu4"),
    "all are in the file",
  );
  t.ok(differences.every(({ over }) => over.each.length === 2));
  const wrong = await join2("--metrics", "xyzzy");
  t.equal(wrong.code, 2);
  t.match(wrong.stderr, /--metrics: these sweeps have .*ciderD.*, not xyzzy/);
});

t.test("wrong usage of a sweep is one sentence and exit code 2", async (t) => {
  for (const [words, pattern] of [
    [["--choose", "ciderD"], /--choose is of a sweep: add --sweep/],
    [["--reference-free", "clip"], /--reference-free is of a sweep: add --sweep/],
    [["--sweep", "--reference-free", "clip"], /--reference-free clip needs --clip/],
    [["--sweep", "--choose", "cider9"], /--choose cider9: choose one of bleu1, bleu2, /],
    [
      ["--sweep", "slow"],
      /--sweep slow: there is no such file, and the grids with a name are default, quick/,
    ],
    [["--sweep", "--scale", "2"], /leave out --compare, --guidance, --scale and the options of tables/],
    [
      ["--sweep", "--splits", "validation"],
      /a sweep chooses on validation and reports on test splits, not on validation/,
    ],
  ] as const) {
    const { code, stderr } = await runCommand("evaluate", words);
    t.equal(code, 2, words.join(" "));
    t.match(stderr, pattern, stderr);
  }
  const folder = await mkdtemp(join(tmpdir(), "sweep-"));
  t.teardown(() => rm(folder, { recursive: true }));
  const none = await runCommand("evaluate", ["--sweep", "--adapter", "null", "--out", join(folder, "null")]);
  t.equal(none.code, 1, "an adapter that computes nothing");
  t.match(none.stderr, /adapter null computes nothing/);
  t.notOk(existsSync(join(folder, "null")), "nothing is left behind");
  const ofScenes = await runCommand("evaluate", [
    ...["--sweep", "--choose", "relation", "--out", join(folder, "scenes")],
  ]);
  t.equal(ofScenes.code, 2);
  t.match(ofScenes.stderr, /--choose relation is of scenes; these are pictures of emoji/);
  t.notOk(existsSync(join(folder, "scenes")), "nothing is left behind");
  for (const [folders, code, pattern] of [
    [["a"], 2, /an interval over trainings needs the sweeps of two or more/],
    [["a", folder], 1, /a has no sweep\.json: the sweep has not ended, or is elsewhere/],
  ] as const) {
    const result = await runCommand("sweeps", folders);
    t.equal(result.code, code, folders.join(" "));
    t.match(result.stderr, pattern, result.stderr);
  }
});
