/** The count of operations of a training step, against its formula; the modelled times are not judged. */
import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";

t.setTimeout(600_000);

function run(...options: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return runScript("paper-scale.js", options);
}

function runScript(
  name: string,
  options: readonly string[],
): Promise<{ code: number; stdout: string; stderr: string }> {
  const script = fileURLToPath(new URL(`../../kernels-bench/${name}`, import.meta.url));
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [script, ...options], (_, stdout, stderr) => {
      resolve({ code: child.exitCode ?? -1, stdout, stderr });
    });
  });
}

/** Operations of the linear layers (forward and both gradients) and of attention (2 + 5 products) of a decoder's step. */
function operations(s: {
  batch: number;
  length: number;
  places: number;
  dim: number;
  words: number;
}): number {
  const { batch, length, places, dim, words } = s;
  const tokens = batch * length;
  // Queries, keys, values and output of self-attention, query and output of cross-attention, MLP; the head.
  const perToken = (3 + 1 + 1 + 1 + 8) * dim ** 2 + dim * words;
  const keysAndValues = 2 * dim ** 2 * batch * places;
  const attention = 2 * 7 * tokens * (length + places) * dim;
  return 3 * 2 * (tokens * perToken + keysAndValues) + attention;
}

t.test("operations and dispatches of a step of one block", async (t) => {
  const shape = { batch: 8, length: 8, places: 64, dim: 64, words: 1024 };
  const set = ["blocks=1", "dim=64", "heads=2", "batch=8", "microBatches=1"].flatMap((setting) => [
    "--set",
    `decoder.${setting}`,
  ]);
  const { code, stdout, stderr } = await run(
    "--words",
    "1024",
    "--length",
    "8",
    "--set",
    "data.imageSize=64",
    ...set,
  );
  t.equal(code, 0, stderr);
  const [, dispatches, gflop] = /^(\d+) dispatches, ([\d.]+) GFLOP/m.exec(stdout)!;
  t.ok(Number(dispatches) > 40);
  const expected = operations(shape) / 1e9;
  t.ok(Math.abs(Number(gflop) / expected - 1) < 0.01, `${gflop} GFLOP, by formula ${expected}`);
  t.match(stdout, /A MODEL, not measured/);
  t.match(stdout, /NVIDIA RTX 4090 .* fits/);
});

const little = ["blocks=1", "dim=64", "heads=2", "batch=4", "microBatches=2"].flatMap((setting) => [
  "--set",
  `decoder.${setting}`,
]);

t.test("a step that runs, and its figures", async (t) => {
  const path = join(t.testdir(), "figures.json");
  const kept = { values: [{ value: 1e-5, unit: "s" }], command: "x", date: "2026-01-01" };
  writeFileSync(
    path,
    JSON.stringify({ document: "x.md", figures: { kept, "paper-run": {} }, notMeasured: [] }),
  );
  const sizes = ["--words", "1024", "--length", "8", "--set", "data.imageSize=64", ...little];
  const { code, stdout, stderr } = await run(...sizes, "--run", "2", "--figures", path);
  t.equal(code, 0, stderr);
  const { figures } = JSON.parse(readFileSync(path, "utf8"));
  t.same(figures.kept, kept, "others stay");
  const ran = figures["paper-run"];
  t.equal(ran.command, `node kernels-bench/paper-scale.js ${[...sizes, "--run", "2"].join(" ")}`);
  const rows = new Map<string, string>(ran.table.rows);
  t.match(rows.get("network"), /^1 blocks of d = 64, 1024 words, L = 8, S = 64, T = 100/);
  t.match(rows.get("step 2"), /^[\d.]+ s, loss \d+\.\d{4}, gradient norm \d+\.\d{4}$/);
  const [, dispatches] = /^(\d+) dispatches/m.exec(stdout)!;
  const kernels = figures["paper-kernels"]?.table.rows as string[][] | undefined;
  if (!kernels) return t.comment("this adapter tells no times");
  t.equal(kernels.at(-1)![1], dispatches, "the times are of all dispatches of the step");
  const shares = kernels.slice(0, -1).map(([, , , share]) => Number.parseFloat(share!));
  t.ok(Math.abs(shares.reduce((sum, share) => sum + share, 0) - 100) < 1, "which is all of its time");
});

t.test("times of weights", async (t) => {
  const { code, stdout, stderr } = await runScript("weights.js", ["--repeat", "1", ...little]);
  t.equal(code, 0, stderr);
  for (const row of [/copy of as many bytes/, /random weights/, /reading the file/, /loading them/])
    t.match(stdout, new RegExp(`${row.source}.* [\\d.]+ +[\\d.]+$`, "m"));
});

t.test("mistakes", async (t) => {
  const alone = await run("--figures", "x.json");
  t.equal(alone.code, 2);
  t.match(alone.stderr, /--figures needs --run/);
  const none = await run("--run", "1", "--figures", "none.json");
  t.equal(none.code, 2);
  t.match(none.stderr, /none\.json cannot be read \(ENOENT\); name a file of docs\/figures/);
  const wrong = await run("--words", "none");
  t.match(wrong.stderr, /whole number from 1/);
  t.equal(wrong.code, 2);
  for (const script of ["weights.js", "clip.js", "vqgan.js"]) {
    const { code, stderr } = await runScript(script, ["--repeat", "x"]);
    t.equal(code, 2, script);
    t.match(stderr, /whole number from 1/);
  }
  const unknown = await run("--set", "decoder.depth=3");
  t.match(unknown.stderr, /decoder\.depth/);
  t.equal(unknown.code, 2);
});
