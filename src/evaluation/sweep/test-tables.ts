/** What a sweep reports of the test splits: the chosen settings beside each other, and their differences. */

import { difference, type Score, scoreOf } from "../../metrics/bootstrap.js";
import { bootstrapP, holm } from "../../metrics/significance.js";
import type { Choice } from "./choose.js";
import { pointLabel } from "./figures.js";
import type { SweepGroup } from "./points.js";
import type { SplitScores } from "./sweep.js";
import { type Column, rowOf, type SweepTable } from "./tables.js";

/** Which chosen settings are compared: the first minus the second. */
const pairs: readonly (readonly [SweepGroup, SweepGroup])[] = [
  ["mcs", "cfg"],
  ["mcs-printed", "cfg"],
  ["cfg", "none ×2"],
  ["mcs", "none ×2"],
  ["mcs-printed", "none ×2"],
];

/** The chosen settings on a test split, as a table. */
export function choiceTable(result: SplitScores, choices: readonly Choice[]): SweepTable {
  return {
    title: `Settings chosen on validation, ${result.pictures} ${result.split} pictures`,
    heads: ["method", "curve", "value"],
    rows: choices.map(({ group, point }) => rowOf(result, point, [group, point.curve, pointLabel(point)])),
  };
}

/** One chosen setting minus another on a test split, by a metric. */
export interface ChoiceDifference {
  readonly split: string;
  readonly of: SweepGroup;
  readonly minus: SweepGroup;
  readonly metric: string;
  readonly score: Score;
  readonly p: number;
  /** p after Holm's adjustment over the splits and pairs of the metric. */
  readonly holm: number;
}

/**
 * The differences of chosen settings on all test splits, column by column, each of which is one family for Holm. Pairs of the same
 * setting are left out.
 */
export function choiceDifferences(
  results: readonly SplitScores[],
  choices: readonly Choice[],
  columns: readonly Column[],
): ChoiceDifference[] {
  const point = new Map(choices.map(({ group, point }) => [group, point]));
  return columns.flatMap(({ name: metric }) => {
    const compared = results.flatMap(({ split, scores }) =>
      pairs.flatMap(([of, minus]) => {
        const [a, b] = [point.get(of), point.get(minus)];
        if (!a || !b || a.key === b.key) return [];
        const [own, other] = [a, b].map(({ key }) => scores.get(key)?.estimates.get(metric));
        if (!own || !other || Number.isNaN(own.mean) || Number.isNaN(other.mean)) return [];
        const estimate = difference(own, other);
        return [{ split, of, minus, metric, score: scoreOf(estimate), p: bootstrapP(estimate) }];
      }),
    );
    const adjusted = holm(compared.map(({ p }) => p));
    return compared.map((entry, i) => ({ ...entry, holm: adjusted[i]! }));
  });
}
