/**
 * Sweeps of models that differ in the seed of their training alone, joined: what one sweep says of the pictures, these say of the
 * training, with a t interval over the trainings.
 */

import { holm } from "../../metrics/significance.js";
import { tProbability, tQuantile } from "../../metrics/student-t.js";
import { UserError } from "../../platform/errors.js";
import { isRecord } from "../../platform/json.js";
import { meanGap, type Place } from "./areas.js";

interface Mean {
  readonly mean: number | null;
}

/** A setting of a sweep, as `sweep.json` has it. */
export interface KeptPoint {
  readonly curve: string;
  readonly method: string;
  readonly along: "scale" | "temperature" | "topR";
  readonly value: number;
  readonly settings: { readonly steps: number };
  readonly passes: number;
  readonly push: number;
  readonly scores: Readonly<Record<string, Mean | undefined>>;
}

interface KeptSplit {
  readonly split: string;
  readonly pictures: number;
  readonly points: readonly KeptPoint[];
}

/** What the join reads of `sweep.json`. */
export interface KeptSweep {
  readonly weights: { readonly sha256: string };
  readonly validation: KeptSplit;
  readonly tests: readonly KeptSplit[];
  readonly curves: readonly {
    readonly split: string;
    readonly terms: string;
    readonly comparisons: readonly {
      readonly metric: string;
      readonly of: string;
      readonly minus: string;
      readonly area: Mean;
      readonly gap: Mean;
    }[];
  }[];
  readonly differences: readonly {
    readonly split: string;
    readonly metric: string;
    readonly of: string;
    readonly minus: string;
    readonly score: Mean;
  }[];
}

/** What sweeps must share to be joined, with the words for it. */
const SHARED = {
  dataset: "data",
  limit: "--limit",
  sampling: "sampling settings",
  grid: "grid",
  choose: "--choose",
  referenceFree: "reference-free score",
  testSeeds: "--seeds",
} as const;

/** A value as it is compared. Models that differ in their seed also sample with another one, unless --seed names it. */
function comparable(value: unknown): string {
  return JSON.stringify(isRecord(value) ? { ...value, seed: undefined } : value);
}

/** Checks that sweeps are of one kind and of different weights. Throws a `UserError` that names the file. */
export function sameKind(sweeps: readonly { where: string; record: unknown }[]): KeptSweep[] {
  const records = sweeps.map(({ where, record }) => {
    if (!isRecord(record) || record.format !== "mc-diffusion-sweep-1")
      throw new UserError(`${where} is not the sweep.json of a finished sweep (evaluate.js --sweep)`);
    return record;
  });
  const [first, ...others] = records;
  for (const [i, other] of others.entries()) {
    for (const [key, words] of Object.entries(SHARED)) {
      if (comparable(other[key]) === comparable(first![key])) continue;
      throw new UserError(`${sweeps[0]!.where} and ${sweeps[i + 1]!.where} differ in their ${words}`);
    }
  }
  const kept = records as unknown as KeptSweep[];
  const hashes = kept.map(({ weights }) => weights.sha256);
  if (new Set(hashes).size < hashes.length)
    throw new UserError("two of these sweeps are of the same weights; they would count as two trainings");
  return kept;
}

/** A number over trainings: mean, 95 % t interval of the mean, each, and the two-sided p of a mean of 0. */
export interface OverTrainings {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
  readonly each: readonly number[];
  readonly p: number;
}

/** Mean m ± t s/√n of n values, and p of t = m/(s/√n), both with n − 1 degrees of freedom. NaN where a training has no number. */
export function overTrainings(each: readonly number[]): OverTrainings {
  const n = each.length;
  const mean = each.reduce((sum, value) => sum + value, 0) / n;
  const variance = each.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1);
  const error = Math.sqrt(variance / n);
  const half = tQuantile(0.975, n - 1) * error;
  return { mean, low: mean - half, high: mean + half, each, p: tProbability(mean / error, n - 1) };
}

/** One curve or setting minus another, over trainings. */
export interface JoinedDifference {
  readonly split: string;
  /** "area at equal passes", "gap at equal push", "chosen settings", … */
  readonly kind: string;
  readonly metric: string;
  readonly of: string;
  readonly minus: string;
  readonly over: OverTrainings;
  /** p after Holm's adjustment over the differences of the same kind and metric. */
  readonly holm: number;
}

/** All differences that the sweeps share, with p adjusted over those of one kind and metric. */
export function joinSweeps(records: readonly KeptSweep[]): JoinedDifference[] {
  const joined = [...curveDifferences(records), ...pushDifferences(records), ...chosenDifferences(records)];
  const families = new Map<string, number[]>();
  for (const [i, { kind, metric }] of joined.entries()) {
    const name = `${kind} ${metric}`;
    families.set(name, [...(families.get(name) ?? []), i]);
  }
  const adjusted = joined.map(() => Number.NaN);
  for (const family of families.values())
    for (const [j, p] of holm(family.map((i) => joined[i]!.over.p)).entries()) adjusted[family[j]!] = p;
  return joined.map((entry, i) => ({ ...entry, holm: adjusted[i]! }));
}

type Unadjusted = Omit<JoinedDifference, "holm">;

const numberOf = (score: Mean | undefined): number => score?.mean ?? Number.NaN;

/** Areas and gaps of curves, with the reference-free score up, as each sweep has compared them. */
function curveDifferences(records: readonly KeptSweep[]): Unadjusted[] {
  return records[0]!.curves.flatMap(({ split, terms, comparisons }) =>
    comparisons.flatMap(({ metric, of, minus }) =>
      (["area", "gap"] as const).flatMap((measure) => {
        const values = records.map(({ curves }) => {
          const own = curves.find((entry) => entry.split === split && entry.terms === terms);
          const same = own?.comparisons.find(
            (entry) => entry.metric === metric && entry.of === of && entry.minus === minus,
          );
          return numberOf(same?.[measure]);
        });
        return difference({ split, kind: `${measure} at ${terms}`, metric, of, minus }, values);
      }),
    ),
  );
}

/** The mean difference of a score between curves at equal push, over the pushes that both reach. */
function pushDifferences(records: readonly KeptSweep[]): Unadjusted[] {
  const { split, points } = records[0]!.validation;
  const curves = [...new Set(points.filter(({ along }) => along !== "topR").map(({ curve }) => curve))];
  const metrics = [...new Set(points.flatMap(({ scores }) => Object.keys(scores)))];
  const masked = curves.filter((name) => name.startsWith("mcs"));
  const pairs = [
    ...masked.map((of) => [of, "cfg"] as const),
    ...[...masked, "cfg"].map((of) => [of, "none, temperature"] as const),
  ].filter((pair) => pair.every((name) => curves.includes(name)));
  return metrics.flatMap((metric) =>
    pairs.flatMap(([of, minus]) => {
      const values = records.map(({ validation }) =>
        meanGap(placesOf(validation, of, metric), placesOf(validation, minus, metric)),
      );
      return difference({ split, kind: "gap at equal push", metric, of, minus }, values);
    }),
  );
}

/** A curve as [push, score], at the steps of the guided methods. */
function placesOf({ points }: KeptSplit, curve: string, metric: string): Place[] {
  const steps = Math.min(...points.map(({ settings }) => settings.steps));
  return points
    .filter((point) => point.curve === curve && point.settings.steps === steps)
    .map((point): Place => [point.push, point.scores[metric]?.mean ?? Number.NaN])
    .filter(([, y]) => Number.isFinite(y));
}

/** The settings that each sweep chose for its own model on validation, on the test splits. */
function chosenDifferences(records: readonly KeptSweep[]): Unadjusted[] {
  return records[0]!.differences.flatMap(({ split, metric, of, minus }) => {
    const values = records.map(({ differences }) => {
      const same = differences.find(
        (entry) =>
          entry.split === split && entry.metric === metric && entry.of === of && entry.minus === minus,
      );
      return numberOf(same?.score);
    });
    return difference({ split, kind: "chosen settings", metric, of, minus }, values);
  });
}

/** Differences that a training does not have, such as of two methods that chose the same setting, are left out. */
function difference(named: Omit<Unadjusted, "over">, values: readonly number[]): Unadjusted[] {
  return values.every(Number.isFinite) ? [{ ...named, over: overTrainings(values) }] : [];
}
