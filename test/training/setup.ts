/** Tiny models and batches for the tests of training. */

import type { Progress } from "../../dist/cli/progress.js";
import type { Config } from "../../dist/config/config.js";
import { resolveConfig } from "../../dist/config/resolve.js";
import { defaultPreset } from "../../dist/diffusion/schedule.js";
import type { Gpu } from "../../dist/engine/gpu/gpu.js";
import type { Module } from "../../dist/engine/nn/module.js";
import type { Rng } from "../../dist/engine/ops/rng.js";
import { readWeights } from "../../dist/engine/weights/weights.js";
import type { RunFolder } from "../../dist/io/run-folder.js";
import type { DecoderShape } from "../../dist/models/mc-diffusion/decoder-shape.js";
import { McDiffusion } from "../../dist/models/mc-diffusion/mc-diffusion.js";
import type { DiffusionObjective, DiffusionSettings } from "../../dist/models/mc-diffusion/objective.js";
import { VqVae } from "../../dist/models/vqvae/vqvae.js";
import type { Platform } from "../../dist/platform/platform.js";
import { type DecoderBatches, DecoderTraining } from "../../dist/training/decoder-training.js";
import type { StageOptions } from "../../dist/training/loop.js";
import type { StepHook } from "../../dist/training/model-training.js";
import { type ImageBatches, TokenizerTraining } from "../../dist/training/tokenizer-training.js";
import type { Trainer } from "../../dist/training/trainer.js";
import { randomArray } from "../random-array.js";

export const decoderShape: DecoderShape = {
  vocabulary: 9,
  length: 6,
  codes: 8,
  side: 2,
  timesteps: 10,
  dim: 32,
  blocks: 1,
  heads: 2,
  mlpRatio: 2,
  conditionBlocks: 1,
  summaryTokens: 2,
  dropout: 0,
  codeDim: null,
  filler: "learned",
};

/** Four pictures, as codes, and the captions that belong to them; token 0 ends a caption. */
export const pairs = [
  { codes: [0, 1, 2, 3], tokens: [1, 2, 3, 0, 0, 0] },
  { codes: [4, 5, 6, 7], tokens: [1, 4, 3, 5, 0, 0] },
  { codes: [0, 5, 2, 7], tokens: [6, 7, 0, 0, 0, 0] },
  { codes: [4, 4, 0, 0], tokens: [8, 2, 7, 5, 3, 0] },
];

/** Settings of a tiny run. */
export function tinyConfig(...set: string[]): Config {
  return resolveConfig({
    set: [
      "data.imageSize=16",
      "vqvae.channels=16",
      "vqvae.codes=16",
      "vqvae.codeDim=8",
      "vqvae.downsample=2",
      "vqvae.batch=4",
      "vqvae.warmup=2",
      "vqvae.restartAfter=2",
      "vqvae.learningRate=0.005",
      "decoder.timesteps=10",
      "decoder.batch=4",
      "decoder.captionsPerImage=1",
      "decoder.warmup=2",
      "decoder.learningRate=0.005",
      "decoder.pCond=0.5",
      "decoder.pMask=0.5",
      "decoder.emaEvery=2",
      "decoder.emaDecay=0.8",
      "sampling.steps=10",
      ...set,
    ],
  });
}

export interface Training {
  training: DecoderTraining | TokenizerTraining;
  model: Module;
  trainer: Trainer;
  dispose(): void;
}

/** Changes of the batches and of what the loop asks for beside steps. */
export interface TrainingChanges {
  shape?: Partial<DecoderShape>;
  /** All batches are the same four pairs, instead of pairs that depend on the step. */
  sameBatch?: boolean;
  /** Batches of the test's own. */
  batches?: DecoderBatches;
  images?: ImageBatches;
  trainer?: Partial<Trainer>;
  /** How the decoder learns; default: as it does. */
  objective?: (decoder: McDiffusion, settings: DiffusionSettings, random: Rng) => DiffusionObjective;
  hook?: StepHook;
}

/** A decoder with its training, as a trainer that evaluates nothing. */
export function decoderTraining(gpu: Gpu, config: Config, changes: TrainingChanges = {}) {
  const shape = { ...decoderShape, ...changes.shape };
  const decoder = new McDiffusion(gpu, shape, { schedule: defaultPreset });
  decoder.initialise(config.seed);
  const { schedule } = decoder;
  const { batch } = config.decoder;
  const fromPairs: DecoderBatches = (step) => {
    const tokens = new Uint32Array(batch * shape.length);
    const codes = new Uint32Array(batch * shape.side ** 2);
    for (let i = 0; i < batch; i++) {
      const pair = pairs[(changes.sameBatch ? i : i * 3 + step) % pairs.length]!;
      tokens.set(pair.tokens, i * shape.length);
      codes.set(pair.codes, i * shape.side ** 2);
    }
    return { tokens, codes };
  };
  const batches = changes.batches ?? fromPairs;
  const { objective, hook = null } = changes;
  if (objective) decoder.objective = (settings, random) => objective(decoder, settings, random);
  const training = new DecoderTraining(decoder, config.decoder, config.seed, batches, { hook });
  return {
    training,
    decoder,
    model: decoder as Module,
    schedule,
    trainer: trainerOf(gpu, "decoder", config.decoder.steps, training, changes.trainer),
    dispose() {
      training.dispose();
      decoder.dispose();
    },
  };
}

/** A VQ-VAE with its training on pictures of noise that depend on the step, as a trainer that evaluates nothing. */
export function vqvaeTraining(gpu: Gpu, config: Config, changes: TrainingChanges = {}) {
  const { channels, codes, codeDim, downsample, resBlocks, attention } = config.vqvae;
  const { imageSize } = config.data;
  const vqvae = new VqVae(gpu, { imageSize, channels, codes, codeDim, downsample, resBlocks, attention });
  vqvae.initialise(config.seed);
  const noise = (step: number, images: Uint8Array) => {
    const values = randomArray(step + 1, images.length / 48, 70);
    for (let i = 0; i < images.length; i++) {
      images[i] = Math.max(0, Math.min(255, 128 + values[Math.floor(i / 48)]!));
    }
  };
  const { images = noise, hook = null } = changes;
  const training = new TokenizerTraining(vqvae, config.vqvae, config.seed, images, { hook });
  return {
    training,
    vqvae,
    model: vqvae as Module,
    trainer: trainerOf(gpu, "vqvae", config.vqvae.steps, training, changes.trainer),
    dispose() {
      training.dispose();
      vqvae.dispose();
    },
  };
}

function trainerOf(
  gpu: Gpu,
  stage: "vqvae" | "decoder",
  steps: number,
  training: DecoderTraining | TokenizerTraining,
  changes: Partial<Trainer> = {},
): Trainer {
  return {
    gpu,
    stage,
    steps,
    perStep: { count: 4, unit: "images" },
    step: (step) => training.step(step),
    undo: () => training.undo(),
    memorySettings: `${stage}.batch`,
    evaluate: async () => ({}),
    sample: async () => "",
    withUsedWeights: (body) => body(),
    save: () => training.save(),
    load: (checkpoint, path) => training.load(checkpoint, path),
    dispose: () => training.dispose(),
    ...changes,
  };
}

/**
 * All weights, in one array. `keyBiases: false` puts 0 for the biases of a decoder's keys: softmax does not see what is
 * added to all keys, so their gradient is rounding alone, which Adam makes as large as any other.
 */
export async function weightsOf(
  model: Module,
  { keyBiases = true }: { keyBiases?: boolean } = {},
): Promise<Float32Array> {
  const all = [...(await readWeights(model))].map(([name, weight]) => {
    const data = weight.data as Float32Array;
    const dim = name.endsWith(".qkv.bias") ? data.length / 3 : data.length / 2;
    if (!keyBiases && name.endsWith(".qkv.bias")) data.fill(0, dim, 2 * dim);
    if (!keyBiases && name.endsWith(".keyValue.bias")) data.fill(0, 0, dim);
    return data;
  });
  const joined = new Float32Array(all.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const values of all) {
    joined.set(values, at);
    at += values.length;
  }
  return joined;
}

/** Whether two arrays hold the same bits. */
export function sameBits(a: Float32Array, b: Float32Array): boolean {
  const [left, right] = [a, b].map((x) => new Uint32Array(x.buffer, x.byteOffset, x.length)) as [
    Uint32Array,
    Uint32Array,
  ];
  return left.length === right.length && left.every((word, i) => word === right[i]);
}

/** A display that keeps what it is told. */
export function silentProgress(): Progress & { lines: string[] } {
  const lines: string[] = [];
  const log = (line: string) => lines.push(line);
  return { lines, update() {}, setTotal() {}, log, warn: log, stop() {} };
}

/** Options of a stage from its beginning that nobody watches or stops. */
export function stageOptions(platform: Platform, run: RunFolder, { log }: Pick<Config, "log">): StageOptions {
  return {
    ...{ platform, run, log, seed: 1, progress: silentProgress() },
    interrupted: () => false,
    resume: false,
  };
}
