/** `train.js --minutes`: the plan is kept, corrected, resumed and refused where it cannot be. No test looks at a clock. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { PLANNED_KEYS } from "../../dist/training/time-plan.js";
import { writePictures } from "./pictures.js";
import { runCommand, runInTime } from "./run.js";
import { sizes } from "./sizes.js";

t.setTimeout(900_000);

const root = mkdtempSync(join(tmpdir(), "mcd-minutes-"));
t.teardown(() => rmSync(root, { recursive: true }));
const pictures = join(root, "pictures");
await writePictures(pictures);

const settings = [...sizes, "data.augment=1", "decoder.batch=8", "sampling.steps=5"].flatMap((setting) => [
  "--set",
  setting,
]);
const train = (...args: string[]) => runCommand("train", args);
const beginning = (out: string) => ["--preset", "quick", "--data", pictures, "--out", out, ...settings];
const begin = (out: string, ...more: string[]) => train(...beginning(out), ...more);
const read = (path: string) => JSON.parse(readFileSync(path, "utf8"));
/** The last step of each stage that a run's log has. */
const logged = (run: string) => {
  const last: Record<string, number> = {};
  for (const line of readFileSync(join(run, "log.jsonl"), "utf8").trim().split("\n")) {
    const { stage, step } = JSON.parse(line);
    last[stage] = step;
  }
  return last;
};

const run = join(root, "run");

t.test("the plan is told, and the run's settings are what was done", async (t) => {
  const { code, stderr, minutes } = await runInTime("train", beginning(run), 0.6);
  t.equal(code, 0, stderr);
  t.match(
    stderr,
    /^plan: +[\dmins ]+ in all: vqvae \d+ steps of [\d.]+ ms; decoder \d+ steps of [\d.]+ ms, [\d.e+]+ passes over the 20 pictures;$/m,
  );
  t.match(stderr, /^ +\d+ s for scores of at most \d+ pictures a split; [\dmins ]+ would bring /m);
  const config = read(join(run, "config.json"));
  t.equal(config.minutes, minutes);
  t.same(logged(run), { vqvae: config.vqvae.steps, decoder: config.decoder.steps });
  t.notSame(config.decoder.steps, 1200, "not the preset's");
  t.ok(existsSync(join(run, "report.html")));
});

t.test("a resume means the same: it has the steps of the plan, and makes none", async (t) => {
  const before = read(join(run, "config.json"));
  rmSync(join(run, "checkpoints", "decoder"), { recursive: true });
  const { code, stderr } = await train("--resume", run);
  t.equal(code, 0, stderr);
  t.notMatch(stderr, /^plan/m);
  t.same(read(join(run, "config.json")), before);
  t.same(logged(run), { vqvae: before.vqvae.steps, decoder: before.decoder.steps });
  const changed = await train("--resume", run, "--minutes", "2");
  t.equal(changed.code, 2);
  t.match(changed.stderr, /--minutes cannot be given with --resume/);
  const set = await train("--resume", run, "--set", "minutes=2");
  t.equal(set.code, 2);
  t.match(set.stderr, /a run keeps its minutes, [\d.]+/);
});

t.test("what cannot be is told in a sentence, and leaves nothing behind", async (t) => {
  const out = join(root, "never");
  for (const key of PLANNED_KEYS) {
    const { code, stderr } = await begin(out, "--minutes", "1", "--set", `${key}=5`);
    t.equal(code, 2, key);
    t.match(stderr, new RegExp(`--minutes chooses what --set ${key}=5 sets; leave one of them out`));
  }
  for (const minutes of ["0", "-1", "soon", "NaN"]) {
    const { code, stderr } = await begin(out, "--minutes", minutes);
    t.equal(code, 2, minutes);
    t.match(stderr, /number from 0\.1 to 1000000/);
  }
  const { code, stderr } = await begin(out, "--set", "minutes=0.01");
  t.equal(code, 1, stderr);
  t.match(
    stderr,
    /minutes=0\.01 is too short: start, measures and scores take .* here, which leaves 0 steps; give at least [\d.]+$/m,
  );
  t.notOk(existsSync(out));
});
