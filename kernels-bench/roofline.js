/**
 * The roofline model (Williams, Waterman and Patterson, 2009): with I operations for each byte that has to move, no
 * kernel does more than min(FMA peak, I · copy bandwidth) operations a second.
 */

/**
 * @typedef {import("./measure.js").Result} Result
 * @typedef {import("./report.js").Report} Report
 *
 * @typedef {object} Point
 * @property {number} number Of the case in the report, from 1.
 * @property {string} name
 * @property {string} family
 * @property {number} intensity Operations for each of the least bytes.
 * @property {number} rate GFLOP/s.
 * @property {number} roof The most it could be, GFLOP/s.
 * @property {"FMA" | "copy"} limit Which ceiling is the lower one at this intensity.
 */

/**
 * Whether shares and the picture go by processor time: on software adapters, as other programs on the machine disturb it
 * far less, where the platform tells it (Node does, browsers do not).
 * @param {Pick<Report, "software" | "cpuSeconds">} report
 */
export const byProcessorTime = ({ software, cpuSeconds }) => software && cpuSeconds !== null;

/**
 * The time that shares and the picture go by: else that of the fastest sample.
 * @param {boolean} byProcessor
 */
const clock = (byProcessor) => (byProcessor ? "cpuMs" : "best");

/**
 * Milliseconds of one call by a clock; not a number where the platform does not tell them.
 * @param {"best" | "cpuMs"} time
 * @param {Result} result
 */
export const timeBy = (time, result) => result[time] ?? Number.NaN;

/**
 * A result with its shares of the ceilings.
 * @param {Result} result
 * @param {Result} fma
 * @param {Result} copy
 * @param {boolean} byProcessor See `byProcessorTime`.
 * @returns {Result}
 */
export function withShares(result, fma, copy, byProcessor) {
  /**
   * @param {"flops" | "leastBytes"} amount
   * @param {"best" | "cpuMs"} time
   * @param {Result} ceiling
   */
  const share = (amount, time, ceiling) =>
    result[amount] > 0
      ? result[amount] / timeBy(time, result) / (ceiling[amount] / timeBy(time, ceiling))
      : null;
  const time = clock(byProcessor);
  return {
    ...result,
    intensity: result.flops / result.leastBytes,
    shareOfFma: share("flops", "best", fma),
    shareOfCopy: share("leastBytes", "best", copy),
    cpuShareOfFma: byProcessor ? share("flops", "cpuMs", fma) : null,
    cpuShareOfCopy: byProcessor ? share("leastBytes", "cpuMs", copy) : null,
    shareOfRoof: Math.max(share("flops", time, fma) ?? 0, share("leastBytes", time, copy) ?? 0),
  };
}

/**
 * The two ceilings and the cases below them. Cases without floating-point operations have no place among them.
 * @param {Pick<Report, "software" | "cpuSeconds" | "ceilings" | "cases">} report
 */
export function roofline(report) {
  const { ceilings, cases } = report;
  const perCore = byProcessorTime(report);
  const time = clock(perCore);
  const [fma, copy] = ceilings.measured;
  const peak = fma.flops / timeBy(time, fma) / 1e6;
  const bandwidth = copy.leastBytes / timeBy(time, copy) / 1e6;
  /** @type {Point[]} */
  const points = [];
  cases.forEach((result, i) => {
    if (result.flops === 0) return;
    const intensity = result.flops / result.leastBytes;
    points.push({
      number: i + 1,
      name: result.name,
      family: result.family,
      intensity,
      rate: result.flops / timeBy(time, result) / 1e6,
      roof: Math.min(peak, intensity * bandwidth),
      limit: intensity * bandwidth < peak ? "copy" : "FMA",
    });
  });
  return { peak, bandwidth, ridge: peak / bandwidth, perCore, points };
}
