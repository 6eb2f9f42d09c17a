/** Tests of differences: two-sided p-values from the bootstrap, and Holm's adjustment where many are tested. */

import type { Estimate } from "./bootstrap.js";

/** A difference whose adjusted p-value is below this is marked in tables. */
export const SIGNIFICANT = 0.05;

/**
 * Two-sided p-value of a difference d (`difference`): the smallest level at which the percentile interval excludes 0,
 *
 *   p = min(1, 2 (1 + min(#{d* ≤ 0}, #{d* ≥ 0})) / (1 + B)),
 *
 * over the B resamples d* that have a score. The 1s keep p above 0 (Davison and Hinkley 1997, §4.2.5): with B = 2000 it is at least
 * 0.001. NaN for a difference without a score.
 */
export function bootstrapP({ mean, resampled }: Pick<Estimate, "mean" | "resampled">): number {
  if (Number.isNaN(mean)) return Number.NaN;
  let [scored, below, above] = [0, 0, 0];
  for (const value of resampled) {
    if (Number.isNaN(value)) continue;
    scored++;
    if (value <= 0) below++;
    if (value >= 0) above++;
  }
  return Math.min(1, (2 * (1 + Math.min(below, above))) / (1 + scored));
}

/**
 * p-values of one family of tests, adjusted by Holm (1979) so that the chance of any false rejection stays below the level: with
 * p_(1) ≤ … ≤ p_(m), adjusted p_(k) = max over j ≤ k of min(1, (m − j + 1) p_(j)). In the order given. A NaN is no test: it stays, and m
 * does not count it.
 */
export function holm(values: readonly number[]): number[] {
  const order = values.flatMap((p, i) => (Number.isNaN(p) ? [] : [i]));
  order.sort((a, b) => values[a]! - values[b]!);
  const adjusted = values.map(() => Number.NaN);
  let largest = 0;
  for (const [j, i] of order.entries()) {
    largest = Math.max(largest, Math.min(1, (order.length - j) * values[i]!));
    adjusted[i] = largest;
  }
  return adjusted;
}

/**
 * Resamples for a family of this many tests: adjusted p-values below `SIGNIFICANT` need p below SIGNIFICANT / family, and p is known
 * in steps of 2 / (resamples + 1).
 */
export function drawsFor(family: number, least: number): number {
  return Math.max(least, drawsPerTest * family);
}

const drawsPerTest = 200;
