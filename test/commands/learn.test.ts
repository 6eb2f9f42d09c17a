/** From picture files to captions by the commands alone: what a run learned by heart, its shipped files say. */

import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import t from "tap";
import { Captioner } from "../../dist/captioner/captioner.js";
import { loadWeights } from "../../dist/engine/weights/weights.js";
import { nodePlatform } from "../../dist/platform/node.js";
import { latestCheckpoint } from "../../dist/training/checkpoint.js";
import { DecoderTraining } from "../../dist/training/decoder-training.js";
import { sharedGpu } from "../host-node.js";
import { cellOf } from "../scores-table.js";
import { weightsOf } from "../training/setup.js";
import { runCommand } from "./run.js";

t.setTimeout(600_000);

const root = mkdtempSync(join(tmpdir(), "mcd-learn-"));
t.teardown(() => rmSync(root, { recursive: true }));
const folder = join(root, "pictures");
const run = join(root, "run");

const circle = '<circle cx="16" cy="16" r="12"/>';
const square = '<rect x="5" y="5" width="22" height="22"/>';
const bar = '<rect x="2" y="11" width="28" height="10"/>';
const pole = '<rect x="11" y="2" width="10" height="28"/>';

/** [file, caption, drawing, colour]: words in many places, captions of different lengths. */
const drawings = [
  ["z.png", "a red circle", circle, "#d22"],
  ["y.png", "the big blue square", square, "#22d"],
  ["x.png", "bar", bar, "#222"],
  ["w.png", "green square on white", square, "#3a3"],
  ["v.png", "a yellow circle", circle, "#dc3"],
  ["u.png", "red bar", bar, "#d22"],
  ["t.png", "the blue pole", pole, "#22d"],
] as const;

/** Three of the pictures once more, under other names: what validation pictures should say is known too. */
const copies = [
  ["copy-1.png", 4],
  ["copy-2.png", 1],
  ["copy-3.png", 6],
] as const;

const rows: { file: string; caption: string; split: string }[] = [];

t.before(async () => {
  mkdirSync(folder);
  const write = async (file: string, index: number, split: string) => {
    const [, caption, drawing, fill] = drawings[index]!;
    const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="32" height="32"><rect width="32" height="32" fill="#fff"/><g fill="${fill}">${drawing}</g></svg>`;
    writeFileSync(join(folder, file), await sharp(Buffer.from(svg)).png().toBuffer());
    rows.push({ file, caption, split });
  };
  for (const [i, [file]] of drawings.entries()) await write(file, i, "train");
  for (const [file, index] of copies) await write(file, index, "validation");
  writeFileSync(join(folder, "captions.jsonl"), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
});

const settings = [
  "data.imageSize=16",
  "data.maxLength=5",
  "data.augment=1",
  "vqvae.channels=16",
  "vqvae.codes=32",
  "vqvae.codeDim=8",
  "vqvae.downsample=2",
  "vqvae.batch=8",
  "vqvae.steps=30",
  "vqvae.warmup=3",
  "vqvae.restartAfter=3",
  "decoder.dim=32",
  "decoder.blocks=1",
  "decoder.heads=2",
  "decoder.mlpRatio=2",
  "decoder.timesteps=20",
  "decoder.batch=28",
  "decoder.captionsPerImage=1",
  "decoder.learningRate=0.01",
  "decoder.steps=200",
  "decoder.warmup=10",
  "decoder.emaEvery=2",
  "decoder.emaDecay=0.95",
  "sampling.steps=10",
  "log.sampleEvery=0",
  "log.evaluateEvery=0",
  "log.checkpointEvery=0",
  "log.scored=2",
];

t.test("train.js on a folder, then caption.js with its weights", async (t) => {
  const first = await runCommand("train", [
    ...["--data", folder, "--out", run, "--seed", "5", "--stage", "vqvae"],
    ...settings.flatMap((setting) => ["--set", setting]),
  ]);
  t.equal(first.code, 0, `the VQ-VAE alone ends well ${first.code === 0 ? "" : first.stderr}`);
  const second = await runCommand("train", ["--resume", run, "--stage", "decoder"]);
  t.equal(second.code, 0, `then the decoder ${second.code === 0 ? "" : second.stderr}`);

  const log = readFileSync(join(run, "log.jsonl"), "utf8").trim().split("\n");
  const last = JSON.parse(log.at(-1)!);
  t.equal(last.metrics.exact, 1, "the monitor finds all validation captions right");
  const table = readFileSync(join(run, "scores.md"), "utf8");
  const exact = (name: string) => cellOf(table, ["validation", "2", name], "exact");
  t.equal(exact("model"), 100, "so do the scores, of as many pictures as log.scored says");
  t.equal(exact("nearest by pixels"), 100, "the nearest pictures are their twins");
  t.equal(exact("model, other picture"), 0, "codes of another picture give its caption");

  const order = [...rows.slice(3), ...rows.slice(0, 3)];
  const trained = await runCommand("evaluate", [
    ...["--weights", join(run, "weights"), "--splits", "train", "--limit", "6", "--quiet"],
  ]);
  t.equal(trained.code, 0, `evaluate.js ends well ${trained.code === 0 ? "" : trained.stderr}`);
  t.equal(cellOf(trained.stdout, ["train", "6", "model"], "exact"), 100, "it finds training captions right");
  const published = join(root, "published", "weights");
  cpSync(join(run, "weights"), published, { recursive: true });
  const alone = await runCommand("evaluate", ["--weights", published, "--quiet"]);
  t.equal(alone.code, 2, "weights without their run do not say where the pictures lie");
  t.match(
    alone.stderr,
    /trained on a folder "pictures", and .+config\.json does not say where it is; name it with --data/,
  );

  const said = await runCommand("caption", [
    ...order.map(({ file }) => join(folder, file)),
    "--weights",
    join(run, "weights"),
  ]);
  t.equal(said.code, 0, `caption.js ends well ${said.code === 0 ? "" : said.stderr}`);
  t.same(
    said.stdout.trim().split("\n"),
    order.map(({ file, caption }) => `${join(folder, file)}: ${caption}`),
    "every picture gets its own caption, in the order asked for",
  );
});

t.test("shipped are the VQ-VAE and the averaged decoder of the last checkpoints", async (t) => {
  const { files } = nodePlatform;
  const captioner = await Captioner.fromFolder(await sharedGpu(), files, join(run, "weights"));
  const { decoder, config } = captioner;
  const shipped = await weightsOf(decoder);
  const training = new DecoderTraining(decoder, config.decoder, config.seed, () => {
    throw new Error("nothing is trained here");
  });
  const latest = (stage: string) => latestCheckpoint(files, join(run, "checkpoints", stage));
  const { checkpoint, path } = await latest("decoder");
  training.load(checkpoint!, path!);
  const distance = (weights: Float32Array) =>
    Math.sqrt(weights.reduce((sum, value, i) => sum + (value - shipped[i]!) ** 2, 0));
  const [averaged, trained] = [
    distance(await training.optimizer.withAverages(() => weightsOf(decoder))),
    distance(await weightsOf(decoder)),
  ];
  // Shipped weights are rounded to float16.
  t.ok(
    averaged < 0.2 * trained,
    `off by ${averaged.toPrecision(2)}, the trained ones by ${trained.toPrecision(2)}`,
  );
  const vqvae = await weightsOf(captioner.imageTokenizer);
  loadWeights(captioner.imageTokenizer, (await latest("vqvae")).checkpoint!.model, "checkpoint");
  const stored = await weightsOf(captioner.imageTokenizer);
  t.ok(
    stored.every((value, i) => Math.abs(value - vqvae[i]!) <= 1e-3 * Math.abs(value) + 1e-6),
    "the VQ-VAE is that of its checkpoint, to the bits of float16",
  );
  training.dispose();
  captioner.dispose();
});
