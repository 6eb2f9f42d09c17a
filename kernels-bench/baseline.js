/** Comparison of a run with an earlier one. */

import { align, format, percent, significant } from "./report.js";

/**
 * @typedef {import("./report.js").Report} Report
 * @typedef {import("./measure.js").Result} Result
 *
 * @typedef {object} Change
 * @property {string} name
 * @property {number} before Median milliseconds.
 * @property {number} after
 * @property {number} ratio after / before.
 * @property {number | null} cpuRatio The same of processor time, on software adapters.
 * @property {number} noise How far the ratio may be from 1 without meaning anything.
 */

/** @param {unknown} value */
const positive = (value) => typeof value === "number" && value > 0;

/**
 * Why something read from a file cannot be a baseline; null if it can.
 * @param {any} report
 */
export function baselineFault(report) {
  if (report?.format !== format) {
    return `it was not written by kernels-bench/run.js --json for kernels (format ${format})`;
  }
  const median = report.ceilings?.median;
  if (!positive(median?.gflops) || !positive(median?.gbs)) return "it does not say what the ceilings were";
  /** @param {any} result */
  const usable = (result) =>
    typeof result?.name === "string" &&
    positive(result.ms) &&
    result.spread >= 0 &&
    typeof result.size === "object" &&
    result.size !== null;
  if (!Array.isArray(report.cases) || !report.cases.every(usable)) {
    return "its cases lack a name, a size, a time or its spread";
  }
  return null;
}

/** Differences below this share are never called changes. */
const least = 0.05;

/**
 * Cases that both runs have at the same size. A change counts when the medians are farther apart than both runs'
 * quartiles allow, after as much as the ceilings themselves moved has been allowed for.
 * @param {Report} before
 * @param {Report} after
 */
export function compare(before, after) {
  const software = before.software && after.software;
  /** @type {Change[]} */
  const changes = [];
  for (const now of after.cases) {
    const then = before.cases.find((result) => result.name === now.name && sameSize(result, now));
    if (!then) continue;
    const noise = Math.max(least, 2 * (then.spread + now.spread));
    const cpuRatio = software ? now.cpuMs / then.cpuMs : null;
    changes.push({
      name: now.name,
      before: then.ms,
      after: now.ms,
      ratio: now.ms / then.ms,
      cpuRatio,
      noise,
    });
  }
  const moved = machine(before, after);
  const down = Math.max(1, ...moved.map((ratio) => 1 / ratio));
  const up = Math.max(1, ...moved);
  return {
    compared: changes.length,
    slower: changes
      .filter(({ ratio, noise }) => ratio > down * (1 + noise))
      .sort((a, b) => b.ratio - a.ratio),
    faster: changes
      .filter(({ ratio, noise }) => ratio < 1 / (up * (1 + noise)))
      .sort((a, b) => a.ratio - b.ratio),
  };
}

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
    const rows = changes.map(({ name, before: then, after, ratio, cpuRatio, noise }) => [
      `  ${name}`,
      significant(then),
      significant(after),
      `${ratio.toFixed(2)}×`,
      cpuRatio === null ? "–" : `${cpuRatio.toFixed(2)}×`,
      percent(noise),
    ]);
    lines.push(...align([[title, "ms then", "ms now", "ratio", "CPU ratio", "noise"], ...rows]));
  }
  return lines.join("\n");
}
