/** What every key of the configuration changes, found by changing it: the parts of the program that obey keys. */

import { mkdtempSync, rmSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import "../../dist/samplers.js";
import { loadDataset } from "../../dist/cli/load-dataset.js";
import { readImages } from "../../dist/data/dataset.js";
import type { Gpu } from "../../dist/engine/gpu/gpu.js";
import { RunFolder } from "../../dist/io/run-folder.js";
import { nodePlatform } from "../../dist/platform/node.js";
import { decoderStage, trainingCodes } from "../../dist/training/decoder-stage.js";
import { runStage } from "../../dist/training/loop.js";
import { tokenizerStage } from "../../dist/training/tokenizer-stage.js";
import { writePictures } from "../commands/pictures.js";
import { test } from "../harness.js";
import { MemoryFiles } from "../io/memory-files.js";
import { decoderTraining, silentProgress, tinyConfig, weightsOf } from "./setup.js";
import { toyContext, toyDataset } from "./toy.js";

const folder = mkdtempSync(join(tmpdir(), "mcd-settings-"));
process.once("exit", () => rmSync(folder, { recursive: true }));
const [good, bad, unsplit] = ["good", "bad", "unsplit"].map((name) => join(folder, name)) as [
  string,
  string,
  string,
];

/** Pictures in three folders; the second has a row without a picture, the third no splits. */
async function writeFolders(): Promise<void> {
  await writePictures(good);
  await writePictures(bad);
  const path = join(bad, "captions.jsonl");
  await writeFile(path, `${await readFile(path, "utf8")}{"file": "none.png", "caption": "nothing"}\n`);
  await writePictures(unsplit);
  const rows = join(unsplit, "captions.jsonl");
  await writeFile(rows, (await readFile(rows, "utf8")).replace(/,"split":"\w+"/g, ""));
}

let written: Promise<void> | null = null;

const steps = 3;
/** Things of the data set that the networks are trained on. */
const TOYS = 12;

/** What comes out of a part of the program under some settings, as text. */
type Probe = (gpu: Gpu, set: readonly string[]) => Promise<string>;

const loadProbe =
  (path: string): Probe =>
  async (_gpu, set) => {
    written ??= writeFolders();
    await written;
    const config = tinyConfig("data.source=folder", `data.folder=${path}`, ...set);
    const { name, size, records, splits, images } = await loadDataset(config.data, true);
    return JSON.stringify([name, size, records.length, splits, images.count]);
  };

const vqvaeProbe: Probe = async (gpu, set) => {
  const context = await toyContext(gpu, toyDataset(TOYS), `vqvae.steps=${steps}`, ...set);
  const trainer = tokenizerStage(context);
  const results = [];
  for (let step = 1; step <= steps; step++) results.push(await trainer.step(step));
  trainer.dispose();
  context.dispose();
  return JSON.stringify(results);
};

const decoderProbe: Probe = async (gpu, set) => {
  const base = [`decoder.steps=${steps}`, "decoder.emaEvery=1"];
  const context = await toyContext(gpu, toyDataset(TOYS), ...base, ...set);
  const { captioner } = context;
  const codes = await trainingCodes(context, () => {});
  const trainer = await decoderStage(context, codes);
  const results = [];
  for (let step = 1; step <= steps; step++) results.push(await trainer.step(step));
  const weights = await trainer.withUsedWeights(() => weightsOf(captioner.decoder));
  const saved = [...(await trainer.save()).optimizer.keys()];
  trainer.dispose();
  context.dispose();
  return JSON.stringify([results, saved, await nodePlatform.hash("sha-1", new Uint8Array(weights.buffer))]);
};

const probes = {
  /** The pictures that are read. */
  data: loadProbe(good),
  dataWithBadRow: loadProbe(bad),
  unsplit: loadProbe(unsplit),

  /** Losses, learning rates and gradients of the VQ-VAE's training. */
  vqvae: vqvaeProbe,

  /** The same where its codes learn to name things. */
  naming: (gpu, set) => vqvaeProbe(gpu, [`data.things=${TOYS}`, "vqvae.naming=0.2", ...set]),

  /** The same of the decoder's, the weights that it would be used with, and what its checkpoint has. */
  decoder: decoderProbe,

  /** The same where words learn to look at what they are about. */
  grounding: (gpu, set) =>
    decoderProbe(gpu, [`data.things=${TOYS}`, "data.augment=0", "decoder.grounding=0.2", ...set]),

  /** How much work a step of the decoder is. */
  async work(gpu, set) {
    const tiny = decoderTraining(gpu, tinyConfig(...set));
    const before = gpu.counters.dispatches;
    await tiny.training.step(1);
    tiny.dispose();
    return String(gpu.counters.dispatches - before);
  },

  /** Captions that a captioner gives without options, from its configuration. */
  async captions(gpu, set) {
    const dataset = toyDataset(24);
    const context = await toyContext(
      gpu,
      dataset,
      "sampling.guidance=mcs",
      "sampling.scale=3",
      "sampling.maskRate=0.5",
      "sampling.topR=0.9",
      ...set,
    );
    const images = await readImages(dataset, [...dataset.records.keys()]);
    const captions = await context.captioner.captionAll(images);
    context.dispose();
    return JSON.stringify(captions);
  },

  /** What the loop of a stage does beside its steps. */
  async log(gpu, set) {
    const config = tinyConfig("log.checkpointEvery=4", ...set);
    const files = new MemoryFiles();
    const run = await RunFolder.create(files, "run", {});
    const progress = silentProgress();
    const done: string[] = [];
    const trainer = {
      gpu,
      stage: "decoder" as const,
      steps: 13,
      perStep: { count: 1, unit: "images" as const },
      step: async () => ({ losses: { total: 1 }, learningRate: 1, gradNorm: 1 }),
      undo() {},
      memorySettings: "decoder.batch",
      evaluate: async () => {
        done.push("evaluate");
        return {};
      },
      sample: async (step: number) => {
        done.push(`sample ${step}`);
        return "";
      },
      withUsedWeights: <T>(body: () => Promise<T>) => body(),
      save: async () => {
        done.push("save");
        return { model: new Map(), optimizer: new Map() };
      },
      load() {},
      dispose() {},
    };
    await runStage(trainer, {
      platform: { ...nodePlatform, files },
      run,
      seed: 1,
      log: config.log,
      progress,
      interrupted: () => false,
      resume: false,
    });
    const kept = await files.list(run.checkpointFolder("decoder"));
    return JSON.stringify([done, kept, progress.lines.map((line) => line.replace(/\d+ ms/, "ms"))]);
  },
} satisfies Record<string, Probe>;

export type ProbeName = keyof typeof probes;

/** For each key the part of the program that obeys it, and a value that is not the one that the part has else. */
export const effects: Record<string, readonly [probe: ProbeName, value: string | number | boolean]> = {
  seed: ["decoder", 77],
  "data.folder": ["data", bad],
  "data.imageSize": ["data", 32],
  "data.subset": ["data", 5],
  "data.things": ["naming", TOYS + 1],
  "data.skipBad": ["dataWithBadRow", true],
  "data.validation": ["unsplit", 0.4],
  "data.augment": ["decoder", 0],
  "data.flip": ["vqvae", true],
  "data.randomCrop": ["vqvae", 0.5],
  "data.maxLength": ["decoder", 3],
  "data.plain": ["decoder", 1],
  "data.minCount": ["decoder", 2],
  "vqvae.channels": ["vqvae", 24],
  "vqvae.codes": ["vqvae", 8],
  "vqvae.codeDim": ["vqvae", 12],
  "vqvae.downsample": ["vqvae", 1],
  "vqvae.resBlocks": ["vqvae", 2],
  "vqvae.attention": ["vqvae", true],
  "vqvae.reconstruction": ["vqvae", "l1"],
  "vqvae.naming": ["naming", 3],
  "vqvae.commitment": ["vqvae", 1],
  "vqvae.decay": ["vqvae", 0.5],
  "vqvae.steps": ["vqvae", 30],
  "vqvae.batch": ["vqvae", 6],
  "vqvae.learningRate": ["vqvae", 0.002],
  "vqvae.warmup": ["vqvae", 1],
  "vqvae.learningRateDecay": ["vqvae", "constant"],
  "vqvae.restartAfter": ["vqvae", 1],
  "decoder.dim": ["decoder", 24],
  "decoder.blocks": ["decoder", 2],
  "decoder.heads": ["decoder", 4],
  "decoder.mlpRatio": ["decoder", 3],
  "decoder.conditionConvs": ["decoder", 1],
  "decoder.conditionBlocks": ["decoder", 1],
  "decoder.summaryTokens": ["decoder", 0],
  "decoder.dropout": ["decoder", 0.5],
  "decoder.precision": ["decoder", "float16"],
  "decoder.conditionEmbedding": ["decoder", "codes"],
  "decoder.codePositions": ["decoder", "each"],
  "decoder.tokenEmbedding": ["decoder", "tied"],
  "decoder.timeEmbedding": ["decoder", "sinusoidal"],
  "decoder.schedule": ["decoder", "absorbing"],
  "decoder.timesteps": ["decoder", 12],
  "decoder.lambda": ["decoder", 0.1],
  "decoder.adaptiveAuxiliary": ["decoder", false],
  "decoder.pCond": ["decoder", 0],
  "decoder.pMask": ["decoder", 1],
  "decoder.maskRates": ["decoder", "drawn"],
  "decoder.maskShape": ["decoder", "blocks"],
  "decoder.pDrop": ["decoder", 1],
  "decoder.filler": ["decoder", "zeros"],
  "decoder.grounding": ["grounding", 3],
  "decoder.steps": ["decoder", 30],
  "decoder.batch": ["decoder", 6],
  "decoder.captionsPerImage": ["decoder", 2],
  "decoder.microBatches": ["decoder", 2],
  "decoder.checkpointing": ["work", true],
  "decoder.learningRate": ["decoder", 0.002],
  "decoder.warmup": ["decoder", 1],
  "decoder.learningRateDecay": ["decoder", "constant"],
  "decoder.warmupFrom": ["decoder", 0.001],
  "decoder.beta1": ["decoder", 0.5],
  "decoder.beta2": ["decoder", 0.5],
  "decoder.weightDecay": ["decoder", 1],
  "decoder.clip": ["decoder", 0],
  "decoder.emaDecay": ["decoder", 0.5],
  "decoder.emaEvery": ["decoder", 2],
  "decoder.importanceSampling": ["decoder", true],
  "sampling.steps": ["captions", 4],
  "sampling.guidance": ["captions", "cfg"],
  "sampling.scale": ["captions", 1],
  "sampling.topR": ["captions", 0.3],
  "sampling.temperature": ["captions", 0],
  "sampling.last": ["captions", "sample"],
  "sampling.maskMode": ["captions", "redrawn"],
  "sampling.maskRate": ["captions", 1],
  "sampling.maskShape": ["captions", "blocks"],
  "sampling.allowUnknown": ["captions", true],
  "sampling.sampler": ["captions", "purity"],
  "sampling.candidates": ["captions", 3],
  "log.every": ["log", 3],
  "log.sampleEvery": ["log", 5],
  "log.evaluateEvery": ["log", 5],
  "log.checkpointEvery": ["log", 5],
  "log.keep": ["log", 1],
};

/** Keys whose effect other tests show. */
export const elsewhere: Record<string, string> = {
  "sampling.remask": "test/models/mc-diffusion/samplers.test.ts: it is of one sampler",
  "data.source": "test/commands/train.test.ts trains on a folder, test/data/emoji.test.ts reads the emoji",
  "log.scored": "test/commands/learn.test.ts",
  minutes: "test/commands/minutes.test.ts",
  model: "test/doors/doors.test.ts",
  imageTokenizer: "test/doors/doors.test.ts",
  "data.split": "test/commands/data-sets.test.ts",
  "data.crop": "test/commands/data-sets.test.ts",
  "data.tokenizer": "test/doors/doors.test.ts",
  "data.vocabulary": "test/commands/clip-tokens.test.ts",
  "decoder.clipWeights": "test/commands/clip-tokens.test.ts",
};

/** A device without float16 or a folder with a bad row: what is said of it is an effect. */
const outcome = (gpu: Gpu, name: ProbeName, ...set: string[]): Promise<string> =>
  probes[name](gpu, set).catch((error: Error) => `error: ${error.message}`);

/** Declares a test for each key that one of these parts obeys. */
export function testEffects(...names: ProbeName[]): void {
  for (const name of names) {
    let plain = "";
    test(`without a change ${name} stays the same`, async (t, gpu) => {
      plain = await outcome(gpu, name);
      t.equal(await outcome(gpu, name), plain, "the same settings give the same");
      t.ok(plain.startsWith("error") === (name === "dataWithBadRow"), "it works, but for the bad row");
    });
    for (const [key, [obeying, value]] of Object.entries(effects)) {
      if (obeying !== name) continue;
      test(`${key} changes ${name}`, async (t, gpu) => {
        plain ||= await outcome(gpu, name);
        t.ok(
          (await outcome(gpu, name, `${key}=${value}`)) !== plain,
          `something else comes out with ${value}`,
        );
      });
    }
  }
}
