/** Timing: repeated calls in one submission, wall clock around idle, rounds that alternate between the cases. */

import { zeros } from "../dist/engine/index.js";
import { at } from "./numbers.js";
import { randomSource } from "./random.js";
import { captureTraffic } from "./traffic.js";

/**
 * @typedef {import("./types.js").Case} Case
 * @typedef {import("./types.js").Gpu} Gpu
 * @typedef {import("./types.js").Problem} Problem
 *
 * @typedef {object} Result
 * @property {string} family
 * @property {string} name
 * @property {import("./types.js").Size} size
 * @property {number} ms Median time of one call.
 * @property {number} best Time of one call in the fastest sample.
 * @property {number | null} cpuMs Median processor time of one call, all threads; what a software adapter computes with. Null
 *   where the platform does not tell it.
 * @property {number | null} cpuSpread Of the processor time, as `spread` is of the time.
 * @property {number} spread Half the distance between the quartiles, as a share of the median.
 * @property {number} samples
 * @property {number} callsPerSample
 * @property {number} gflops GFLOP/s at the median.
 * @property {number} gbs GB/s at the median, of the least bytes.
 * @property {number} flops
 * @property {number} leastBytes What has to move: every input read once, every result written once.
 * @property {number} movedBytes What the dispatches of one call move, see traffic.js.
 * @property {number} dispatches Of one call.
 * @property {number} buffersCreated By one more call after the warm-up.
 * @property {number} bindGroupsCreated By the same.
 * @property {number} workBytes The most memory one call takes besides its inputs.
 * @property {number | null} shareOfFma Best rate over the ceiling's best, wall clock; null where the formula has no operations.
 * @property {number | null} shareOfCopy
 * @property {number | null} cpuShareOfFma The same by processor time, on software adapters.
 * @property {number | null} cpuShareOfCopy
 * @property {number} intensity Operations for each of the least bytes.
 * @property {number} shareOfRoof Of the most that the two ceilings allow at this intensity: the larger share.
 * @property {{ error: number, tolerance: number, ok: boolean }} [check]
 *
 * @typedef {object} Options
 * @property {number} [rounds] Samples of each case; default by time: up to `mostRounds`, for about `budget` ms in all.
 * @property {(text: string) => void} [progress]
 * @property {() => number} [cpuTime] Milliseconds of processor time so far, all threads. Browsers do not tell it.
 * @property {AbortSignal} [signal] Ends the measuring with its reason, between two samples.
 * @property {number} [until] Time by `performance.now()` at which to end: preparing stops after three fifths of the time until
 *   then, and what is not prepared by then has no result. The first two cases always have one.
 */

/** Milliseconds of measuring that a case may take, unless the number of rounds is given. */
const budget = 1000;
/** Milliseconds that a sample should last at least, so that submitting and waiting do not count. */
const sampleLength = 40;
/** And it should last so many times a wait for no work: some browsers look for finished work on a slow tick. */
const overWait = 20;
/** No round begins after this many milliseconds in all, once every case has its fewest samples. */
const totalBudget = 130_000;
/** The ceilings are the first cases wherever there are some. */
const ceilingCases = 2;
/** Of the time until `until`, what preparing may take. */
const preparingShare = 0.6;
const mostRounds = 15;
const fewestRounds = 3;
const mostCallsPerSample = 512;
/** What stands for log 0 in src/diffusion/coefficients.ts. */
const logZero = -1e30;

/**
 * Measures all cases. Everything is prepared and warmed up first; then every round takes one sample of every case, so
 * that what else the machine does hits all cases alike.
 * @param {Gpu} gpu
 * @param {readonly Case[]} cases
 * @param {Options} [options]
 * @returns {Promise<Result[]>}
 */
export async function measure(gpu, cases, { rounds, progress = () => {}, cpuTime, signal, until } = {}) {
  const began = performance.now();
  const end = until ?? Number.POSITIVE_INFINITY;
  const prepared = [];
  try {
    const length = Math.max(sampleLength, overWait * (await waitOf(gpu)));
    for (const [i, entry] of cases.entries()) {
      signal?.throwIfAborted();
      if (i >= ceilingCases && performance.now() - began > preparingShare * (end - began)) break;
      progress(`preparing ${i + 1} of ${cases.length}: ${entry.name}`);
      prepared.push(await prepare(gpu, entry, rounds, length));
    }
    const most = Math.max(...prepared.map((item) => item.rounds));
    for (let round = 0; round < most; round++) {
      if (rounds === undefined && round >= fewestRounds && performance.now() - began > totalBudget) break;
      if (round > 0 && performance.now() > end) break;
      for (const [i, item] of prepared.entries()) {
        progress(`round ${round + 1} of ${most}, case ${i + 1} of ${prepared.length}`);
        if (round >= item.rounds) continue;
        signal?.throwIfAborted();
        const cpuBefore = cpuTime?.();
        item.times.push((await timeOnce(gpu, item.work)) / item.calls);
        if (cpuTime !== undefined && cpuBefore !== undefined)
          item.cpuTimes.push((cpuTime() - cpuBefore) / item.calls);
      }
    }
    progress("");
    return prepared.map(summarise);
  } finally {
    for (const item of prepared) item.dispose();
    await gpu.idle();
    gpu.trim();
  }
}

/**
 * @param {Gpu} gpu
 * @param {Case} entry
 * @param {number | undefined} rounds
 * @param {number} length Milliseconds of a sample.
 */
async function prepare(gpu, entry, rounds, length) {
  const problem = entry.build(gpu, entry.size, randomSource(1));
  // Calls as a model would make them: the first compiles, the second finds its buffers in the pool.
  for (let i = 0; i < 2; i++) record(gpu, problem);
  await gpu.idle();
  const before = gpu.counters;
  record(gpu, problem);
  await gpu.idle();
  const after = gpu.counters;

  // Timed calls are captured and replayed, as training does: JavaScript then costs next to nothing.
  const { work: one, bytes: movedBytes } = captureTraffic(gpu, () => record(gpu, problem));
  await timeOnce(gpu, one);
  const single = Math.min(await timeOnce(gpu, one), await timeOnce(gpu, one));
  const calls = Math.max(1, Math.min(mostCallsPerSample, Math.round(length / single)));
  let work = one;
  if (calls > 1) {
    work = gpu.capture(() => {
      for (let i = 0; i < calls; i++) record(gpu, problem);
    }).work;
    await timeOnce(gpu, work);
  }
  const fitting = Math.floor(budget / (single * calls));
  return {
    entry,
    work,
    calls,
    rounds: rounds ?? Math.max(fewestRounds, Math.min(mostRounds, fitting)),
    dispatches: one.dispatches,
    movedBytes,
    workBytes: one.memory.peakBytes,
    buffersCreated: after.buffers - before.buffers,
    bindGroupsCreated: after.bindGroups - before.bindGroups,
    /** @type {number[]} */
    times: [],
    /** @type {number[]} */
    cpuTimes: [],
    dispose() {
      if (work !== one) work.dispose();
      one.dispose();
      problem.dispose();
    },
  };
}

/**
 * @param {Gpu} gpu
 * @param {Problem} problem
 */
function record(gpu, problem) {
  gpu.scope(() => {
    problem.call();
  });
}

/**
 * Median milliseconds of a wait for next to no work: a copy of 4 bytes.
 * @param {Gpu} gpu
 */
export async function waitOf(gpu) {
  const [from, to] = [zeros(gpu, [1]).keep(), zeros(gpu, [1]).keep()];
  const { work } = gpu.capture(() => gpu.copyBuffer(from.storage, 0, to.storage, 0, 4));
  const times = [];
  for (let i = 0; i < 7; i++) times.push(await timeOnce(gpu, work));
  work.dispose();
  from.dispose();
  to.dispose();
  return quantile(times.slice(1), 0.5);
}

/**
 * Milliseconds from submitting until the device is idle.
 * @param {Gpu} gpu
 * @param {import("../dist/engine/index.js").CapturedWork} work
 */
async function timeOnce(gpu, work) {
  const began = performance.now();
  work.run();
  await gpu.idle();
  return performance.now() - began;
}

/**
 * @param {Awaited<ReturnType<typeof prepare>>} item
 * @returns {Result}
 */
function summarise({ entry, times, cpuTimes, calls, ...counts }) {
  const { dispatches, movedBytes, workBytes, buffersCreated, bindGroupsCreated } = counts;
  const ms = quantile(times, 0.5);
  const flops = entry.flops(entry.size);
  const leastBytes = entry.bytes(entry.size);
  return {
    family: entry.family,
    name: entry.name,
    size: entry.size,
    ms,
    best: Math.min(...times),
    cpuMs: cpuTimes.length > 0 ? quantile(cpuTimes, 0.5) : null,
    cpuSpread: cpuTimes.length > 0 ? spreadOf(cpuTimes) : null,
    spread: spreadOf(times),
    samples: times.length,
    callsPerSample: calls,
    gflops: flops / ms / 1e6,
    gbs: leastBytes / ms / 1e6,
    flops,
    leastBytes,
    movedBytes,
    dispatches,
    buffersCreated,
    bindGroupsCreated,
    workBytes,
    shareOfFma: null,
    shareOfCopy: null,
    cpuShareOfFma: null,
    cpuShareOfCopy: null,
    intensity: 0,
    shareOfRoof: 0,
  };
}

/**
 * Half the distance between the quartiles, as a share of the median; 0 where that is 0.
 * @param {readonly number[]} values
 */
export function spreadOf(values) {
  const median = quantile(values, 0.5);
  return median > 0 ? (quantile(values, 0.75) - quantile(values, 0.25)) / 2 / median : 0;
}

/**
 * Linear between the sorted values; not a number where there are none.
 * @param {readonly number[]} values
 * @param {number} share
 */
export function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  if (sorted.length === 0) return Number.NaN;
  const place = share * (sorted.length - 1);
  const low = Math.floor(place);
  return at(sorted, low) + (place - low) * (at(sorted, Math.ceil(place)) - at(sorted, low));
}

/**
 * Compares a case with its float64 reference, at its reduced size if it has one.
 * @param {Gpu} gpu
 * @param {Case} entry
 * @returns {Promise<{ error: number, tolerance: number, ok: boolean }>}
 */
export async function check(gpu, entry) {
  const size = entry.checkSize ?? entry.size;
  const problem = entry.build(gpu, size, randomSource(2));
  try {
    const outputs = gpu.scope(() => problem.call());
    const expected = problem.reference();
    if (outputs.length !== expected.length) {
      throw new Error(`${entry.name} returns ${outputs.length} tensors, its reference ${expected.length}`);
    }
    let error = 0;
    for (const [i, output] of outputs.entries()) {
      error = Math.max(error, largestError(await output.read(), at(expected, i)));
      output.dispose();
    }
    return { error, tolerance: entry.tolerance, ok: error <= entry.tolerance };
  } finally {
    problem.dispose();
  }
}

/**
 * Floats: the largest difference over the largest expected magnitude; where -1e30, the engine's log 0, is expected, it
 * has to be met. Ids: the share that differs. Infinite for anything that is not a number.
 * @param {Float32Array | Uint32Array | Int32Array} actual
 * @param {ArrayLike<number>} expected
 */
export function largestError(actual, expected) {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY;
  if (!(actual instanceof Float32Array)) {
    let wrong = 0;
    for (let i = 0; i < actual.length; i++) if (actual[i] !== expected[i]) wrong++;
    return wrong / actual.length;
  }
  let difference = 0;
  let magnitude = 0;
  for (let i = 0; i < actual.length; i++) {
    const is = at(actual, i);
    const should = at(expected, i);
    if (should <= logZero && is <= logZero / 2) continue;
    const apart = Math.abs(is - should);
    if (!(apart < Number.POSITIVE_INFINITY)) return Number.POSITIVE_INFINITY;
    difference = Math.max(difference, apart);
    magnitude = Math.max(magnitude, Math.abs(should));
  }
  return difference === 0 ? 0 : difference / Math.max(magnitude, Number.MIN_VALUE);
}
