/** Scores of the settings of a sweep on the pictures of a split, all over the same resamples of the pictures. */

import { bootstrap, type Estimate, meanOfDefined, meanRows } from "../../metrics/bootstrap.js";
import type { Metric } from "../../metrics/scores.js";
import type { PictureColumn } from "../table/columns.js";
import type { SplitPictures } from "./pictures.js";
import type { Said } from "./say.js";

/** The name of the reference-free score among those of a setting. */
export const FREE = "referenceFree";

/** A score by references, or by what is known of a picture. Its resampled sums give the interval. */
export type SweepMetric = Pick<PictureColumn, "title" | "decimals" | "statistic" | "rows">;

/** Metrics of captions and their references, as a sweep scores them. */
export function byReferences<N extends string>(metrics: Iterable<readonly [N, Metric]>): Map<N, SweepMetric> {
  return new Map(
    [...metrics].map(([name, metric]): [N, SweepMetric] => {
      const { title, decimals } = metric;
      const rows: SweepMetric["rows"] = (captions, { references, corpus }) =>
        metric.rows(captions, references, corpus);
      return [name, { title, decimals, statistic: metric, rows }];
    }),
  );
}

/** Of one setting: an estimate for each metric by name, and for `FREE`. */
export interface PointScores {
  readonly estimates: ReadonlyMap<string, Estimate>;
  readonly push: number;
}

/** Scores the captions of a setting, resampled with the same pictures for every setting. */
export function scorePoint(
  { captions, free, push }: Said,
  pictures: SplitPictures,
  metrics: ReadonlyMap<string, SweepMetric>,
  draws: number,
): PointScores {
  const names = [...metrics.keys(), FREE];
  const measurements = [
    ...[...metrics.values()].map((metric) => ({
      statistic: metric.statistic,
      seeds: captions.map((said) => metric.rows(said, pictures)),
    })),
    { statistic: meanOfDefined, seeds: free.map(meanRows) },
  ];
  const estimates = bootstrap(measurements, pictures.records.length, { draws });
  return { estimates: new Map(names.map((name, i) => [name, estimates[i]!])), push };
}
