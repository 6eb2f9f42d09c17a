/** Comparison of a run with an earlier one. */

import { align, format, percent, significant } from "./report.js";
import { byProcessorTime, timeBy } from "./roofline.js";

/**
 * @typedef {import("./report.js").Report} Report
 * @typedef {import("./measure.js").Result} Result
 *
 * @typedef {object} Ratio
 * @property {number} ratio Time now over time then.
 * @property {number} noise How far that may be from 1 without meaning anything.
 *
 * @typedef {object} Change
 * @property {string} name
 * @property {number} before Median milliseconds.
 * @property {number} after
 * @property {Ratio} wall
 * @property {Ratio | null} cpu The same of processor time, if both runs were on software adapters.
 */

/** @param {unknown} value */
const positive = (value) => typeof value === "number" && value > 0;

/**
 * Why something read from a file cannot be a baseline; null if it can.
 * @param {unknown} content
 */
export function baselineFault(content) {
  const report = /** @type {Partial<Report> | null | undefined} */ (content);
  if (report?.format !== format) {
    return `it was not written by kernels-bench/run.js --json for kernels (format ${format})`;
  }
  const median = report.ceilings?.median;
  if (!positive(median?.gflops) || !positive(median?.gbs)) return "it does not say what the ceilings were";
  /** @param {Partial<Result> | null | undefined} result */
  const usable = (result) =>
    typeof result?.name === "string" &&
    positive(result.ms) &&
    positive(result.samples) &&
    (result.spread ?? -1) >= 0 &&
    typeof result.size === "object" &&
    result.size !== null;
  if (!Array.isArray(report.cases) || !report.cases.every(usable)) {
    return "its cases lack a name, a size, a time, its spread or the number of samples";
  }
  return null;
}

/** Differences below this share are never called changes. */
const least = 0.05;

/**
 * Cases that both runs have at the same size. A change counts when the medians are farther apart than both runs'
 * quartiles allow, after as much as the ceilings themselves moved has been allowed for. On software adapters it counts
 * too when processor time says so; but only time tells of cores left idle.
 * @param {Report} before
 * @param {Report} after
 */
export function compare(before, after) {
  // Load that comes and goes slows some kernels more than others, so time is expected to be anything between what it
  // was and what the ceilings suggest. Processor time is expected to move as the ceilings did.
  const wallMoved = [1, ...machine(before, after)];
  const cpuMoved = cpuMachine(before, after);
  /** @type {Change[]} */
  const changes = [];
  for (const now of after.cases) {
    const then = before.cases.find((result) => result.name === now.name && sameSize(result, now));
    if (!then) continue;
    changes.push({
      name: now.name,
      before: then.ms,
      after: now.ms,
      wall: { ratio: now.ms / then.ms, noise: noise(then, now, "spread") },
      cpu: cpuMoved && {
        ratio: timeBy("cpuMs", now) / timeBy("cpuMs", then),
        noise: noise(then, now, "cpuSpread"),
      },
    });
  }
  /** @param {Change} change @param {(ratio: Ratio, moved: readonly number[]) => boolean} beyond */
  const either = ({ wall, cpu }, beyond) =>
    beyond(wall, wallMoved) || (cpu !== null && cpuMoved !== null && beyond(cpu, cpuMoved));
  const slower = changes.filter((change) => either(change, isSlower));
  const faster = changes.filter((change) => !slower.includes(change) && either(change, isFaster));
  return {
    compared: changes.length,
    slower: slower.sort((a, b) => b.wall.ratio - a.wall.ratio),
    faster: faster.sort((a, b) => a.wall.ratio - b.wall.ratio),
  };
}

/**
 * Four standard errors of the difference between two medians. That of a median of n samples is 1.25 σ / √n, with
 * σ = 1.48 times half the distance between the quartiles, for normally distributed times; theirs are less tame.
 * @param {Result} then
 * @param {Result} now
 * @param {"spread" | "cpuSpread"} spread
 */
function noise(then, now, spread) {
  const errors = [then, now].map(
    (result) => (1.25 * 1.48 * (result[spread] ?? Number.NaN)) / Math.sqrt(result.samples),
  );
  return Math.max(least, 4 * Math.hypot(...errors));
}

/**
 * @param {Ratio} measured
 * @param {readonly number[]} moved Rates of the ceilings now over then.
 */
const isSlower = ({ ratio, noise }, moved) => ratio * Math.min(...moved) > 1 + noise;

/**
 * @param {Ratio} measured
 * @param {readonly number[]} moved
 */
const isFaster = ({ ratio, noise }, moved) => ratio * Math.max(...moved) < 1 / (1 + noise);

/**
 * What the ceilings are now of what they were: FMA, copy.
 * @param {Report} before
 * @param {Report} now
 */
function machine(before, now) {
  const [then, today] = [before.ceilings.median, now.ceilings.median];
  return [today.gflops / then.gflops, today.gbs / then.gbs];
}

/**
 * The same by processor time; null where that was not measured or says nothing.
 * @param {Report} before
 * @param {Report} now
 */
function cpuMachine(before, now) {
  const complete = [before, now].every(
    ({ software, cpuSeconds, ceilings, cases }) =>
      byProcessorTime({ software, cpuSeconds }) &&
      ceilings.measured?.every(({ cpuMs }) => positive(cpuMs)) &&
      cases.every(({ cpuMs, cpuSpread }) => positive(cpuMs) && (cpuSpread ?? -1) >= 0),
  );
  if (!complete) return null;
  const [fma, copy] = now.ceilings.measured;
  const [oldFma, oldCopy] = before.ceilings.measured;
  return [timeBy("cpuMs", oldFma) / timeBy("cpuMs", fma), timeBy("cpuMs", oldCopy) / timeBy("cpuMs", copy)];
}

/**
 * @param {Result} a
 * @param {Result} b
 */
function sameSize(a, b) {
  const names = new Set([...Object.keys(a.size), ...Object.keys(b.size)]);
  return [...names].every((name) => a.size[name] === b.size[name]);
}

/**
 * @param {Report} before
 * @param {Report} now
 * @param {ReturnType<typeof compare>} comparison
 */
export function describe(before, now, comparison) {
  const { compared, slower, faster } = comparison;
  const lines = [`against the run of ${before.date}: ${compared} cases compared`];
  if (before.adapter !== now.adapter)
    lines.push(`careful: that run was on another adapter, ${before.adapter}`);
  const moved = machine(before, now);
  if (moved.some((ratio) => Math.abs(Math.log(ratio)) > Math.log(1.15))) {
    const [fma, copy] = moved.map((ratio) => `${significant(ratio)}×`);
    lines.push(
      `careful: the machine itself changed and so much is allowed for, FMA ceiling ${fma} and copy ceiling ${copy} of what they were then`,
    );
  }
  for (const [title, changes] of /** @type {const} */ ([
    ["slower beyond the noise", slower],
    ["faster beyond the noise", faster],
  ])) {
    if (changes.length === 0) {
      lines.push(`${title}: none`);
      continue;
    }
    const rows = changes.map(({ name, before: then, after, wall, cpu }) => [
      `  ${name}`,
      significant(then),
      significant(after),
      `${wall.ratio.toFixed(2)}×`,
      percent(wall.noise),
      ...(cpu ? [`${cpu.ratio.toFixed(2)}×`, percent(cpu.noise)] : []),
    ]);
    const head = [title, "ms then", "ms now", "ratio", "noise"];
    if (changes.some(({ cpu }) => cpu)) head.push("CPU ratio", "noise");
    lines.push(...align([head, ...rows]));
  }
  return lines.join("\n");
}
