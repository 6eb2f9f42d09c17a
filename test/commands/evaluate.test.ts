import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { writePictures } from "./pictures.js";
import { runCommand } from "./run.js";

interface Written {
  format: string;
  command: string;
  weights: { sha256: string };
  dataset: { splits: Record<string, number> };
  seeds: number[];
  splits: {
    split: string;
    pictures: number;
    methods: {
      name: string;
      scores: { ciderD: { mean: number; low: number; high: number; seeds: number[] } };
    }[];
    differences: { of: string; minus: string }[];
    captions: { references: string[]; captions: Record<string, string[]> }[];
  }[];
}

t.setTimeout(600_000);

t.test("evaluate.js compares settings on the validation pictures of a folder", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "evaluate-"));
  t.teardown(() => rm(folder, { recursive: true }));
  await writePictures(join(folder, "pictures"));
  const out = join(folder, "scores.json");
  const options = [
    "--splits",
    "validation",
    "--seeds",
    "2",
    "--seed",
    "3",
    "--steps",
    "2",
    "--draws",
    "100",
    "--bound",
    "0",
  ];
  const { code, stdout, stderr } = await runCommand("evaluate", [
    ...["--data", join(folder, "pictures"), "--compare", "none,cfg:1.25", ...options],
    ...["--out", out, "--captions", "--quiet"],
  ]);
  t.equal(code, 0, stderr);
  const tables = stdout.split("\n\n");
  t.equal(tables.length, 3, "scores, differences, what the cells hold");
  t.equal(tables[0]!.split("\n").length, 2 + 5, "two settings, one shown other pictures, two nearest");
  t.match(tables[0], /^\| validation \| 4 \| cfg:1\.25 \| \S+ \[\S+, \S+\] ± \S+ \|/m);
  t.match(tables[1], /^\| validation \| 4 \| cfg:1\.25 − none \| [+-]\S+ \[\S+, \S+\] ± \S+ \|/m);
  t.match(tables[2], /^Mean over 2 sampling seeds/);

  const text = await readFile(out, "utf8");
  t.notMatch(text, folder, "no path of this machine");
  const record = JSON.parse(text) as Written;
  const { weights: shipped } = JSON.parse(
    await readFile(new URL("../../weights/emoji/config.json", import.meta.url), "utf8"),
  ) as { weights: { sha256: string } };
  t.match(record, {
    format: "mc-diffusion-evaluation-1",
    command: /^node dist\/evaluate\.js --data pictures --compare none,cfg:1\.25/,
    date: /^\d{4}-\d\d-\d\d$/,
    version: /^\d+\.\d+\.\d+$/,
    adapter: String,
    weights: { sha256: shipped.sha256 },
    dataset: { name: "pictures", size: 64, splits: { train: 20, validation: 4 } },
    sampling: { steps: 2, topR: 0.86 },
    seeds: [3, 4],
    draws: 100,
    level: 0.95,
    // Two settings and the pictures of others, 4 pictures and 2 seeds each.
    speed: { captions: 24, seconds: Number, operations: Number, shareOfFma: Number },
  });
  const [{ methods, differences, captions }] = record.splits as [Written["splits"][number]];
  const { mean, low, high, seeds } = methods[0]!.scores.ciderD;
  t.ok(
    low <= mean && mean <= high && Math.abs((seeds[0]! + seeds[1]!) / 2 - mean) < 1e-12,
    "seeds, mean, interval",
  );
  t.match(differences[0], { of: "cfg:1.25", minus: "none" });
  t.same(
    captions.map((picture) => picture.captions["cfg:1.25"]!.length),
    [2, 2, 2, 2],
    "a caption a picture and seed",
  );
});

t.test("wrong usage is one sentence and exit code 2", async (t) => {
  for (const [words, pattern] of [
    [["--compare", "none,more:2"], /--compare: "more:2" should be none, cfg:SCALE/],
    [["--compare", "none", "--scale", "2"], /leave out --guidance and --scale/],
    [["--guidance", "more"], /Allowed choices are none, cfg, mcs, mcs-printed/],
    [["--seeds", "0"], /whole number from 1/],
    [["--captions"], /--captions needs --out or --json/],
    [["--steps", "101"], /--steps should be at most 100, the model's T, not 101/],
    [["--out", "nowhere/scores.json"], /--out nowhere\/scores\.json: there is no folder nowhere/],
    [["--out", "."], /--out \.: it is a folder; give the name of a file/],
  ] as const) {
    const { code, stderr } = await runCommand("evaluate", words);
    t.equal(code, 2, words.join(" "));
    t.match(stderr, pattern, stderr);
    t.notMatch(stderr, /^adapter: /m, "before a device is opened");
  }
});
