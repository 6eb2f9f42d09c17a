/** `train.js --plan`: tells the cost of a run and leaves nothing behind. */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { writePictures } from "./pictures.js";
import { runCommand } from "./run.js";
import { sizes } from "./sizes.js";

t.setTimeout(300_000);

const root = mkdtempSync(join(tmpdir(), "mcd-plan-"));
t.teardown(() => rmSync(root, { recursive: true }));
const pictures = join(root, "pictures");
await writePictures(pictures);

const settings = [...sizes, "decoder.batch=8", "decoder.steps=100"].flatMap((setting) => ["--set", setting]);
const plan = (...args: string[]) =>
  runCommand("train", ["--plan", "--preset", "quick", "--data", pictures, ...settings, ...args], {
    cwd: root,
  });

t.test("parameters, work, memory, steps and an estimate", async (t) => {
  const { code, stdout, stderr } = await plan();
  t.equal(code, 0, stderr);
  for (const network of ["image tokenizer vqvae", "decoder mc-diffusion"]) {
    const part = stdout.slice(stdout.indexOf(`parameters of the ${network}`));
    const lines = [...part.matchAll(/^ {2}(\w+) +([\d.]+) trained/gm)];
    const end = lines.findIndex(([, name]) => name === "total");
    const sum = lines.slice(0, end).reduce((all, [, , millions]) => all + Number(millions), 0);
    t.ok(end > 2 && Math.abs(sum - Number(lines[end]![2])) < 0.0006 * end, `${network}: the parts add up`);
  }
  t.match(stdout, /^step of the image tokenizer, batch 4: \d+ dispatches, [\d.]+ GFLOP, .* peak memory /m);
  t.match(stdout, /^ +1: \d+ dispatches, .* peak memory [\d.]+ [KM]iB$/m);
  t.match(stdout, /chosen: decoder\.microBatches=1, the fewest within 6\.00 GiB$/m);
  t.match(stdout, /200 epochs are \d+ steps; decoder\.steps=100 are [\d.]+ epochs/);
  t.match(stdout, /^time: +ESTIMATE from measured micro-batches: .* a step; 100 steps in /m);
  t.notOk(existsSync(join(root, "runs")), "nothing is written");
});

t.test("less memory takes more micro-batches, and too little is one sentence", async (t) => {
  // Chosen so that a whole batch does not fit, whatever the allocator's rounding.
  const wide = ["--set", "decoder.batch=2048", "--set", "decoder.microBatches=2"];
  const { code, stdout, stderr } = await plan(...wide, "--memory", "0.012");
  t.equal(code, 0, stderr);
  t.match(stdout, /^ +1: .*: too much$/m);
  t.match(stdout, /chosen: decoder\.microBatches=\d+, .* \(the settings say 2\)$/m);
  const none = await plan("--memory", "0.01", "--set", "decoder.dim=256");
  t.equal(none.code, 1);
  t.match(
    none.stderr,
    /no step of batch 8 fits in 10\.2 MiB, even one caption at a time; set decoder\.checkpointing=true, or give more with --memory$/m,
  );
});

t.test("wrong usage", async (t) => {
  for (const [args, sentence] of [
    [["--memory", "4"], /--memory needs --plan/],
    [["--plan", "--minutes", "3"], /--plan cannot be given with --resume or --minutes/],
  ] as const) {
    const { code, stderr } = await runCommand("train", [...args]);
    t.equal(code, 2);
    t.match(stderr, sentence);
  }
});
