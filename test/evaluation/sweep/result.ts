/** Made-up scores of a small grid, whose numbers tell which point they are of. */

import { parseGrid } from "../../../dist/evaluation/sweep/grid.js";
import { pointsOf, type SweepPoint } from "../../../dist/evaluation/sweep/points.js";
import type { ReferenceFree } from "../../../dist/evaluation/sweep/reference-free.js";
import { byReferences, FREE } from "../../../dist/evaluation/sweep/scores.js";
import type { SplitScores } from "../../../dist/evaluation/sweep/sweep.js";
import type { Estimate } from "../../../dist/metrics/bootstrap.js";
import { captionMetrics } from "../../../dist/metrics/caption-metrics.js";

const grid = parseGrid(
  {
    curves: [
      { method: "none", temperature: [0.5, 1] },
      { method: "none", topR: [0.5] },
      { method: "cfg", scale: [1, 2, 3] },
      { method: "mcs", scale: [1, 2, 3], maskRate: 0.5 },
    ],
  },
  "made up",
);

export const metrics = byReferences(captionMetrics());

export const free: ReferenceFree = {
  ...{ name: "likelihood", title: "own bound", decimals: 2, id: "made up", passes: 4 },
  score: async () => new Float64Array(),
};

const estimate = (mean: number, spread: number): Estimate => ({
  mean,
  seeds: [mean],
  resampled: Float64Array.from({ length: 101 }, (_, i) => mean + (spread * (i - 50)) / 50),
});

/** ω / 10 for cfg, more by .3 for mcs; unguided .05 and, with twice the steps, .07. */
export function scoreOfPoint({
  settings: { method, scale = 0, steps, temperature, topR },
}: SweepPoint): number {
  if (method === "none") return (steps > 4 ? 0.07 : 0.05) + (1 - temperature) / 100 + (0.9 - topR) / 1000;
  return scale / 10 + (method === "mcs" ? 0.3 : 0);
}

export function madeUp(split = "validation"): SplitScores {
  const points = pointsOf(grid, { steps: 4, temperature: 1, topR: 0.9, most: 100 });
  const scores = new Map(
    points.map((point) => {
      const value = scoreOfPoint(point);
      const estimates = new Map([...metrics.keys()].map((name) => [name, estimate(value, 0.01)] as const));
      estimates.set("tone", estimate(Number.NaN, 0));
      const judged = new Map<string, Estimate>([...estimates, [FREE, estimate(10 * value, 0.2)]]);
      return [point.key, { estimates: judged, push: value / 2 }];
    }),
  );
  return { split, pictures: 12, seeds: [1, 2], points, scores };
}
