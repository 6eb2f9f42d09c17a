/** Steps at the paper's size that run here: what they took, by kernel, also as text. */

import { timeline, timesByKernel } from "../dist/debug.js";
import { align, bytes, significant } from "./report.js";

/**
 * @typedef {import("../dist/engine/index.js").KernelTime} KernelTime
 *
 * @typedef {object} Run
 * @property {number} initialised Seconds that random weights took.
 * @property {{ seconds: number, loss: number, gradNorm: number }[]} steps
 * @property {number | null} memory Most bytes of this process; null where the platform does not tell it.
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
 * @param {(text: string) => void} [say] Told of each step.
 * @returns {Promise<Run>}
 */
export async function runSteps(gpu, { config, decoder, training }, count, say = console.log) {
  let began = performance.now();
  const seconds = () => (performance.now() - began) / 1000;
  decoder.initialise(config.seed);
  await gpu.idle();
  const initialised = seconds();
  say(`\nrandom weights in ${significant(initialised)} s`);
  gpu.resetPeakMemory();
  const steps = [];
  for (let step = 1; step <= count; step++) {
    began = performance.now();
    const { losses, gradNorm } = await training.step(step);
    const entry = { seconds: seconds(), loss: losses.total ?? Number.NaN, gradNorm };
    steps.push(entry);
    say(`step ${step}: ${stepText(entry)}`);
  }
  const kernels = gpu.has("timestamp-query")
    ? timesByKernel(await timeline(gpu, async () => void (await training.step(count + 1))))
    : null;
  const usage = globalThis.process?.resourceUsage?.();
  return { initialised, steps, kernels, memory: usage ? 1024 * usage.maxRSS : null };
}

/** @param {Run["steps"][number]} step */
export const stepText = ({ seconds, loss, gradNorm }) =>
  `${significant(seconds)} s, loss ${loss.toFixed(4)}, gradient norm ${gradNorm.toFixed(4)}`;

/** The times by kernel and the memory, as text. @param {Run} run */
export function describeRun({ kernels, memory }) {
  const table = kernels
    ? ["\none more step with a time for each dispatch:", ...align([kernelColumns, ...kernelRows(kernels)])]
    : [];
  const peak = memory === null ? [] : [`peak memory of this process: ${bytes(memory)}`];
  return [...table, ...peak].join("\n");
}

export const kernelColumns = ["kernel", "dispatches", "s", "share"];
/** Kernels with a row of their own. */
const shown = 14;

/** A row for each of the longest kernels, one for the others, and the sum. @param {readonly KernelTime[]} kernels */
export function kernelRows(kernels) {
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
