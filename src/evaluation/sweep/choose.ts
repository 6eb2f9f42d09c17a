/** The choice of a setting for each method. It sees scores on the validation split and nothing else. */

import type { SweepGroup, SweepPoint } from "./points.js";
import type { PointScores } from "./scores.js";

/** The setting chosen for a group. */
export interface Choice {
  readonly group: SweepGroup;
  readonly point: SweepPoint;
}

/**
 * Of each group the point with the highest mean of `metric`; of equal ones the first of the grid. `scores` are those of the
 * validation split by key. Groups without a number are left out.
 */
export function choose(
  points: readonly SweepPoint[],
  scores: ReadonlyMap<string, PointScores>,
  metric: string,
): Choice[] {
  const best = new Map<SweepGroup, { point: SweepPoint; value: number }>();
  for (const point of points) {
    const value = scores.get(point.key)?.estimates.get(metric)?.mean ?? Number.NaN;
    const before = best.get(point.group);
    if (!Number.isNaN(value) && (before === undefined || value > before.value))
      best.set(point.group, { point, value });
  }
  return [...best].map(([group, { point }]) => ({ group, point }));
}
