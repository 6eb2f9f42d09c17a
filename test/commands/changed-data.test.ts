/** Resuming with other data than a run began with: told item by item, refused, and done where it is wanted. */
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { writePictures } from "./pictures.js";
import { ownLines, runCommand } from "./run.js";
import { sizes } from "./sizes.js";

t.setTimeout(900_000);

const root = mkdtempSync(join(tmpdir(), "mcd-changed-"));
t.teardown(() => rmSync(root, { recursive: true }));
const pictures = join(root, "pictures");
await writePictures(pictures);
const run = join(root, "run");
const cache = join(root, "cache");

const settings = [...sizes, "vqvae.steps=4", "log.sampleEvery=0", "log.evaluateEvery=0"].flatMap(
  (setting) => ["--set", setting],
);
const train = (args: string[], home = cache) =>
  runCommand("train", [...args, "--stage", "vqvae"], { env: { XDG_CACHE_HOME: home } });
const begin = (out: string, ...more: string[]) =>
  train(["--data", pictures, "--out", out, ...settings, ...more]);
const resume = (...more: string[]) => train(["--resume", run, ...more]);
const captions = join(pictures, "captions.jsonl");
const plain = readFileSync(captions, "utf8");

t.test("a run begins with a table of its captions, and keeps what it was trained on", async (t) => {
  const { code, stderr } = await begin(run);
  t.equal(code, 0, stderr);
  t.match(stderr, /^captions: split .*\n {10}train +20 +0 \(0.0 %\) +60 +0 \(0.0 %\)\n {10}validation +4 /m);
  t.match(stderr, /scripts of the training captions: Latin 100.0 %/);
  t.notMatch(stderr, /careful/);
  t.ok(existsSync(join(run, "data.json")));
});

t.test("what is different is told, and ends the resume", async (t) => {
  const rows = plain.trim().split("\n");
  const [red, green] = [join(pictures, "red-circle.png"), join(pictures, "green-circle.png")];
  const config = readFileSync(join(run, "config.json"), "utf8");
  writeFileSync(red, readFileSync(green));
  writeFileSync(
    captions,
    rows
      .slice(1, 23)
      .map((row) => row.replace("a red square", "a red zebra"))
      .concat(rows[0]!)
      .join("\n"),
  );
  const { code, stderr, stdout } = await resume();
  t.equal(code, 1);
  t.same(
    ownLines(stderr)
      .slice(-4)
      .map((line) => line.replaceAll(run, "RUN")),
    [
      "error: the data is not what RUN began with; put it back, or go on with --changed-data:",
      "  1 picture removed: pink-bar.png",
      "  1 picture changed: red-circle.png",
      "  captions of 1 picture rewritten: red-square.png",
    ],
    "item by item",
  );
  t.equal(stdout, "");
  t.equal(readFileSync(join(run, "config.json"), "utf8"), config, "the run is untouched");
  const wanted = await resume("--changed-data");
  t.equal(wanted.code, 0, wanted.stderr);
  t.match(
    wanted.stderr,
    /^careful: the data is not what .* began with:\n {2}1 picture removed/m,
    "it is told all the same",
  );
  t.match(wanted.stderr, /^ {10}train .* 1 \(1\.\d %\)$/m, "and so is the word that the run does not know");
  const after = await resume();
  t.equal(after.code, 0, "from now on this is the run's data");
  t.notMatch(after.stderr, /careful: the data|^pictures /m, "nothing is told or decoded any more");
  const usage = await begin(join(root, "never"), "--changed-data");
  t.equal(usage.code, 2, "only a run that goes on can have other data");
});

t.test("a lost vocabulary is restored, another one is told", async (t) => {
  const path = join(run, "vocabulary.json");
  const own = readFileSync(path, "utf8");
  rmSync(path);
  writeFileSync(captions, plain.replace(/square"/g, 'zebra"'));
  const { code, stderr } = await resume("--changed-data");
  t.equal(code, 0, stderr);
  t.match(
    stderr,
    /^careful: .*vocabulary.json was missing; it is restored from .*checkpoints\/vqvae\/step-000004$/m,
  );
  t.equal(readFileSync(path, "utf8"), own, "with the words of the run, not of the captions");
  writeFileSync(path, own.replace('"square"', '"zebra"'));
  const other = await resume();
  t.equal(other.code, 1);
  t.match(ownLines(other.stderr).at(-1), /^ {2}vocabulary.json holds other words$/);
  writeFileSync(path, own);
});

t.test("captions of which nothing can be learned end it before it begins", async (t) => {
  const out = join(root, "unknown");
  const unknown = await begin(out, "--set", "data.minCount=1000");
  t.equal(unknown.code, 1);
  t.match(
    ownLines(unknown.stderr).at(-1),
    /^error: all 60 words of the training captions become \[UNK\]: data.minCount=1000/,
  );
  t.notOk(existsSync(out), "no run folder is made");
  const seed = await begin(out, "--seed", "9007199254740991");
  t.equal(seed.code, 1);
  t.match(ownLines(seed.stderr).at(-1), /^error: seed=9007199254740991 should be at most/);
  const batch = await begin(out, "--set", "decoder.batch=65535", "--set", "decoder.dim=512");
  t.equal(batch.code, 1);
  t.match(ownLines(batch.stderr).at(-1), /^error: .*decoder.batch=65535/);
  t.notOk(existsSync(out), "nor by these");
});

t.test("a cache that cannot be written ends nothing", async (t) => {
  const home = join(root, "file");
  writeFileSync(home, "no folder");
  const { code, stderr } = await train(
    ["--data", pictures, "--out", join(root, "uncached"), ...settings],
    home,
  );
  t.equal(code, 0, stderr);
  t.match(stderr, /^careful: decoded pictures are not kept for the next start, .*file\/mc-diffusion/m);
  if (process.getuid?.() !== 0) {
    const readOnly = mkdtempSync(join(root, "read-only-"));
    chmodSync(readOnly, 0o500);
    t.equal(
      (await train(["--data", pictures, "--out", join(root, "unkept"), ...settings], readOnly)).code,
      0,
    );
  }
});
