/** Which curves of a sweep are compared, and the points that each figure draws. */

import { holm } from "../../metrics/significance.js";
import { type CurveComparison, compareCurves, type EstimatedCurve, referencePoint } from "./areas.js";
import type { SweepPoint } from "./points.js";
import { FREE } from "./scores.js";
import type { SplitScores } from "./sweep.js";

/** How the points of a sweep are brought to the same terms. */
export type Terms = "equal steps" | "equal passes" | "equal push";

/**
 * The points that are comparable under some terms: with the steps of the guided methods; with their network passes (unguided
 * points have twice the steps, and guided ones whose ω is the full model drop out, having half the passes); or, for the push, with the
 * same top-r, which the push does not cover.
 */
export function pointsUnder(terms: Terms, points: readonly SweepPoint[]): SweepPoint[] {
  const steps = Math.min(...points.map(({ settings }) => settings.steps));
  if (terms === "equal passes") return points.filter(({ passes }) => passes === 2 * steps);
  const same = points.filter(({ settings }) => settings.steps === steps);
  return terms === "equal steps" ? same : same.filter(({ along }) => along !== "topR");
}

/** Points by curve, in the order of the grid. */
export function byCurve(points: readonly SweepPoint[]): Map<string, SweepPoint[]> {
  const curves = new Map<string, SweepPoint[]>();
  for (const point of points) curves.set(point.curve, [...(curves.get(point.curve) ?? []), point]);
  return curves;
}

/** One curve minus another, by a metric across and the reference-free score up. */
export interface NamedComparison extends CurveComparison {
  readonly metric: string;
  readonly of: string;
  readonly minus: string;
  /** p after Holm's adjustment over the comparisons by the same metric. */
  readonly holm: number;
}

/**
 * Each curve of mcs and mcs-printed minus that of cfg, and the guided ones minus the unguided curve along the temperature, for
 * each metric, which is one family for Holm. The corner of the areas is that of the two curves.
 */
export function comparisonsOf(
  { scores }: SplitScores,
  points: readonly SweepPoint[],
  metrics: readonly string[],
): NamedComparison[] {
  const curves = byCurve(points);
  const method = (name: string) => curves.get(name)![0]!.group.split(" ")[0]!;
  const names = [...curves.keys()];
  const cfg = names.filter((name) => method(name) === "cfg");
  const masked = names.filter((name) => method(name).startsWith("mcs"));
  const cold = names.filter((name) => curves.get(name)![0]!.along === "temperature");
  const pairs = [
    ...masked.flatMap((of) => cfg.map((minus) => [of, minus] as const)),
    ...[...cfg, ...masked].flatMap((of) => cold.map((minus) => [of, minus] as const)),
  ];
  return metrics.flatMap((metric) => {
    const estimated = new Map<string, EstimatedCurve>();
    for (const [name, own] of curves) {
      const curve = own.flatMap(({ key }) => {
        const estimates = scores.get(key)?.estimates;
        const [x, y] = [estimates?.get(metric), estimates?.get(FREE)];
        return x && y && Number.isFinite(x.mean) && Number.isFinite(y.mean) ? [{ x, y }] : [];
      });
      if (curve.length > 0) estimated.set(name, curve);
    }
    const compared = pairs.flatMap(([of, minus]) => {
      const [a, b] = [estimated.get(of), estimated.get(minus)];
      return a && b ? [{ metric, of, minus, ...compareCurves(a, b, referencePoint([a, b])) }] : [];
    });
    const adjusted = holm(compared.map(({ p }) => p));
    return compared.map((comparison, i) => ({ ...comparison, holm: adjusted[i]! }));
  });
}
