/** The scores of an evaluation as Markdown. */

import type { Score } from "../metrics/bootstrap.js";
import { METRIC_NAMES, METRICS, type Metric, type MetricName } from "../metrics/scores.js";
import type { Evaluation, Scores } from "./scoring.js";

/** "4.32 [4.10, 4.55] ± 0.04": mean, interval over pictures, and the deviation over seeds where there are several. */
export function scoreText(score: Score, metric: MetricName, signed = false): string {
  return cellText(score, METRICS[metric].decimals, signed);
}

/** The same for a number with `decimals`, or a share in per cent. A score without interval has none in brackets. */
export function cellText(score: Score, decimals: Metric["decimals"], signed = false): string {
  const share = decimals === "share";
  const number = (value: number, sign = signed) => {
    const text = share ? (100 * value).toFixed(1) : value.toFixed(decimals);
    return sign && value >= 0 ? `+${text}` : text;
  };
  if (Number.isNaN(score.mean)) return "–";
  const unit = share ? (signed ? " points" : " %") : "";
  const interval = Number.isNaN(score.low) ? "" : ` [${number(score.low)}, ${number(score.high)}]`;
  const deviation = Number.isNaN(score.deviation) ? "" : ` ± ${number(score.deviation, false)}`;
  return `${number(score.mean)}${unit}${interval}${deviation}`;
}

/** Describes the cells of both tables in a sentence. */
export function tableLegend({ seeds, level, draws }: Evaluation): string {
  const interval = `[${Math.round(100 * level)} % interval over pictures, ${draws} resamples]`;
  return seeds.length === 1
    ? `One sampling seed ${interval}.`
    : `Mean over ${seeds.length} sampling seeds ${interval} ± standard deviation over the seeds.`;
}

/** A table of texts: names of columns, and rows. */
export interface TextTable {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** The scores, a row for each split and method. */
export function scoresText({ splits }: Evaluation): TextTable {
  return table(
    ["split", "pictures", "captions by"],
    splits.flatMap(({ split, pictures, methods }) =>
      methods.map(({ name, scores }) => ({ head: [split, String(pictures), name], scores })),
    ),
  );
}

/** The scores as a Markdown table. */
export function scoresTable(evaluation: Evaluation): string {
  const { head, rows } = scoresText(evaluation);
  return markdownTable(head, rows);
}

/**
 * Differences as a Markdown table: every setting minus the first, the first minus its baselines; null if there is only one
 * method.
 */
export function differencesTable({ splits }: Evaluation): string | null {
  const rows = splits.flatMap(({ split, pictures, methods, differences }) =>
    differences
      .filter(({ of, minus }) => of === methods[0]!.name || minus === methods[0]!.name)
      .map(({ of, minus, scores }) => ({ head: [split, String(pictures), `${of} − ${minus}`], scores })),
  );
  if (rows.length === 0) return null;
  const { head, rows: texts } = table(["split", "pictures", "difference"], rows, true);
  return markdownTable(head, texts);
}

function table(
  head: readonly string[],
  rows: readonly { head: string[]; scores: Scores }[],
  signed = false,
): TextTable {
  return {
    head: [...head, ...METRIC_NAMES.map((name) => METRICS[name].title)],
    rows: rows.map(({ head, scores }) => [
      ...head,
      ...METRIC_NAMES.map((name) => scoreText(scores[name], name, signed)),
    ]),
  };
}

/** A Markdown table. */
export function markdownTable(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(titles), line(titles.map(() => "---")), ...rows.map(line)].join("\n");
}
