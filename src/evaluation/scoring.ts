/** Scores, intervals and paired differences of several rows of captions of the same pictures. */

import {
  bootstrap,
  difference,
  type Estimate,
  type Measurement,
  type Score,
  scoreOf,
} from "../metrics/bootstrap.js";
import { METRIC_NAMES, METRICS, type MetricName } from "../metrics/scores.js";

/**
 * Who says the captions of a row: the model, the model shown other pictures, the nearest training pictures, or the data set, whose
 * row has each of its references.
 */
export type Method = "model" | "shuffled" | "nearestPixels" | "nearestCodes" | "references";

/** Captions of one row of the table: a setting, or a baseline. */
export interface CaptionRow {
  readonly method: Method;
  /** The compared setting; "model" if there is only one. */
  readonly name: string;
  /** For each seed one caption per picture; a row without random numbers has one seed. */
  readonly said: readonly (readonly string[])[];
}

/** A score of each metric. */
export type Scores = Record<MetricName, Score>;

/** Scores of one row of the table: a setting, or a baseline. */
export interface MethodScores {
  readonly method: Method;
  /** The compared setting; "model" if only one was scored. */
  readonly name: string;
  readonly scores: Scores;
}

/** Scores of one row minus those of another, over the same resamples of pictures and the same seeds. */
export interface Difference {
  readonly of: string;
  readonly minus: string;
  readonly scores: Scores;
}

/** Scores of one split. */
export interface SplitScores {
  readonly split: string;
  /** Number of scored pictures, and of all pictures of the split, whose references determine the idf of CIDEr-D. */
  readonly pictures: number;
  readonly of: number;
  /** The settings, then the first of them shown other pictures, then the nearest pictures. */
  readonly methods: readonly MethodScores[];
  /** Each later setting minus each earlier one; the first setting minus its baselines. */
  readonly differences: readonly Difference[];
  /** The generated captions, picture by picture: for each setting one caption per seed. */
  readonly captions: readonly {
    readonly id: string;
    readonly image: number;
    readonly references: readonly string[];
    readonly captions: Readonly<Record<string, readonly string[]>>;
  }[];
}

/** Scores of a captioner on several splits; `scoresTable` and `differencesTable` print them. */
export interface Evaluation {
  /** Sampling seeds of the means. */
  readonly seeds: readonly number[];
  /** Number of resamples of the pictures, and the share of them inside the intervals. */
  readonly draws: number;
  readonly level: number;
  readonly splits: readonly SplitScores[];
}

/** Scores and paired differences of rows of captions of the same pictures, all over the same resamples. */
export function scoresOf(
  rows: readonly CaptionRow[],
  references: readonly (readonly string[])[],
  corpus: readonly (readonly string[])[],
  draws: number,
): Pick<SplitScores, "methods" | "differences"> {
  const measurements = rows.flatMap(({ said }) =>
    METRIC_NAMES.map((name): Measurement => {
      const metric = METRICS[name];
      return {
        statistic: metric,
        seeds: said.map((captions) => metric.rows(captions, references, corpus)),
      };
    }),
  );
  const estimates = bootstrap(measurements, references.length, { draws });
  const of = (row: number, metric: number) => estimates[row * METRIC_NAMES.length + metric]!;
  const all = (estimate: (metric: number) => Estimate) =>
    Object.fromEntries(METRIC_NAMES.map((name, metric) => [name, scoreOf(estimate(metric))])) as Scores;
  const less = (a: number, b: number): Difference => ({
    of: rows[a]!.name,
    minus: rows[b]!.name,
    scores: all((metric) => difference(of(a, metric), of(b, metric))),
  });
  const differences: Difference[] = [];
  for (const [b, { method }] of rows.entries()) {
    if (method !== "model") differences.push(less(0, b));
    else
      for (let a = b + 1; a < rows.length && rows[a]!.method === "model"; a++) differences.push(less(a, b));
  }
  return {
    methods: rows.map(({ method, name }, row) => ({
      method,
      name,
      scores: all((metric) => of(row, metric)),
    })),
    differences,
  };
}
