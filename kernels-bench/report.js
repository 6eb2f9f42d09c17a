/** The table of results as text, and the file of them as JSON. */

import { at } from "./numbers.js";
import { byProcessorTime, withShares } from "./roofline.js";

/**
 * @typedef {import("./measure.js").Result} Result
 *
 * @typedef {object} Ceiling
 * @property {number} gflops
 * @property {number} gbs
 *
 * @typedef {object} Report What `--json` writes and `--baseline` reads.
 * @property {string} format
 * @property {string} date
 * @property {string} adapter
 * @property {boolean} software
 * @property {string} [node] Its version, where it ran in Node.
 * @property {string} platform
 * @property {{ peak: Ceiling, median: Ceiling, measured: [fma: Result, copy: Result] }} ceilings Best and median rates, and their samples.
 * @property {string} [sizes] What `--sizes` said.
 * @property {number} seconds That the run took, and of them `cpuSeconds` of processor time.
 * @property {number | null} cpuSeconds Null where the platform does not tell it.
 * @property {Result[]} cases
 */

export const format = "mc-diffusion-bench-1";

/**
 * What `measure` gave for the two ceilings and then the cases, as a report.
 * @param {readonly Result[]} results
 * @param {Pick<Report, "date" | "adapter" | "software" | "node" | "platform" | "sizes" | "seconds" | "cpuSeconds">} about
 * @returns {Report}
 */
export function reportOf(results, about) {
  const [fma, copy] = [at(results, 0), at(results, 1)];
  return {
    format,
    ...about,
    ceilings: {
      peak: { gflops: fma.flops / fma.best / 1e6, gbs: copy.leastBytes / copy.best / 1e6 },
      median: { gflops: fma.gflops, gbs: copy.gbs },
      measured: [fma, copy],
    },
    cases: results.slice(2).map((result) => withShares(result, fma, copy, byProcessorTime(about))),
  };
}

const errorLegend =
  "error    largest difference from float64 over the largest value (ids: the share that differs), at a reduced size";

/** @param {boolean} byProcessor */
function legend(byProcessor) {
  return [
    "ms       median time of one call; ±: half the distance between the quartiles of its samples",
    ...(byProcessor
      ? [
          "cores    processor time over time. Low in one row: a kernel that leaves cores idle. In all: a busy machine",
        ]
      : []),
    "GFLOP/s  operations of the formula over ms; GB/s: the least bytes over ms",
    byProcessor
      ? "%FMA     operations per processor time, of the FMA ceiling's; %copy: bytes likewise, of the copy's"
      : "%FMA     best rate over the best of the FMA ceiling; %copy: over the best of the copy ceiling",
    "disp     dispatches of one call; new: buffers and bind groups created by one call after the warm-up",
    "least    the bytes that have to move: every input read once, every result written once",
    "moved    what the dispatches of one call bind, over that: 1.00× is best. See README.md for what it counts",
  ];
}

/**
 * Software adapters compute on processors that other programs use too, so their shares go by processor time.
 * @param {Report} report
 */
export function table(report) {
  const { cases, ceilings, seconds, cpuSeconds } = report;
  const byProcessor = byProcessorTime(report);
  const checked = cases.some((result) => result.check);
  const head = ["case", "ms", "±", ...(byProcessor ? ["cores"] : []), "GFLOP/s", "GB/s", "%FMA", "%copy"];
  head.push("disp", "new", "least", "moved", ...(checked ? ["error"] : []));
  const rows = cases.map((result) => {
    const { check } = result;
    const fma = byProcessor ? result.cpuShareOfFma : result.shareOfFma;
    const copy = byProcessor ? result.cpuShareOfCopy : result.shareOfCopy;
    return [
      result.name,
      significant(result.ms),
      percent(result.spread),
      ...(byProcessor ? [coresBusy(result)] : []),
      result.flops > 0 ? significant(result.gflops) : "–",
      significant(result.gbs),
      fma === null ? "–" : percent(fma),
      copy === null ? "–" : percent(copy),
      String(result.dispatches),
      String(result.buffersCreated + result.bindGroupsCreated),
      bytes(result.leastBytes),
      ratio(result.movedBytes / result.leastBytes),
      ...(checked ? [check ? `${check.error.toExponential(1)}${check.ok ? "" : " WRONG"}` : "–"] : []),
    ];
  });
  const { peak, median } = ceilings;
  return [
    ...align([head, ...rows]),
    "",
    `ceilings in this run: FMA ${significant(peak.gflops)} GFLOP/s (median ${significant(median.gflops)}), ` +
      `copy ${significant(peak.gbs)} GB/s read plus written (median ${significant(median.gbs)})`,
    `this run: ${significant(seconds)} s${cpuSeconds === null ? "" : `, with ${significant(cpuSeconds)} s of processor time`}`,
    ...legend(byProcessor),
    ...(checked ? [errorLegend] : []),
  ].join("\n");
}

/** Processor time over time: how many cores a kernel keeps busy. @param {Result} result */
export const coresBusy = ({ cpuMs, ms }) => (cpuMs === null ? "–" : (cpuMs / ms).toFixed(1));

/**
 * Lines of a table whose first column is text and whose others are numbers.
 * @param {readonly (readonly string[])[]} rows
 */
export function align(rows) {
  const widths = at(rows, 0).map((_, column) => Math.max(...rows.map((row) => at(row, column).length)));
  return rows.map((row) =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(at(widths, column)) : cell.padStart(at(widths, column)),
      )
      .join("  ")
      .trimEnd(),
  );
}

/**
 * Three significant digits, never in scientific notation.
 * @param {number} value
 */
export function significant(value) {
  if (!Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toFixed(Math.min(digits, 4));
}

/** @param {number} share */
export const percent = (share) => (Number.isFinite(share) ? `${(100 * share).toFixed(0)}%` : "–");

/** @param {number} value */
export const ratio = (value) => `${value < 100 ? value.toFixed(2) : value.toFixed(0)}×`;

/** @param {number} count */
export function bytes(count) {
  if (count >= 10 * 2 ** 30) return `${significant(count / 2 ** 30)} GiB`;
  if (count >= 2 ** 20) return `${significant(count / 2 ** 20)} MiB`;
  return count >= 1024 ? `${significant(count / 1024)} KiB` : `${count} B`;
}
