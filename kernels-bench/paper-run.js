/** Steps at the paper's size that run here: what they took, by kernel, as text and as figures of the documents. */

import { availableParallelism } from "node:os";
import { timeline, timesByKernel } from "../dist/debug.js";
import { align, bytes, significant } from "./report.js";

/**
 * @typedef {import("../dist/engine/index.js").KernelTime} KernelTime
 *
 * @typedef {object} Run
 * @property {number} initialised Seconds that random weights took.
 * @property {{ seconds: number, loss: number, gradNorm: number }[]} steps
 * @property {number} memory Most bytes of this process.
 * @property {KernelTime[] | null} kernels Of one more step, longest first; null if the device tells no times.
 *
 * @typedef {object} Summary What ran.
 * @property {string} network
 * @property {string} batch
 * @property {number} flops Of a step.
 * @property {number} memory Most bytes on the device, counted from the recording.
 */

/**
 * Runs steps, and one more with a time for each dispatch where the device can.
 * @param {import("./types.js").Gpu} gpu
 * @param {{ config: { seed: number }, decoder: import("../dist/index.js").McDiffusion, training: import("../dist/training.js").DecoderTraining }} made
 * @param {number} count
 * @returns {Promise<Run>}
 */
export async function runSteps(gpu, { config, decoder, training }, count) {
  let began = performance.now();
  const seconds = () => (performance.now() - began) / 1000;
  decoder.initialise(config.seed);
  await gpu.idle();
  const initialised = seconds();
  console.log(`\nrandom weights in ${significant(initialised)} s`);
  gpu.resetPeakMemory();
  const steps = [];
  for (let step = 1; step <= count; step++) {
    began = performance.now();
    const { losses, gradNorm } = await training.step(step);
    const entry = { seconds: seconds(), loss: losses.total ?? Number.NaN, gradNorm };
    steps.push(entry);
    console.log(`step ${step}: ${stepText(entry)}`);
  }
  const kernels = gpu.has("timestamp-query")
    ? timesByKernel(await timeline(gpu, async () => void (await training.step(count + 1))))
    : null;
  return { initialised, steps, kernels, memory: 1024 * process.resourceUsage().maxRSS };
}

/** @param {Run["steps"][number]} step */
const stepText = ({ seconds, loss, gradNorm }) =>
  `${significant(seconds)} s, loss ${loss.toFixed(4)}, gradient norm ${gradNorm.toFixed(4)}`;

/** The times by kernel and the memory, as text. @param {Run} run */
export function describeRun({ kernels, memory }) {
  const table = kernels
    ? ["\none more step with a time for each dispatch:", ...align([kernelColumns, ...kernelRows(kernels)])]
    : [];
  return [...table, `peak memory of this process: ${bytes(memory)}`].join("\n");
}

const kernelColumns = ["kernel", "dispatches", "s", "share"];
/** Kernels with a row of their own. */
const shown = 14;

/** A row for each of the longest kernels, one for the others, and the sum. @param {readonly KernelTime[]} kernels */
function kernelRows(kernels) {
  /** @param {readonly KernelTime[]} some */
  const sum = (some) => ({
    dispatches: some.reduce((count, { dispatches }) => count + dispatches, 0),
    microseconds: some.reduce((time, { microseconds }) => time + microseconds, 0),
  });
  const others = kernels.slice(shown);
  const all = sum(kernels);
  return [
    ...kernels.slice(0, shown),
    ...(others.length > 0 ? [{ kernel: `${others.length} others`, ...sum(others) }] : []),
    { kernel: "all", ...all },
  ].map(({ kernel, dispatches, microseconds }) => [
    kernel,
    String(dispatches),
    significant(microseconds / 1e6),
    `${((100 * microseconds) / all.microseconds).toFixed(1)} %`,
  ]);
}

/**
 * The figures `paper-run` and, where the device tells times, `paper-kernels`.
 * @param {Run} run
 * @param {import("./types.js").Gpu} gpu
 * @param {Summary} summary
 */
export function figuresOfRun(run, gpu, { network, batch, flops, memory }) {
  const options = process.argv.slice(2);
  const at = options.indexOf("--figures");
  const about = {
    command: ["node kernels-bench/paper-scale.js", ...options.toSpliced(at, at < 0 ? 0 : 2)].join(" "),
    date: new Date().toISOString().slice(0, 10),
    // Without the path of its driver.
    adapter: gpu.description.replace(/ \(driver .*\)$/, ""),
    machine: `${availableParallelism()} cores`,
  };
  const last = run.steps.at(-1);
  const rows = [
    ["network", network],
    ["batch", batch],
    ["random weights", `${significant(run.initialised)} s`],
    ...run.steps.map((step, i) => [`step ${i + 1}`, stepText(step)]),
    ["rate of the last step", `${significant(flops / (last?.seconds ?? 0) / 1e9)} GFLOP/s`],
    ["memory on the device, counted", bytes(memory)],
    ["memory of the process, at the most", bytes(run.memory)],
  ];
  return {
    "paper-run": { table: { columns: ["", "measured"], rows }, ...about },
    ...(run.kernels
      ? { "paper-kernels": { table: { columns: kernelColumns, rows: kernelRows(run.kernels) }, ...about } }
      : {}),
  };
}
