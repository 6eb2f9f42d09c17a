/** The figures of a sweep: curves of the reference-free score over each metric, at equal steps, network passes and push. */

import { scoreOf } from "../../metrics/bootstrap.js";
import { COLOURS } from "../../report/axes.js";
import {
  type Curve,
  type CurveStyle,
  markers,
  type Panel,
  panelChart,
  type Spread,
} from "../../report/panels.js";
import { byCurve, pointsUnder, type Terms } from "./comparisons.js";
import type { SweepPoint } from "./points.js";
import type { ReferenceFree } from "./reference-free.js";
import { FREE, type PointScores, type SweepMetric } from "./scores.js";
import type { SplitScores } from "./sweep.js";

/** The metrics that have a panel: those of the paper, as far as they are computed here, and what is true of captions of scenes. */
export const figureMetrics = [
  ...(["bleu4", "rougeL", "meteor", "ciderD", "tupleF1"] as const),
  ...(["objectRecall", "relation", "count"] as const),
] as const;

const titles: Record<Terms, string> = {
  "equal steps": "Guidance scales, the same denoising steps",
  "equal passes": "Guidance scales, the same number of network passes",
  "equal push": "Scores over the mean push KL(guided ‖ full)",
};

/** A method has a colour; its curves have different markers and dashes. */
const methodColours: Readonly<Record<string, string>> = {
  none: "#7a7a7a",
  cfg: COLOURS[0]!,
  mcs: COLOURS[1]!,
  "mcs-printed": COLOURS[3]!,
};
const dashes = ["", "6 3", "2 3", "8 3 2 3", "1 2"];

/** Styles by curve. */
function stylesOf(curves: ReadonlyMap<string, readonly SweepPoint[]>): Map<string, CurveStyle> {
  const styles = new Map<string, CurveStyle>();
  const used = new Map<string, number>();
  for (const [name, points] of curves) {
    const method = points[0]!.group.split(" ")[0]!;
    const number = used.get(method) ?? 0;
    used.set(method, number + 1);
    const place = (number + Object.keys(methodColours).indexOf(method)) % markers.length;
    const dash = dashes[number % dashes.length]!;
    styles.set(name, { colour: methodColours[method] ?? COLOURS[2]!, marker: markers[place]!, dash });
  }
  return styles;
}

/** "ω 1.5", "τ 0.5", "r 0.86". */
export function pointLabel({ along, value }: Pick<SweepPoint, "along" | "value">): string {
  return `${{ scale: "ω", temperature: "τ", topR: "r" }[along]} ${value}`;
}

/** A figure as SVG with a panel for each metric, and for the push one for the reference-free score, too. */
export function sweepFigure(
  terms: Terms,
  result: SplitScores,
  metrics: ReadonlyMap<string, SweepMetric>,
  free: ReferenceFree,
): string {
  const curves = byCurve(pointsUnder(terms, result.points));
  const styles = stylesOf(byCurve(result.points));
  const spread = (scores: PointScores, name: string): Spread => {
    const estimate = scores.estimates.get(name);
    if (!estimate) return { mean: Number.NaN, low: Number.NaN, high: Number.NaN };
    const { mean, low, high } = scoreOf(estimate);
    return { mean, low, high };
  };
  const exactly = (value: number): Spread => ({ mean: value, low: value, high: value });
  const drawn = (x: (scores: PointScores) => Spread, y: (scores: PointScores) => Spread): Curve[] =>
    [...curves].map(([name, points]) => ({
      name,
      style: styles.get(name)!,
      points: points.map((point) => {
        const scores = result.scores.get(point.key)!;
        return { x: x(scores), y: y(scores), label: pointLabel(point) };
      }),
    }));
  const shown = figureMetrics.filter((name) => metrics.has(name));
  const titleOf = (name: string) => (name === FREE ? free.title : metrics.get(name)!.title);
  const panels: Panel[] =
    terms === "equal push"
      ? [...shown, FREE].map((name) => ({
          xLabel: "push, nats",
          yLabel: titleOf(name),
          curves: drawn(
            ({ push }) => exactly(push),
            (scores) => spread(scores, name),
          ),
        }))
      : shown.map((name) => ({
          xLabel: titleOf(name),
          yLabel: free.title,
          curves: drawn(
            (scores) => spread(scores, name),
            (scores) => spread(scores, FREE),
          ),
        }));
  const { split, pictures, seeds } = result;
  const seedText = seeds.length === 1 ? "one sampling seed" : `${seeds.length} sampling seeds`;
  return panelChart(panels, {
    title: titles[terms],
    note: `${pictures} ${split} pictures, ${seedText}; bars: 95 % intervals over pictures`,
    background: "#ffffff",
  });
}
