/**
 * Curves of two scores, both the higher the better, compared in two ways, over the same resamples of the pictures:
 *
 *   area  the area that a curve's points dominate over a reference point that both curves share (hypervolume)
 *   gap   the mean over the x that both curves reach of the difference in y, each curve interpolated between its points
 */

import { type Estimate, type Score, scoreOf } from "../../metrics/bootstrap.js";
import { bootstrapP } from "../../metrics/significance.js";

/** [x, y] */
export type Place = readonly [x: number, y: number];

/** ∪ [x_0, x_i] × [y_0, y_i] over points i above and to the right of (x_0, y_0); points that are not numbers count nothing. */
export function dominatedArea(points: readonly Place[], [left, bottom]: Place): number {
  const inside = points.filter(([x, y]) => x > left && y > bottom).sort(([a], [b]) => b - a);
  let [area, height] = [0, bottom];
  for (const [x, y] of inside) {
    if (y <= height) continue;
    area += (x - left) * (y - height);
    height = y;
  }
  return area;
}

/** The highest y at x of the line through some points; NaN if it does not get there. */
export function highestAt(points: readonly Place[], x: number): number {
  let highest = Number.NaN;
  const see = (y: number) => {
    if (!(y <= highest)) highest = y;
  };
  for (const [i, [right, y]] of points.entries()) {
    if (right === x) see(y);
    if (i === 0) continue;
    const [left, before] = points[i - 1]!;
    if ((left - x) * (right - x) < 0) see(before + ((y - before) * (x - left)) / (right - left));
  }
  return highest;
}

const samples = 100;

/** The mean over the x that both lines reach of y of `a` minus y of `b`; NaN if there are none. */
export function meanGap(a: readonly Place[], b: readonly Place[]): number {
  const ends = (points: readonly Place[]) => points.map(([x]) => x);
  const low = Math.max(Math.min(...ends(a)), Math.min(...ends(b)));
  const high = Math.min(Math.max(...ends(a)), Math.max(...ends(b)));
  if (!(low < high)) return Number.NaN;
  let sum = 0;
  // The middles of equal parts: the ends are reached by rounding only.
  for (let i = 0; i < samples; i++) {
    const x = low + ((i + 0.5) / samples) * (high - low);
    sum += highestAt(a, x) - highestAt(b, x);
  }
  return sum / samples;
}

/** A curve as estimates of x and y for each of its points. */
export type EstimatedCurve = readonly { readonly x: Estimate; readonly y: Estimate }[];

/** Area and gap of one curve minus those of another, with intervals over the pictures. */
export interface CurveComparison {
  readonly area: Score;
  readonly gap: Score;
  /** Two-sided, of the area (`bootstrapP`). */
  readonly p: number;
}

/** Compares curve `a` with `b`. `reference` is the common reference point; it is not resampled. */
export function compareCurves(a: EstimatedCurve, b: EstimatedCurve, reference: Place): CurveComparison {
  const means = (curve: EstimatedCurve): Place[] => curve.map(({ x, y }) => [x.mean, y.mean]);
  const drawn = (curve: EstimatedCurve, draw: number): Place[] =>
    curve.map(({ x, y }) => [x.resampled[draw]!, y.resampled[draw]!]);
  const draws = a[0]?.x.resampled.length ?? 0;
  const estimate = (of: (a: readonly Place[], b: readonly Place[]) => number): Estimate => {
    const mean = of(means(a), means(b));
    const resampled = Float64Array.from({ length: draws }, (_, draw) => of(drawn(a, draw), drawn(b, draw)));
    return { mean, seeds: [mean], resampled };
  };
  const area = estimate((a, b) => dominatedArea(a, reference) - dominatedArea(b, reference));
  return { area: scoreOf(area), gap: scoreOf(estimate(meanGap)), p: bootstrapP(area) };
}

/** The corner that curves share: the lowest mean x and the lowest mean y of any point. */
export function referencePoint(curves: readonly EstimatedCurve[]): Place {
  const lowest = (axis: "x" | "y") =>
    Math.min(...curves.flatMap((curve) => curve.map((point) => point[axis].mean)).filter(Number.isFinite));
  return [lowest("x"), lowest("y")];
}
