/** Which of two ways is faster: samples that alternate, and a verdict that has to stand out from their noise. */

import { quantile } from "./measure.js";

/**
 * @typedef {object} Sample
 * @property {number} wall Milliseconds.
 * @property {number | null} cpu Processor milliseconds of all threads, on software adapters; else null.
 *
 * @typedef {object} Ratio
 * @property {number} ratio Time of the challenger over time of the holder: median over the pairs.
 * @property {number} noise How far that may be from 1 without meaning anything.
 *
 * @typedef {object} Verdict
 * @property {boolean} wins
 * @property {Ratio} wall
 * @property {Ratio | null} cpu
 * @property {Ratio} steadier The one of the two clocks with less noise.
 * @property {number} pairs
 */

/** Gains below this share are not worth a kernel of their own. */
const least = 0.05;
/** After so many pairs a challenger without a gain is given up. */
const fewPairs = 4;

/**
 * Takes up to `pairs` pairs of samples, first one way and then the other going first, so that load that comes or goes
 * hits both. The challenger wins if one clock shows it faster beyond the noise and none slower beyond its own.
 * On a software adapter processor time is the steadier clock, but only wall clock tells of cores left idle.
 * @param {() => Promise<Sample>} holder
 * @param {() => Promise<Sample>} challenger
 * @param {number} pairs
 * @returns {Promise<Verdict>}
 */
export async function contest(holder, challenger, pairs) {
  /** @type {{ wall: number[], cpu: number[] }} */
  const ratios = { wall: [], cpu: [] };
  for (let i = 0; i < pairs; i++) {
    let before;
    let after;
    if (i % 2 === 0) {
      before = await holder();
      after = await challenger();
    } else {
      after = await challenger();
      before = await holder();
    }
    ratios.wall.push(after.wall / before.wall);
    if (after.cpu !== null && before.cpu !== null && before.cpu > 0) ratios.cpu.push(after.cpu / before.cpu);
    const hopeless = [ratios.wall, ratios.cpu].every(
      (all) => all.length === 0 || quantile(all, 0.5) > 1 - least / 2,
    );
    if (i + 1 >= fewPairs && hopeless) break;
  }
  return judge(ratios.wall, ratios.cpu);
}

/**
 * @param {readonly number[]} wallRatios
 * @param {readonly number[]} cpuRatios Of the same pairs, or none.
 * @returns {Verdict}
 */
function judge(wallRatios, cpuRatios) {
  const wall = ratioOf(wallRatios);
  const cpu = cpuRatios.length === wallRatios.length ? ratioOf(cpuRatios) : null;
  const clocks = cpu ? [wall, cpu] : [wall];
  const faster = clocks.some(({ ratio, noise }) => ratio < 1 / (1 + noise));
  const slower = clocks.some(({ ratio, noise }) => ratio > 1 + noise);
  const steadier = cpu && cpu.noise < wall.noise ? cpu : wall;
  return { wins: faster && !slower, wall, cpu, steadier, pairs: wallRatios.length };
}

/**
 * The median of the pairs' ratios and four standard errors of it (as in baseline.js, for normally distributed noise).
 * @param {readonly number[]} ratios
 * @returns {Ratio}
 */
function ratioOf(ratios) {
  const ratio = quantile(ratios, 0.5);
  const halfQuartiles = (quantile(ratios, 0.75) - quantile(ratios, 0.25)) / 2;
  const error = (1.25 * 1.48 * halfQuartiles) / Math.sqrt(ratios.length) / ratio;
  // Few samples may agree by chance.
  const noise = ratios.length < fewPairs ? Number.POSITIVE_INFINITY : Math.max(least, 4 * error);
  return { ratio, noise };
}
