/** Every key of the configuration does something, and the optimisers follow their schedules. */

import { mkdtempSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Config, resolveConfig } from "../../dist/config.js";
import { loadDataset } from "../../dist/data/load.js";
import { gatherImages } from "../../dist/evaluation.js";
import type { Gpu } from "../../dist/gpu/gpu.js";
import { RunFolder } from "../../dist/io/run-folder.js";
import { nodePlatform } from "../../dist/platform/node.js";
import { runStage } from "../../dist/training/stage.js";
import { decoderStage, trainingCodes, vqvaeStage } from "../../dist/training/stages.js";
import { writePictures } from "../commands/pictures.js";
import { test } from "../harness.js";
import { MemoryFiles } from "../io/memory-files.js";
import { decoderTraining, silentProgress, tinyConfig, vqvaeTraining, weightsOf } from "./setup.js";
import { toyContext, toyDataset } from "./toy.js";

const folder = mkdtempSync(join(tmpdir(), "mcd-settings-"));
const [good, bad] = [join(folder, "good"), join(folder, "bad")];

/** Pictures in two folders; the second has a row without a picture. */
async function writeFolders(): Promise<void> {
  await writePictures(good);
  await writePictures(bad);
  const path = join(bad, "captions.jsonl");
  await writeFile(path, `${await readFile(path, "utf8")}{"file": "none.png", "caption": "nothing"}\n`);
}

const written = writeFolders();

const steps = 3;

/** What comes out of a part of the program under some settings, as text. */
type Probe = (gpu: Gpu, set: readonly string[]) => Promise<string>;

const loadProbe =
  (path: string): Probe =>
  async (_gpu, set) => {
    const config = tinyConfig("data.source=folder", `data.folder=${path}`, ...set);
    const { name, size, records, splits, images } = await loadDataset(config.data, true);
    return JSON.stringify([name, size, records.length, splits, images.length]);
  };

const probes = {
  /** The pictures that are read. */
  data: loadProbe(good),
  dataWithBadRow: loadProbe(bad),

  /** Losses, learning rates and gradients of the VQ-VAE's training. */
  async vqvae(gpu, set) {
    const context = await toyContext(gpu, toyDataset(12), `vqvae.steps=${steps}`, ...set);
    const trainer = vqvaeStage(context);
    const results = [];
    for (let step = 1; step <= steps; step++) results.push(await trainer.step(step));
    trainer.dispose();
    context.dispose();
    return JSON.stringify(results);
  },

  /** The same of the decoder's, the weights that it would be used with, and what its checkpoint has. */
  async decoder(gpu, set) {
    const base = [`decoder.steps=${steps}`, "decoder.emaEvery=1"];
    const context = await toyContext(gpu, toyDataset(12), ...base, ...set);
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
  },

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
    const images = gatherImages(dataset, [...dataset.records.keys()]);
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

/** For each key the part of the program that obeys it, and a value that is not the one that the part has else. */
const effects: Record<string, readonly [probe: keyof typeof probes, value: string | number | boolean]> = {
  seed: ["decoder", 77],
  "data.folder": ["data", bad],
  "data.imageSize": ["data", 32],
  "data.subset": ["data", 5],
  "data.skipBad": ["dataWithBadRow", true],
  "data.augment": ["decoder", 0],
  "data.maxLength": ["decoder", 3],
  "data.minCount": ["decoder", 2],
  "vqvae.channels": ["vqvae", 24],
  "vqvae.codes": ["vqvae", 8],
  "vqvae.codeDim": ["vqvae", 12],
  "vqvae.downsample": ["vqvae", 1],
  "vqvae.resBlocks": ["vqvae", 2],
  "vqvae.attention": ["vqvae", true],
  "vqvae.reconstruction": ["vqvae", "l1"],
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
  "decoder.conditionBlocks": ["decoder", 1],
  "decoder.summaryTokens": ["decoder", 0],
  "decoder.dropout": ["decoder", 0.5],
  "decoder.precision": ["decoder", "float16"],
  "decoder.conditionEmbedding": ["decoder", "codes"],
  "decoder.schedule": ["decoder", "absorbing"],
  "decoder.timesteps": ["decoder", 12],
  "decoder.lambda": ["decoder", 0.1],
  "decoder.adaptiveAuxiliary": ["decoder", false],
  "decoder.pCond": ["decoder", 0],
  "decoder.pMask": ["decoder", 1],
  "decoder.pDrop": ["decoder", 1],
  "decoder.filler": ["decoder", "zeros"],
  "decoder.steps": ["decoder", 30],
  "decoder.batch": ["decoder", 6],
  "decoder.captionsPerImage": ["decoder", 2],
  "decoder.microBatches": ["decoder", 2],
  "decoder.checkpointing": ["work", true],
  "decoder.learningRate": ["decoder", 0.002],
  "decoder.warmup": ["decoder", 1],
  "decoder.learningRateDecay": ["decoder", "linear"],
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
  "sampling.maskMode": ["captions", "redrawn"],
  "sampling.maskRate": ["captions", 1],
  "log.every": ["log", 3],
  "log.sampleEvery": ["log", 5],
  "log.evaluateEvery": ["log", 5],
  "log.checkpointEvery": ["log", 5],
  "log.keep": ["log", 1],
};

/** Keys whose effect other tests show. */
const elsewhere: Record<string, string> = {
  "data.source": "test/commands/train.test.ts trains on a folder, test/data/emoji.test.ts reads the emoji",
  "log.scored": "test/commands/learn.test.ts",
};

test("every key of the configuration is in the list of effects", (t) => {
  const keys = Object.entries(resolveConfig()).flatMap(([section, values]) =>
    typeof values === "object" ? Object.keys(values).map((key) => `${section}.${key}`) : [section],
  );
  const listed = [...Object.keys(effects), ...Object.keys(elsewhere)];
  t.same(listed.sort(), keys.sort(), "each key once; add what a new one changes");
});

/** What each probe gives without a change, made when it is first asked for. */
const plain = new Map<keyof typeof probes, Promise<string>>();

/** A device without float16 or a folder with a bad row: what is said of it is an effect. */
const outcome = (gpu: Gpu, name: keyof typeof probes, ...set: string[]): Promise<string> =>
  probes[name](gpu, set).catch((error: Error) => `error: ${error.message}`);

for (const [key, [name, value]] of Object.entries(effects)) {
  test(`${key} changes ${name}`, async (t, gpu) => {
    await written;
    if (!plain.has(name)) plain.set(name, outcome(gpu, name));
    const changed = await outcome(gpu, name, `${key}=${value}`);
    t.ok(changed !== (await plain.get(name)), `something else comes out with ${value}`);
  });
}

for (const name of ["vqvae", "decoder", "captions"] as const) {
  test(`without a change ${name} stays the same`, async (t, gpu) => {
    const first = await outcome(gpu, name);
    t.ok(!first.startsWith("error"), "it works");
    t.equal(await outcome(gpu, name), first, "the same settings give the same");
  });
}

test("the folders of these tests go", () => rm(folder, { recursive: true }));

test("options of a call are the configuration's, and win over it", async (t, gpu) => {
  const dataset = toyDataset(24);
  const images = gatherImages(dataset, [...dataset.records.keys()]);
  const base = ["sampling.guidance=mcs", "sampling.scale=3", "sampling.maskRate=0.5", "sampling.topR=0.9"];
  const plain = await toyContext(gpu, dataset, ...base);
  const without = JSON.stringify(await plain.captioner.captionAll(images));
  for (const [key, value] of [
    ["steps", 4],
    ["guidance", "cfg"],
    ["scale", 1.5],
    ["topR", 0.3],
    ["temperature", 0],
    ["maskMode", "redrawn"],
    ["maskRate", 0.9],
  ] as const) {
    const configured = await toyContext(gpu, dataset, ...base, `sampling.${key}=${value}`);
    const expected = await configured.captioner.captionAll(images);
    const given = await plain.captioner.captionAll(images, { [key]: value });
    t.same(given, expected, `${key}: ${value} as an option says what it says in the configuration`);
    t.ok(JSON.stringify(given) !== without, "and something else than without it");
    configured.dispose();
  }
  plain.dispose();
});

test("learning rates follow the configuration, step by step", async (t, gpu) => {
  const rates = async (
    make: typeof decoderTraining | typeof vqvaeTraining,
    config: Config,
    count: number,
  ) => {
    const tiny = make(gpu, config);
    const found = [];
    for (let step = 1; step <= count; step++) found.push((await tiny.training.step(step)).learningRate);
    tiny.dispose();
    return found;
  };
  const decoder = (...set: string[]) => tinyConfig("decoder.steps=7", "decoder.learningRate=0.01", ...set);
  t.near(
    await rates(
      decoderTraining,
      decoder("decoder.warmup=3", "decoder.warmupFrom=0.002", "decoder.learningRateDecay=linear"),
      7,
    ),
    [0.002, 0.006, 0.01, 0.0075, 0.005, 0.0025, 0],
    { abs: 1e-9 },
    "decoder: warm-up from warmupFrom to learningRate, then linear to 0 at the last step",
  );
  t.near(
    await rates(decoderTraining, decoder("decoder.warmup=0", "decoder.learningRateDecay=constant"), 3),
    [0.01, 0.01, 0.01],
    { abs: 1e-9 },
    "decoder: constant",
  );
  const cosine = (share: number) => 0.004 * 0.5 * (1 + Math.cos(Math.PI * share));
  t.near(
    (
      await rates(
        vqvaeTraining,
        tinyConfig(
          "vqvae.steps=6",
          "vqvae.learningRate=0.004",
          "vqvae.warmup=2",
          "vqvae.learningRateDecay=cosine",
        ),
        6,
      )
    ).slice(1),
    [0.004, cosine(0.25), cosine(0.5), cosine(0.75), 0],
    { abs: 1e-9 },
    "VQ-VAE: warm-up, then half a cosine to 0 at the last step",
  );
});

test("the VQ-VAE's loss has the configuration's error and commitment weight", async (t, gpu) => {
  const first = async (...set: string[]) => {
    const tiny = vqvaeTraining(gpu, tinyConfig(...set));
    const { losses } = await tiny.training.step(1);
    tiny.dispose();
    return losses as Record<"total" | "reconstruction" | "commitment", number>;
  };
  const [square, absolute, both] = [
    await first("vqvae.reconstruction=l2"),
    await first("vqvae.reconstruction=l1"),
    await first("vqvae.reconstruction=both"),
  ];
  t.near(
    [both.reconstruction],
    [square.reconstruction + absolute.reconstruction],
    { rel: 1e-5 },
    "both: the sum of mean square and mean absolute error",
  );
  t.ok(Math.abs(square.reconstruction - absolute.reconstruction) > 0.01, "which are two numbers");
  t.near([both.total], [both.reconstruction + both.commitment], { rel: 1e-5 }, "the total is the sum");
  const [quarter, one, none] = [
    await first("vqvae.commitment=0.25"),
    await first("vqvae.commitment=1"),
    await first("vqvae.commitment=0"),
  ];
  t.near([one.commitment], [4 * quarter.commitment], { rel: 1e-5 }, "commitment is weighted by its key");
  t.ok(quarter.commitment > 0, "and is there");
  t.equal(none.commitment, 0, "unless the weight is 0");
});
