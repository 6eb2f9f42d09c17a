/** The table of models as Markdown, CSV and LaTeX. */

import type { Score } from "../../metrics/bootstrap.js";
import { SIGNIFICANT } from "../../metrics/significance.js";
import { cellText, markdownTable } from "../tables.js";
import type { ModelTable, TableSplit, TestedScore } from "./model-table.js";

/** A table of texts. */
interface TextTable {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** The scores: a row for each split and row of captions. */
function scoresOf({ splits, columns }: ModelTable): TextTable {
  return {
    head: ["split", "pictures", "captions by", ...columns.map(({ title }) => title)],
    rows: splits.flatMap(({ split, pictures, rows }) =>
      rows.map(({ name, scores }) => [
        ...[split, String(pictures), name],
        ...columns.map((column) => cellText(scores[column.name]!, column.decimals)),
      ]),
    ),
  };
}

/** The differences to the first row, with their adjusted p-values. */
function differencesOf({ splits, columns }: ModelTable): TextTable {
  return {
    head: ["split", "pictures", "difference", ...columns.map(({ title }) => title)],
    rows: splits.flatMap(({ split, pictures, differences }) =>
      differences.map(({ of, minus, scores }) => [
        ...[split, String(pictures), `${of} − ${minus}`],
        ...columns.map(({ name, decimals }) => differenceText(scores[name]!, decimals)),
      ]),
    ),
  };
}

/** The scores as a Markdown table. */
export function modelTable(table: ModelTable): string {
  return markdown(scoresOf(table));
}

/** The differences to the first row as a Markdown table; null if there is only one row. */
export function modelDifferences(table: ModelTable): string | null {
  const differences = differencesOf(table);
  return differences.rows.length === 0 ? null : markdown(differences);
}

/** Both tables for the page of captions. */
export function pageTables(table: ModelTable): (TextTable & { title: string; rowHead: number })[] {
  const differences = differencesOf(table);
  return [
    { title: "Scores", rowHead: 2, ...scoresOf(table) },
    ...(differences.rows.length === 0
      ? []
      : [{ title: "Differences to the first row", rowHead: 2, ...differences }]),
  ];
}

/** A vertical bar would end a cell. */
function markdown({ head, rows }: TextTable): string {
  return markdownTable(
    head,
    rows.map((cells) => cells.map((cell) => cell.replaceAll("|", "\\|"))),
  );
}

/** "+0.32 [+0.10, +0.55] ± 0.04, p 0.012*". */
function differenceText(score: TestedScore, decimals: ModelTable["columns"][number]["decimals"]): string {
  const text = cellText(score, decimals, true);
  if (Number.isNaN(score.adjusted)) return text;
  return `${text}, p ${pText(score.adjusted)}${isSignificant(score) ? "*" : ""}`;
}

function pText(p: number): string {
  return p >= 0.995 ? "1" : p.toPrecision(2);
}

function isSignificant({ adjusted }: TestedScore): boolean {
  return adjusted < SIGNIFICANT;
}

/** Below this many pictures the bootstrap's intervals are known to be too narrow. */
const FEW = 30;

/** Describes the cells of both tables in a few sentences. */
export function modelLegend({ seeds, level, draws, splits, columns }: ModelTable): string {
  const interval = `[${Math.round(100 * level)} % interval over pictures, ${draws} resamples]`;
  const over =
    seeds.length === 1
      ? `One sampling seed ${interval}.`
      : `Mean over ${seeds.length} sampling seeds ${interval} ± standard deviation over the seeds.`;
  const family = Math.max(0, ...splits.map((split) => split.family));
  const tests =
    family === 0
      ? ""
      : ` p: two-sided bootstrap, Holm-adjusted over the ${family} differences of a split; * below ${SIGNIFICANT}.`;
  const whole = columns.filter(({ name }) =>
    splits.some(({ rows }) => rows.some(({ scores }) => isWithoutInterval(scores[name]!))),
  );
  const without =
    whole.length === 0 ? "" : ` No interval: ${whole.map(({ title }) => title).join(", ")} (of whole sets).`;
  const few = splits.filter(({ pictures }) => pictures < FEW);
  const careful =
    few.length === 0
      ? ""
      : ` Careful: with ${few.map(({ split, pictures }) => `${pictures} pictures (${split})`).join(", ")} intervals are too narrow and p-values too small.`;
  return over + tests + without + careful;
}

function isWithoutInterval({ mean, low }: Score): boolean {
  return !Number.isNaN(mean) && Number.isNaN(low);
}

/**
 * Long form: a line for each split, row and metric, with the score, its interval, the score of each seed, and the difference to
 * the first row with its interval and p-values. Numbers have all their digits; shares are in 0 … 1. Empty where there is none.
 */
export function tableCsv({ splits, columns, seeds }: ModelTable): string {
  const head = [
    ...["split", "pictures", "row", "method", "metric", "mean", "low", "high", "deviation"],
    ...["difference", "difference_low", "difference_high", "p", "p_holm"],
    ...seeds.map((seed) => `seed_${seed}`),
  ];
  const lines = splits.flatMap(({ split, pictures, rows, differences }) =>
    rows.flatMap(({ name, method, scores }, row) =>
      columns.map((column) => {
        const { mean, low, high, deviation, seeds: each } = scores[column.name]!;
        const gain = differences[row - 1]?.scores[column.name];
        return [
          ...[split, pictures, name, method, column.name, mean, low, high, deviation],
          ...(gain ? [gain.mean, gain.low, gain.high, gain.p, gain.adjusted] : ["", "", "", "", ""]),
          ...seeds.map((_, i) => each[i] ?? ""),
        ];
      }),
    ),
  );
  return `${[head, ...lines].map((line) => line.map(csvField).join(",")).join("\r\n")}\r\n`;
}

/** A field of RFC 4180. */
function csvField(value: string | number): string {
  if (typeof value === "number") return Number.isNaN(value) ? "" : String(value);
  return /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}

/**
 * A LaTeX table for booktabs: a block for each split, a line for each row, the best of each column in bold, intervals small, `*` where the
 * difference to the first row is significant.
 */
export function tableLatex(table: ModelTable): string {
  const { splits, columns, draws, level } = table;
  const blocks = splits.map((split) => {
    const title = `${split.split} (${split.pictures} pictures)`;
    const best = bestRows(split, columns);
    const lines = split.rows.map(({ name, scores }, row) => {
      const cells = columns.map((column) => {
        const gain = split.differences[row - 1]?.scores[column.name];
        const isBest = best.get(column.name)?.has(row) ?? false;
        return latexCell(scores[column.name]!, column.decimals, {
          bold: isBest,
          marked: gain !== undefined && isSignificant(gain),
        });
      });
      return `${[escapeLatex(name), ...cells].join(" & ")} \\\\`;
    });
    return [
      "\\midrule",
      `\\multicolumn{${columns.length + 1}}{l}{\\emph{${escapeLatex(title)}}} \\\\`,
      ...lines,
    ].join("\n");
  });
  const first = splits[0]?.rows[0]?.name ?? "";
  return `% Needs \\usepackage{booktabs}. Brackets: ${Math.round(100 * level)} % intervals over pictures, ${draws} resamples.
% Bold: best of the column. $^{*}$: differs from ${latexComment(first)}, Holm-adjusted p < ${SIGNIFICANT}.
\\begin{tabular}{l${"r".repeat(columns.length)}}
\\toprule
 & ${columns.map(({ title, decimals }) => escapeLatex(decimals === "share" ? `${title} (%)` : title)).join(" & ")} \\\\
${blocks.join("\n")}
\\bottomrule
\\end{tabular}
`;
}

/** The rows with the highest mean, by ranked column. */
function bestRows({ rows }: TableSplit, columns: ModelTable["columns"]): Map<string, ReadonlySet<number>> {
  return new Map(
    columns
      .filter(({ ranked }) => ranked)
      .map(({ name }) => {
        const means = rows.map(({ scores }) => scores[name]!.mean);
        const best = Math.max(...means.filter((value) => !Number.isNaN(value)));
        return [name, new Set(means.flatMap((value, row) => (value === best ? [row] : [])))];
      }),
  );
}

function latexCell(
  { mean, low, high }: Score,
  decimals: ModelTable["columns"][number]["decimals"],
  { bold, marked }: { bold: boolean; marked: boolean },
): string {
  if (Number.isNaN(mean)) return "--";
  const number = (value: number) => {
    const text = decimals === "share" ? (100 * value).toFixed(1) : value.toFixed(decimals);
    return text.replace("-", "$-$");
  };
  const shown = bold ? `\\textbf{${number(mean)}}` : number(mean);
  const interval = Number.isNaN(low) ? "" : ` {\\scriptsize [${number(low)}, ${number(high)}]}`;
  return `${shown}${marked ? "$^{*}$" : ""}${interval}`;
}

const latexSigns: Readonly<Record<string, string>> = {
  "\\": "\\textbackslash{}",
  "~": "\\textasciitilde{}",
  "^": "\\textasciicircum{}",
  "−": "$-$",
  "–": "--",
};

/** Text for LaTeX: its special characters print as they are. */
export function escapeLatex(text: string): string {
  return text.replace(/[\\~^−–]|[&%$#_{}]/g, (sign) => latexSigns[sign] ?? `\\${sign}`);
}

/** A comment ends with its line. */
function latexComment(text: string): string {
  return text.replace(/[\r\n]+/g, " ");
}
