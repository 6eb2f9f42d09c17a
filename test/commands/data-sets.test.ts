/** A downloaded data set given to the commands: what is found is printed and kept, and a run trains on it. */

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { writeCub } from "../support/data-sets.js";
import { runCommand } from "./run.js";
import { sizes } from "./sizes.js";

// Software adapters compile kernels for seconds.
t.setTimeout(600_000);

const root = mkdtempSync(join(tmpdir(), "mcd-data-sets-"));
t.teardown(() => rmSync(root, { recursive: true }));
const folder = join(root, "birds");
await writeCub(folder, 4);
const env = { XDG_CACHE_HOME: join(root, "cache") };

const settings = [
  ...sizes,
  "data.validation=0.2",
  "data.augment=0",
  "data.minCount=2",
  "data.flip=true",
  "vqvae.steps=6",
  "vqvae.warmup=1",
  "decoder.mlpRatio=2",
  "decoder.batch=4",
  "decoder.captionsPerImage=2",
  "decoder.steps=2",
  "decoder.warmup=1",
  "sampling.steps=1",
  "log.every=2",
  "log.sampleEvery=0",
  "log.evaluateEvery=0",
  "log.checkpointEvery=0",
  "log.scored=2",
].flatMap((setting) => ["--set", setting]);

const run = join(root, "run");
const readJson = (path: string) => JSON.parse(readFileSync(path, "utf8"));

t.test("train.js --data cub:FOLDER", async (t) => {
  const { code, stderr } = await runCommand(
    "train",
    ["--data", `cub:${folder}`, "--out", run, "--seed", "2", ...settings],
    { env },
  );
  t.equal(code, 0, code === 0 ? "ends well" : stderr);
  t.match(stderr, /^cub: CUB-200-2011, split zero-shot$/m);
  t.match(
    stderr,
    /^ {2}captions cvpr2016_cub\/text_c10: 317; 2 pictures have fewer than 10 usable captions$/m,
  );
  t.match(stderr, /^ {2}split zero-shot by cvpr2016_cub\/testclasses\.txt$/m);
  t.match(stderr, /^ {2}pictures listed: train 24, test 8$/m);
  t.match(stderr, /^ {2}left out: 2 × blank captions \(first: cvpr2016_cub/m);
  t.match(
    stderr,
    /^careful: the counts are not those of CUB-200-2011: 8855 train pictures expected, 24 found/m,
  );
  t.match(stderr, /^loaded: {2}32 pictures with 317 captions \(.*test 8.*\) in /m);
  t.match(stderr, /tokens in a training caption: mean/);
  t.match(stderr, /different words in them: \d+/);
  t.match(
    stderr,
    /vqvae: pictures were ready at [\d.]+ images\/s; [\d.]+ % of the steps' time was waiting for them/,
  );
  const { data } = readJson(join(run, "config.json"));
  t.match(data, { source: "cub", folder, split: "", validation: 0.2, crop: false, flip: true });
  const log = readFileSync(join(run, "log.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  t.ok(
    log.every(({ stage, waiting }) =>
      stage === "vqvae" ? waiting >= 0 && waiting <= 1 : waiting === undefined,
    ),
    "the log has the share of time that a step waited for pictures",
  );
  const scores = readJson(join(run, "scores.json"));
  t.same(
    scores.splits.map(({ split }: { split: string }) => split),
    ["test"],
    "the test split is scored",
  );
});

t.test("evaluate.js on the run's data, and on other splits of it", async (t) => {
  const { code, stdout, stderr } = await runCommand(
    "evaluate",
    ["--weights", join(run, "weights"), "--seeds", "1", "--limit", "2", "--splits", "test", "--steps", "2"],
    { env },
  );
  t.equal(code, 0, code === 0 ? "ends well" : stderr);
  t.match(stdout, /test/);
  t.match(stderr, /^ {2}pictures listed: train 24, test 8$/m, "the run says where its data is");
});

t.test("settings of the data set: split and crop", async (t) => {
  const fail = async (...args: string[]) => {
    const out = join(root, "none");
    const { code, stderr } = await runCommand("train", ["--out", out, ...settings, ...args], { env });
    t.notOk(existsSync(out), "nothing is written");
    return { code, last: stderr.trim().split("\n").at(-1) };
  };
  const caches = () => readdirSync(join(env.XDG_CACHE_HOME, "mc-diffusion/pictures")).length;
  const before = caches();
  // Stops after the pictures are loaded.
  const official = await fail(
    ...[
      "--data",
      `cub:${folder}`,
      "--set",
      "data.split=official",
      "--set",
      "data.crop=true",
      "--set",
      "data.minCount=9999",
    ],
  );
  t.match(official, { code: 1, last: /all \d+ words of the training captions become \[UNK\]/ });
  t.equal(caches(), before + 1, "cut pictures have their own cache");
  t.match(await fail("--data", `cub:${folder}`, "--set", "data.split=zeroshot"), {
    code: 1,
    last: "error: data.split=zeroshot is neither a split of cub (zero-shot, official) nor the path of lists",
  });
  t.match(await fail("--data", `coco:${folder}`), { code: 1, last: /has no captions of COCO \(looked for/ });
  t.match(await fail("--data", `cup:${folder}`), {
    code: 2,
    last: /there is no layout "cup" \(did you mean cub\?\)/,
  });
});
