/** The count of operations of a training step, against its formula; the modelled times are not judged. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import t from "tap";

t.setTimeout(600_000);

const script = fileURLToPath(new URL("../../kernels-bench/paper-scale.js", import.meta.url));

function run(...options: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [script, ...options], (_, stdout, stderr) => {
      resolve({ code: child.exitCode ?? -1, stdout, stderr });
    });
  });
}

/** Operations of the linear layers (forward and both gradients) and of attention (2 + 7 products) of a decoder's step. */
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
  const attention = 2 * 9 * tokens * (length + places) * dim;
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

t.test("mistakes", async (t) => {
  const wrong = await run("--words", "none");
  t.match(wrong.stderr, /whole number from 1/);
  t.ok(wrong.code > 0);
  const unknown = await run("--set", "decoder.depth=3");
  t.match(unknown.stderr, /decoder\.depth/);
  t.equal(unknown.code, 2);
});
