import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { writePictures } from "./pictures.js";
import { type Outcome, ownLines, runCommand } from "./run.js";
import { sizes } from "./sizes.js";

t.setTimeout(600_000);

const root = mkdtempSync(join(tmpdir(), "mcd-train-"));
const others = mkdtempSync(join(tmpdir(), "mcd-train-others-"));
t.teardown(() => {
  for (const folder of [root, others]) rmSync(folder, { recursive: true });
});
const pictures = join(root, "pictures");
await writePictures(pictures);

const vqvaeSteps = 30;
const decoderSteps = 40;
const tiny = [
  ...sizes,
  "data.augment=1",
  `vqvae.steps=${vqvaeSteps}`,
  "vqvae.warmup=3",
  "vqvae.restartAfter=3",
  "decoder.mlpRatio=2",
  "decoder.dropout=0.1",
  "decoder.batch=4",
  "decoder.captionsPerImage=1",
  `decoder.steps=${decoderSteps}`,
  "decoder.warmup=3",
  "decoder.emaEvery=2",
  "sampling.steps=4",
  "log.every=1",
  "log.sampleEvery=15",
  "log.evaluateEvery=20",
  "log.checkpointEvery=0",
].flatMap((setting) => ["--set", setting]);

const train = (out: string, ...more: string[]) => [
  "--data",
  pictures,
  "--out",
  out,
  "--seed",
  "3",
  ...tiny,
  ...more,
];

interface Line {
  stage: string;
  step: number;
  losses: Record<string, number>;
  learningRate: number;
  gradNorm: number;
  metrics?: Record<string, number>;
}

const readLog = (run: string): Line[] =>
  readFileSync(join(run, "log.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Line);

/** What must repeat of a log. */
const numbers = (log: Line[]) =>
  log.map(({ stage, step, losses, learningRate, gradNorm, metrics }) => {
    return { stage, step, losses, learningRate, gradNorm, metrics };
  });

const unbroken = join(root, "unbroken");

t.test("a run leaves everything that a run should have", async (t) => {
  const { code, stdout, stderr } = await runCommand("train", train(unbroken));
  t.equal(code, 0, `ends well: ${code === 0 ? "" : stderr}`);
  t.match(stderr, /^adapter: \S/m, "says which adapter it uses");
  t.match(stderr, /^data: .*train 20, validation 4.* words/m, "what the data is");
  t.match(stderr, /^time: .*about .*vqvae .* \+ decoder /m, "and how long it should take");
  t.match(stderr, /done in .*unbroken/, "and where the run lies");
  t.match(stdout, /\(reference: a \w+ \w+\)/, "prints captions beside references");
  t.match(stdout, /\| validation \| 4 \| model \|/, "and scores");

  const config = JSON.parse(readFileSync(join(unbroken, "config.json"), "utf8"));
  t.match(
    config,
    { seed: 3, data: { source: "folder", imageSize: 16 }, decoder: { dim: 16 } },
    "config.json",
  );
  const log = readLog(unbroken);
  t.same(
    log.map(({ stage, step }) => [stage, step]),
    [
      ...Array.from({ length: vqvaeSteps }, (_, i) => ["vqvae", i + 1]),
      ...Array.from({ length: decoderSteps }, (_, i) => ["decoder", i + 1]),
    ],
    "log.jsonl has every step of both stages",
  );
  t.ok(
    log.every(({ losses, gradNorm }) => Number.isFinite(losses.total) && gradNorm > 0),
    "with finite losses",
  );
  t.same(
    log.filter(({ metrics }) => metrics).map(({ stage, step }) => [stage, step]),
    [
      ["vqvae", 20],
      ["vqvae", 30],
      ["decoder", 20],
      ["decoder", 40],
    ],
    "evaluations at their steps and at the end",
  );
  const last = log.at(-1)!.metrics!;
  t.ok(Number.isFinite(last.ciderD) && Number.isFinite(last.bleu4), "CIDEr-D and BLEU of held-out pictures");
  const first = (stage: string) => log.find((line) => line.stage === stage)!.losses.total!;
  const final = (stage: string) => log.filter((line) => line.stage === stage).at(-1)!.losses.total!;
  t.ok(final("vqvae") < first("vqvae"), "the VQ-VAE learns");

  const samples = readdirSync(join(unbroken, "samples"));
  for (const name of [
    "vqvae-000015.png",
    "vqvae-000030.png",
    "decoder-000015.svg",
    "decoder-000040.svg",
    "samples.svg",
    "reconstructions.png",
  ]) {
    t.ok(samples.includes(name), `samples/${name}`);
  }
  t.match(
    readFileSync(join(unbroken, "samples", "samples.svg"), "utf8"),
    /<svg.*<image/s,
    "a sheet with pictures",
  );
  t.match(readFileSync(join(unbroken, "report.html"), "utf8"), /<html.*decoder.*<\/html>/s, "report.html");
  t.match(
    readFileSync(join(unbroken, "report.html"), "utf8"),
    /<h2>Scores<\/h2>\s*<p>One sampling seed.*<th scope="row">nearest by codes<\/th>/s,
    "with the scores",
  );
  t.same(readdirSync(join(unbroken, "weights")), ["config.json", "model.safetensors"], "weights");
  const scores = JSON.parse(readFileSync(join(unbroken, "scores.json"), "utf8"));
  t.match(scores, { seeds: [3], splits: [{ split: "validation", pictures: 4 }] }, "scores");
  t.same(
    scores.splits[0].methods.map(({ method }: { method: string }) => method),
    ["model", "shuffled", "nearestPixels", "nearestCodes"],
    "of the model and of what it has to beat",
  );
  t.ok(existsSync(join(unbroken, "scores.md")), "scores as a table");
  t.same(
    readdirSync(join(unbroken, "checkpoints")).map((stage) => [
      stage,
      readdirSync(join(unbroken, "checkpoints", stage)),
    ]),
    [
      ["decoder", ["step-000040"]],
      ["vqvae", ["step-000030"]],
    ],
    "checkpoints",
  );
});

t.test("SIGTERM and SIGHUP save too, and end with their own codes", async (t) => {
  const run = join(others, "signals");
  const first = await runCommand("train", train(run), { interruptAt: /^vqvae 4\//m, signal: "SIGTERM" });
  t.equal(first.code, 143, "SIGTERM");
  t.match(first.stderr, /go on with: node dist\/train\.js --resume .*signals/);
  const second = await runCommand("train", ["--resume", run], {
    interruptAt: /^decoder 4\//m,
    signal: "SIGHUP",
  });
  t.equal(second.code, 129, "SIGHUP");
  const third = await runCommand("train", ["--resume", run], { interruptAt: /^codes|^decoder 40\//m });
  t.equal(third.code, 130, "Ctrl-C before the scores does not wait for them");
  t.notOk(existsSync(join(run, "scores.json")));
  const last = await runCommand("train", ["--resume", run]);
  t.equal(last.code, 0, last.stderr);
  t.same(numbers(readLog(run)), numbers(readLog(unbroken)), "the numbers of an unbroken run");
});

t.test("a run goes on without its terminal", async (t) => {
  const run = join(others, "alone");
  const { code } = await runCommand("train", train(run), { closeOutputAt: /^vqvae 4\//m });
  t.equal(code, 0);
  t.same(numbers(readLog(run)), numbers(readLog(unbroken)), "to its end, with the same numbers");
  const help = await runCommand("train", ["--help"], { closeOutputAt: /./ });
  t.same([help.code, help.stderr], [0, ""], "nothing is said of a reader that is gone");
});

t.test("one process a run; settings that a resume changes are kept; warnings are never quiet", async (t) => {
  const run = join(others, "kept");
  let other: Outcome | undefined;
  const first = await runCommand(
    "train",
    train(run, "--set", "log.checkpointEvery=10", "--set", "log.keep=2"),
    {
      at: {
        output: /^vqvae 4\//m,
        async call() {
          other = await runCommand("train", ["--resume", run]);
        },
      },
      interruptAt: /^decoder 25\//m,
    },
  );
  t.equal(first.code, 130);
  t.equal(other?.code, 1, "a second process on the folder ends");
  t.match(other?.stderr, /error: .*kept is in use by process \d+; wait for it/);

  const refused = await runCommand("train", ["--resume", run, "--set", "decoder.dim=32"]);
  t.equal(refused.code, 2);
  t.match(refused.stderr, /error: --set decoder\.dim=32: a run keeps its decoder\.dim, 16;/);

  const steps = readdirSync(join(run, "checkpoints", "decoder"));
  writeFileSync(join(run, "checkpoints", "decoder", steps.at(-1)!, "model.safetensors"), "damaged");
  const second = await runCommand("train", ["--resume", run, "--quiet", "--set", "decoder.lambda=0.25"], {});
  t.equal(second.code, 0, second.stderr);
  t.match(
    second.stderr,
    /^warning: skipped checkpoint .*model\.safetensors is damaged/m,
    "also with --quiet",
  );
  const config = JSON.parse(readFileSync(join(run, "config.json"), "utf8"));
  t.equal(config.decoder.lambda, 0.25, "config.json has the setting with which the run went on");
  t.match(readFileSync(join(run, "report.html"), "utf8"), /lambda[^\n]{0,80}0\.25/, "and so has the report");
});

t.test("Ctrl-C saves, --resume ends with the numbers of the unbroken run", async (t) => {
  const broken = join(root, "broken");
  const stopped = (outcome: Outcome, stage: string, steps: number) => {
    t.equal(outcome.code, 130, `Ctrl-C in the ${stage}: exit code 130`);
    t.match(outcome.stderr, /stopping after this step/, "says that it stops");
    t.match(outcome.stderr, /go on with: node dist\/train\.js --resume .*broken/, "and how to go on");
    const step = readLog(broken).filter((line) => line.stage === stage).length;
    t.ok(step > 0 && step < steps, `stopped at step ${step} of ${steps}`);
    t.same(
      readdirSync(join(broken, "checkpoints", stage)),
      [`step-${String(step).padStart(6, "0")}`],
      "with a checkpoint of its last step",
    );
  };
  stopped(await runCommand("train", train(broken), { interruptAt: /^vqvae 4\//m }), "vqvae", vqvaeSteps);
  const early = await runCommand("train", ["--resume", broken, "--stage", "decoder"]);
  t.equal(early.code, 1, "the decoder alone cannot go on without a finished vqvae");
  t.match(
    ownLines(early.stderr).at(-1),
    /^error: .*broken has no finished vqvae \(step \d+ of 30\)/,
    "and says so",
  );
  stopped(
    await runCommand("train", ["--resume", broken], { interruptAt: /^decoder 4\//m }),
    "decoder",
    decoderSteps,
  );
  const { code, stderr } = await runCommand("train", ["--resume", broken]);
  t.equal(code, 0, `the third start ends: ${code === 0 ? "" : stderr}`);
  t.match(stderr, /decoder: resumed at step \d+ from /, "it says where it goes on");
  t.same(
    numbers(readLog(broken)),
    numbers(readLog(unbroken)),
    "every step has the same losses as if unbroken",
  );
  const weights = (run: string) => readFileSync(join(run, "weights", "model.safetensors"));
  t.ok(weights(broken).equals(weights(unbroken)), "and the weights are the same file");
});

t.test("wrong usage is told in one sentence, and leaves nothing behind", async (t) => {
  const out = join(root, "never");
  const badConfig = join(root, "bad.json");
  writeFileSync(badConfig, '{"decoder": {"dim": ');
  const cases: [string, string[], number, RegExp][] = [
    ["unknown option", ["--out", out, "--colour", "red"], 2, /unknown option '--colour'/],
    ["unknown preset", ["--out", out, "--preset", "quik"], 2, /no preset "quik" \(did you mean quick\?\)/],
    [
      "unknown key",
      ["--out", out, "--set", "decoder.dimm=32"],
      2,
      /no key "decoder\.dimm" \(did you mean decoder\.dim\?\)/,
    ],
    [
      "bad value",
      ["--out", out, "--set", "decoder.dim=wide"],
      2,
      /decoder\.dim should be a whole number .*"wide"/,
    ],
    ["heads that do not fit", train(out, "--set", "decoder.heads=8"), 2, /a head needs a multiple of 4/],
    ["bad seed", ["--out", out, "--seed", "one"], 2, /whole number/],
    ["unknown stage", ["--out", out, "--stage", "encoder"], 2, /--stage should be vqvae, decoder or all/],
    ["decoder without a run", ["--out", out, "--stage", "decoder"], 2, /--stage decoder needs --resume/],
    ["no data folder", ["--out", out, "--data", join(root, "nowhere")], 1, /nowhere/],
    ["no settings file", ["--out", out, "--config", join(root, "no.json")], 1, /no\.json/],
    ["broken settings file", ["--out", out, "--config", badConfig], 1, /bad\.json is not valid JSON/],
    ["unknown adapter", train(out, "--adapter", "voodoo"), 1, /voodoo/],
    ["an adapter that computes nothing", train(out, "--adapter", "null"), 1, /adapter null computes nothing/],
    [
      "the same with a time",
      ["--out", out, "--adapter", "null", "--minutes", "1"],
      1,
      /adapter null computes nothing.*--adapter/,
    ],
    ["existing run", train(unbroken), 1, /unbroken already holds a run .*--resume/],
    ["no run to resume", ["--resume", out], 1, /never holds no run/],
    [
      "settings for a resumed run",
      ["--resume", unbroken, "--seed", "4"],
      2,
      /--seed cannot be given with --resume/,
    ],
  ];
  const before = readFileSync(join(unbroken, "log.jsonl"), "utf8");
  for (const [name, args, exit, message] of cases) {
    const { code, stdout, stderr } = await runCommand("train", args, { cwd: root });
    const lines = ownLines(stderr).filter((line) => line !== "(see --help)");
    t.equal(code, exit, `${name}: exit code ${exit}`);
    t.equal(lines.length, 1, `${name}: one line, no stack: ${lines.join(" / ")}`);
    t.match(lines[0], message, `${name}: says what is wrong`);
    t.match(lines[0], /^error: /, `${name}: as an error`);
    t.notMatch(lines[0], /mistake in the program/, `${name}: not as a mistake of ours`);
    t.equal(stdout, "", `${name}: nothing on standard output`);
    t.notOk(existsSync(out), `${name}: no run folder`);
  }
  t.equal(readFileSync(join(unbroken, "log.jsonl"), "utf8"), before, "the existing run is untouched");
  t.same(readdirSync(root).sort(), ["bad.json", "broken", "pictures", "unbroken"], "no other file appeared");
});

t.test("--help and --help-config go to standard output", async (t) => {
  const help = await runCommand("train", ["--help"]);
  t.equal(help.code, 0, "--help ends well");
  t.match(help.stdout, /Usage: node dist\/train\.js.*--preset.*--resume/s, "lists the options");
  const settings = await runCommand("train", ["--help-config"]);
  t.equal(settings.code, 0, "--help-config ends well");
  t.match(settings.stdout, /decoder\.learningRate = [\d.]+\n +peak learning rate/, "explains the settings");
});
