/** Scores of the settings of a sweep on the pictures of a split, all over the same resamples of the pictures. */

import { bootstrap, type Estimate, meanOfDefined, meanRows } from "../../metrics/bootstrap.js";
import type { Metric } from "../../metrics/scores.js";
import type { SplitPictures } from "./pictures.js";
import type { Said } from "./say.js";

/** The name of the reference-free score among those of a setting. */
export const FREE = "referenceFree";

/** Of one setting: an estimate for each metric by name, and for `FREE`. */
export interface PointScores {
  readonly estimates: ReadonlyMap<string, Estimate>;
  readonly push: number;
}

/** Scores captions against the references of their split, resampled with the same pictures for every setting. */
export function scorePoint(
  { captions, free, push }: Said,
  { references, corpus }: SplitPictures,
  metrics: ReadonlyMap<string, Metric>,
  draws: number,
): PointScores {
  const names = [...metrics.keys(), FREE];
  const measurements = [
    ...[...metrics.values()].map((metric) => ({
      statistic: metric,
      seeds: captions.map((said) => metric.rows(said, references, corpus)),
    })),
    { statistic: meanOfDefined, seeds: free.map(meanRows) },
  ];
  const estimates = bootstrap(measurements, references.length, { draws });
  return { estimates: new Map(names.map((name, i) => [name, estimates[i]!])), push };
}
