#!/usr/bin/env node
/**
 * What a training step of the decoder costs at the paper's size, and a model of the time that it takes on real GPUs.
 *
 * The step is the one that training captures, recorded on this machine: its dispatches, the operations and bytes of
 * each and the memory that it needs are counted from the recording. Only the times of GPUs are a model: data sheets,
 * and shares of them that are assumptions. With `--run`, steps on random captions run here as well and are timed.
 */

import { commandLine, integerOption, openGpu, runCommand } from "../dist/cli.js";
import { operationsOf } from "../dist/debug.js";
import { McDiffusion, resolveConfig, UserError } from "../dist/index.js";
import { DecoderTraining } from "../dist/training.js";
import { addFigures, readFigures } from "./figure-file.js";
import { memoryRecorder } from "./memory-curve.js";
import { describeRun, figuresOfRun, runSteps } from "./paper-run.js";
import { randomSource } from "./random.js";
import { align, bytes, significant } from "./report.js";
import { trafficCounter } from "./traffic.js";

/**
 * @typedef {import("../dist/debug.js").Dispatch} Dispatch
 * @typedef {Readonly<Record<string, unknown>>} Params Uniforms of a dispatch.
 *
 * @typedef {object} Work What one dispatch does.
 * @property {string} kernel
 * @property {number} flops Of products and attention, as executed; 0 where bytes are what counts.
 * @property {number} bytes See traffic.js.
 *
 * @typedef {object} Device A data sheet.
 * @property {string} name
 * @property {number} tflops float32, without matrix units.
 * @property {number} gbs Memory bandwidth.
 * @property {number} gib Memory.
 */

/** @type {Device[]} */
const devices = [
  { name: "NVIDIA RTX 3060", tflops: 12.7, gbs: 360, gib: 12 },
  { name: "NVIDIA RTX 4090", tflops: 82.6, gbs: 1008, gib: 24 },
  { name: "NVIDIA A100 80 GB", tflops: 19.5, gbs: 2039, gib: 80 },
  { name: "NVIDIA H100 SXM", tflops: 66.9, gbs: 3350, gib: 80 },
  { name: "AMD RX 7900 XTX", tflops: 61.4, gbs: 960, gib: 24 },
  { name: "Apple M2 Max, 38 cores", tflops: 13.6, gbs: 400, gib: 64 },
  { name: "Intel Arc A770", tflops: 17.2, gbs: 560, gib: 16 },
];

/** Assumptions: shares of the data sheet that kernels reach, and what starting a dispatch costs. */
const assumed = { productsOfPeak: 0.5, attentionOfPeak: 0.3, ofBandwidth: 0.7, dispatchMicroseconds: 5 };

const isAttention = (/** @type {string} */ kernel) => kernel.startsWith("attention");

/**
 * The decoder of the preset with M words and captions of L tokens, and its training on random captions and codes.
 * @param {import("./types.js").Gpu} gpu
 * @param {{ words: number, length: number, set: string[] }} options
 */
function trainingOf(gpu, { words, length, set }) {
  const config = resolveConfig({ preset: "paper", set: [`data.maxLength=${length}`, ...set] });
  const { decoder: settings, vqvae, data } = config;
  const shape = {
    vocabulary: words,
    length,
    codes: vqvae.codes,
    side: data.imageSize / 2 ** vqvae.downsample,
    timesteps: settings.timesteps,
    dim: settings.dim,
    blocks: settings.blocks,
    heads: settings.heads,
    mlpRatio: settings.mlpRatio,
    conditionBlocks: settings.conditionBlocks,
    summaryTokens: settings.summaryTokens,
    dropout: settings.dropout,
    codeDim: null,
    filler: settings.filler,
  };
  const decoder = new McDiffusion(gpu, shape, { schedule: settings.schedule });
  const random = randomSource(config.seed);
  const pictures = settings.batch / settings.captionsPerImage;
  const training = new DecoderTraining(decoder, settings, config.seed, () => ({
    tokens: random.ids(settings.batch * length, words),
    codes: random.ids(pictures * shape.side ** 2, shape.codes),
  }));
  return { config, decoder, training };
}

/**
 * @param {import("./types.js").Gpu} gpu
 * @param {ReturnType<typeof trainingOf>} made
 */
function recordStep(gpu, { config, decoder, training }) {
  const { parameterCount } = decoder;
  const memory = memoryRecorder(gpu.memory.byLabel);
  const traffic = trafficCounter();
  /** @type {Work[]} */
  const work = [];
  gpu.observer = {
    ...memory.observer,
    dispatch(dispatch, params, variant) {
      memory.observer.dispatch?.(dispatch, params, variant);
      work.push({
        kernel: dispatch.pipeline.kernel.spec.name,
        flops: operationsOf(dispatch, params),
        bytes: traffic(dispatch, params, variant),
      });
    },
  };
  training.plan();
  gpu.observer = null;
  return { config, parameterCount, work, memory: memory.curve() };
}

/**
 * Seconds of a step on a device: each dispatch takes as long as its operations or its bytes do, whichever is longer.
 * @param {readonly Work[]} work
 * @param {Device} device
 */
function modelled(work, { tflops, gbs }) {
  const { productsOfPeak, attentionOfPeak, ofBandwidth, dispatchMicroseconds } = assumed;
  return work.reduce((sum, { kernel, flops, bytes }) => {
    const share = isAttention(kernel) ? attentionOfPeak : productsOfPeak;
    const computing = flops / (tflops * 1e12 * share);
    const moving = bytes / (gbs * 1e9 * ofBandwidth);
    return sum + Math.max(computing, moving) + dispatchMicroseconds / 1e6;
  }, 0);
}

/** @param {readonly Work[]} work @param {(entry: Work) => number} of */
const total = (work, of) => work.reduce((sum, entry) => sum + of(entry), 0);

/** @param {ReturnType<typeof recordStep>} step @param {{ words: number, length: number }} options */
function describe({ config, parameterCount, work, memory }, { words, length }) {
  const { batch, microBatches, checkpointing, blocks, dim } = config.decoder;
  const places = (config.data.imageSize / 2 ** config.vqvae.downsample) ** 2;
  const families = new Map();
  for (const entry of work) {
    const family = entry.kernel.split(".")[0];
    families.set(family, [...(families.get(family) ?? []), entry]);
  }
  const rows = [...families]
    .map(([family, entries]) => ({
      family,
      dispatches: entries.length,
      flops: total(entries, ({ flops }) => flops),
      moved: total(entries, (entry) => entry.bytes),
    }))
    .sort((a, b) => b.flops - a.flops || b.moved - a.moved);
  const flops = total(work, (entry) => entry.flops);
  const moved = total(work, (entry) => entry.bytes);
  const captions = (batch * 3600) / 1e6;
  const lines = [
    `decoder of ${(parameterCount / 1e6).toFixed(1)} M parameters: d = ${dim}, ${blocks} blocks, M = ${words}; batch ${batch} in ${microBatches} parts, L = ${length}, S = ${places}, checkpointing ${checkpointing ? "on" : "off"}`,
    `${work.length} dispatches, ${significant(flops / 1e9)} GFLOP, ${bytes(moved)} moved between dispatches; ${bytes(memory.peakBytes)} in use at the peak`,
    "",
    ...align([
      ["kernels", "dispatches", "GFLOP", "moved"],
      ...rows.map((row) => [
        row.family,
        String(row.dispatches),
        row.flops === 0 ? "–" : significant(row.flops / 1e9),
        bytes(row.moved),
      ]),
    ]),
    "",
    ...align([
      ["at the peak", ""],
      ...memory.peakByLabel.slice(0, 8).map(([label, size]) => [`  ${label}`, bytes(size)]),
    ]),
    "",
    "A MODEL, not measured: data sheets (float32, no matrix units) and assumptions: products reach " +
      `${100 * assumed.productsOfPeak} % of the peak, attention ${100 * assumed.attentionOfPeak} %, everything else ${100 * assumed.ofBandwidth} % of the bandwidth, a dispatch costs ${assumed.dispatchMicroseconds} µs.`,
    ...align([
      ["device", "TFLOP/s", "GB/s", "s a step", "million captions an hour", "memory"],
      ...devices.map((device) => {
        const seconds = modelled(work, device);
        return [
          device.name,
          String(device.tflops),
          String(device.gbs),
          significant(seconds),
          significant(captions / seconds),
          memory.peakBytes < 0.9 * device.gib * 2 ** 30 ? "fits" : `more than its ${device.gib} GiB`,
        ];
      }),
    ]),
  ];
  return lines.join("\n");
}

/** @param {ReturnType<typeof recordStep>} step @param {{ words: number, length: number }} options */
function summaryOf({ config, parameterCount, work, memory }, { words, length }) {
  const { batch, microBatches, blocks, dim, timesteps } = config.decoder;
  const places = (config.data.imageSize / 2 ** config.vqvae.downsample) ** 2;
  const millions = (parameterCount / 1e6).toFixed(1);
  return {
    network: `${blocks} blocks of d = ${dim}, ${words} words, L = ${length}, S = ${places}, T = ${timesteps}: ${millions} M parameters`,
    batch: `${batch} captions in ${microBatches} parts`,
    flops: total(work, (entry) => entry.flops),
    memory: memory.peakBytes,
  };
}

await runCommand(async () => {
  const program = commandLine(
    "node kernels-bench/paper-scale.js",
    "Operations, bytes, dispatches and memory of a decoder step at the paper's size; a model of its time on GPUs.",
  )
    .option("--words <n>", "vocabulary M (default: that of CLIP's BPE)", integerOption(1), 49408)
    .option("--length <n>", "caption length L in tokens (default: that of CLIP)", integerOption(1), 77)
    .option(
      "--set <key=value>",
      "a setting over the preset paper; may be repeated",
      (/** @type {string} */ value, /** @type {string[]} */ all) => [...all, value],
      /** @type {string[]} */ ([]),
    )
    .option(
      "--run <steps>",
      "also run this many steps here, and one more that is timed by kernel",
      integerOption(1),
    )
    .option("--figures <file>", "with --run: writes what it took into this file of docs/figures/")
    .parse();
  const options =
    /** @type {{ words: number, length: number, set: string[], run?: number, figures?: string }} */ (
      program.opts()
    );
  if (options.figures !== undefined) {
    if (options.run === undefined) throw new UserError("--figures needs --run", 2);
    // A wrong file is told now, not after the run.
    await readFigures(options.figures);
  }
  const gpu = await openGpu(undefined, true);
  const made = trainingOf(gpu, options);
  const recorded = recordStep(gpu, made);
  console.log(describe(recorded, options));
  if (options.run) {
    const run = await runSteps(gpu, made, options.run);
    console.log(describeRun(run));
    if (options.figures) {
      await addFigures(options.figures, figuresOfRun(run, gpu, summaryOf(recorded, options)));
      console.log(`written: ${options.figures}; npm run figures puts it into the document`);
    }
  }
  await gpu.idle();
});
