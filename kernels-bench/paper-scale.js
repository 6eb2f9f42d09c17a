#!/usr/bin/env node
/**
 * What a training step of the decoder costs at the paper's size, and a model of the time that it takes on real GPUs.
 *
 * The step is the one that training captures, recorded on this machine: its dispatches, the operations and bytes of
 * each and the memory that it needs are counted from the recording. Only the times of GPUs are a model: data sheets,
 * and shares of them that are assumptions. With `--run`, steps on random captions run here as well and are timed.
 */

import { commandLine, integerOption, openGpu, runCommand } from "../dist/cli.js";
import { UserError } from "../dist/index.js";
import { addFigures, readFigures } from "./figure-file.js";
import { figuresOfRun } from "./paper-figures.js";
import { describeRun, runSteps } from "./paper-run.js";
import { recordStep, summaryOf, total, trainingOf } from "./paper-step.js";
import { align, bytes, significant } from "./report.js";

/**
 * @typedef {import("./paper-step.js").Work} Work
 * @typedef {import("./paper-step.js").RecordedStep} RecordedStep
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

/** @param {RecordedStep} step @param {{ words: number, length: number }} options */
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
