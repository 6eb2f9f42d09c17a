/** Tables of a sweep, as in the paper: a row for each ω, metrics as columns; as Markdown and CSV. latex.ts has LaTeX. */

import { type Score, scoreOf } from "../../metrics/bootstrap.js";
import type { Metric } from "../../metrics/scores.js";
import { byCurve, type NamedComparison } from "./comparisons.js";
import { pointLabel } from "./figures.js";
import type { SweepPoint } from "./points.js";
import type { ReferenceFree } from "./reference-free.js";
import { FREE, type SweepMetric } from "./scores.js";
import type { SplitScores } from "./sweep.js";

/** A column of scores. */
export interface Column {
  readonly name: string;
  readonly title: string;
  readonly decimals: Metric["decimals"];
}

/** The columns of the tables: all metrics that have a number, then the reference-free score. */
export function columnsOf(
  result: SplitScores,
  metrics: ReadonlyMap<string, SweepMetric>,
  free: ReferenceFree,
): Column[] {
  const has = (name: string) =>
    [...result.scores.values()].some(({ estimates }) => Number.isFinite(estimates.get(name)?.mean));
  return [
    ...[...metrics]
      .filter(([name]) => has(name))
      .map(([name, { title, decimals }]) => ({ name, title, decimals })),
    { name: FREE, title: free.title, decimals: free.decimals },
  ];
}

/** A row: what it is of, its scores by column, push and network passes. */
export interface Row {
  readonly head: readonly string[];
  readonly scores: ReadonlyMap<string, Score>;
  readonly push: number;
  readonly passes: number;
}

/** A table with its title. */
export interface SweepTable {
  readonly title: string;
  readonly heads: readonly string[];
  readonly rows: readonly Row[];
}

/** The row of a point. */
export function rowOf({ scores }: SplitScores, point: SweepPoint, head: readonly string[]): Row {
  const { estimates, push } = scores.get(point.key)!;
  return {
    head,
    scores: new Map([...estimates].map(([name, estimate]) => [name, scoreOf(estimate)])),
    ...{ push, passes: point.passes },
  };
}

/** The paper's two tables, cfg over ω and the masked condition over ω, and a third of unguided sampling. */
export function scaleTables(result: SplitScores): SweepTable[] {
  const of = (title: string, belongs: (group: string) => boolean): SweepTable => ({
    title,
    heads: ["curve", "value"],
    rows: [...byCurve(result.points.filter(({ group }) => belongs(group)))].flatMap(([name, points]) =>
      points.map((point) => rowOf(result, point, [name, pointLabel(point)])),
    ),
  });
  const { split, pictures } = result;
  const where = `${pictures} ${split} pictures`;
  return [
    of(`Classifier-free guidance over ω, ${where}`, (group) => group === "cfg"),
    of(`Masked condition strategy over ω, ${where}`, (group) => group.startsWith("mcs")),
    of(`No guidance, ${where}`, (group) => group.startsWith("none")),
  ].filter(({ rows }) => rows.length > 0);
}

/** A score as tables print it: shares in per cent. */
export const number = (value: number, decimals: Metric["decimals"]) =>
  decimals === "share" ? (100 * value).toFixed(1) : value.toFixed(decimals);

/** "0.71 [0.68, 0.75]". */
function cell(score: Score | undefined, decimals: Metric["decimals"]): string {
  if (!score || Number.isNaN(score.mean)) return "–";
  return `${number(score.mean, decimals)} [${number(score.low, decimals)}, ${number(score.high, decimals)}]`;
}

/** The title of a column with its unit. */
export const titleOf = ({ title, decimals }: Column) => (decimals === "share" ? `${title}, %` : title);

function markdownTable(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(heads), line(heads.map(() => "---")), ...rows.map(line)].join("\n");
}

/** A table as Markdown, intervals in brackets. */
export function tableMarkdown({ title, heads, rows }: SweepTable, columns: readonly Column[]): string {
  const table = markdownTable(
    [...heads, ...columns.map(titleOf), "push, nats", "passes"],
    rows.map(({ head, scores, push, passes }) => [
      ...head,
      ...columns.map(({ name, decimals }) => cell(scores.get(name), decimals)),
      push.toFixed(3),
      String(passes),
    ]),
  );
  return `**${title}**\n\n${table}`;
}

/** All scores of a split in long form: a line for each setting and column. */
export function scoresCsv(results: readonly SplitScores[], columns: readonly Column[]): string {
  const quoted = (text: string) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const lines = results.flatMap((result) =>
    result.points.flatMap((point) => {
      const { scores, push, passes } = rowOf(result, point, []);
      const { curve, group, along, value, settings } = point;
      return columns.map(({ name }) => {
        const { mean, low, high } = scores.get(name) ?? {
          mean: Number.NaN,
          low: Number.NaN,
          high: Number.NaN,
        };
        const numbers = [mean, low, high].map((x) => (Number.isNaN(x) ? "" : String(x)));
        const where = [result.split, result.pictures, result.seeds.length, curve, group, along, value];
        return [...where, settings.steps, passes, push, name, ...numbers]
          .map((x) => quoted(String(x)))
          .join();
      });
    }),
  );
  const head = "split,pictures,seeds,curve,method,along,value,steps,passes,push,metric,mean,low,high";
  return `${[head, ...lines].join("\n")}\n`;
}

/** Comparisons of curves as Markdown: differences of area and gap with intervals, p and p after Holm. */
export function comparisonsMarkdown(
  comparisons: readonly NamedComparison[],
  columns: readonly Column[],
): string {
  const title = (metric: string) => columns.find(({ name }) => name === metric)?.title ?? metric;
  const signed = (x: number) => (Number.isNaN(x) ? "–" : `${x >= 0 ? "+" : ""}${Number(x.toPrecision(3))}`);
  const interval = ({ mean, low, high }: Score) =>
    Number.isNaN(mean) ? "–" : `${signed(mean)} [${signed(low)}, ${signed(high)}]`;
  return markdownTable(
    ["across", "curve", "minus", "area", "mean gap at equal x", "p", "p, Holm"],
    comparisons.map(({ metric, of, minus, area, gap, p, holm }) => [
      ...[title(metric), of, minus, interval(area), interval(gap)],
      p.toPrecision(2),
      holm.toPrecision(2),
    ]),
  );
}
