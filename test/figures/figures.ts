/**
 * Figures in documents and where they come from. A document marks what was measured,
 *
 *     takes <!-- figures: npm-start -->2 min 46 s<!-- end --> on 2 cores
 *
 * and a JSON file beside it in docs/figures/ holds the values, with command, date, adapter and machine. Between the marks
 * stands prose, whose numbers are the values in their order, or a whole table. Every other number of a document is listed
 * as one that nobody measured. Knows texts only.
 */

import type { Evaluation } from "../../dist/evaluation/scoring.js";
import { differencesTable, scoresTable, tableLegend } from "../../dist/evaluation/tables.js";
import type { Score } from "../../dist/metrics/bootstrap.js";
import { METRICS, type MetricName } from "../../dist/metrics/scores.js";

/** A measured number. */
export interface Value {
  readonly value: number;
  /** "" for a count or a ratio. */
  readonly unit: string;
  /** Writes seconds as "2 min 46 s". */
  readonly duration?: true;
  /** Decimals shown; as many as the value has if left out. */
  readonly digits?: number;
}

/** A number of a stored evaluation: `[split, row, metric, field]` as its tables name them. */
export interface EvaluatedValue {
  readonly evaluation: string;
  readonly of: readonly [
    split: string,
    row: string,
    metric: MetricName,
    field: "mean" | "low" | "high" | "deviation",
  ];
  readonly digits?: number;
}

/** Cells as they are shown. Bars and line ends cannot stand in one. */
export interface Table {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

export interface EvaluatedTable {
  readonly evaluation: string;
  readonly table: "scores" | "differences" | "legend";
}

/** What stands between two marks, and how it was measured. */
export interface Figure {
  readonly values?: readonly (Value | EvaluatedValue)[];
  readonly table?: Table | EvaluatedTable;
  readonly command: string;
  /** Day of the measurement; of a transcribed figure, the day on which the document came to say it. */
  readonly date: string;
  readonly adapter: string;
  readonly machine: string;
  /** Copied from the document, because the files of the measurement were not kept. */
  readonly transcribed?: true;
}

/** A file of docs/figures/. */
export interface FigureFile {
  readonly document: string;
  readonly figures: Readonly<Record<string, Figure>>;
  /** Pieces of the document whose numbers are definitions, sizes, settings or versions: nobody measured them. */
  readonly notMeasured: readonly string[];
}

/** Evaluations by file name, as `evaluate.js --out` wrote them and `parseEvaluation` read them. */
export type Evaluations = ReadonlyMap<string, Evaluation>;

/** Reads what `evaluate.js --out` wrote: JSON has no NaN and holds null for it. */
export function parseEvaluation(text: string): Evaluation {
  return JSON.parse(text, (_, value: unknown) => (value === null ? Number.NaN : value)) as Evaluation;
}

const MARK = /<!-- figures: (\S+) -->([\s\S]*?)<!-- end -->/g;
/** "2 min 46 s"; numbers, grouped by spaces from 10 000, with decimals and exponent; not the digits of a name ("float32"). */
const NUMBER =
  /(?<![\p{L}\p{N}_.])(?:\d+ min \d+ s(?!\p{L})|\d{2,3}(?: \d{3})+(?!\d)|\d+(?:\.\d+)?(?:e-?\d+)?)/gu;

/** The numbers of a text, as they are written. */
export function numbersOf(text: string): string[] {
  return text.match(NUMBER) ?? [];
}

/** The document with every figure as its JSON has it. Throws an Error that names a mark without a figure or the reverse. */
export function withFigures(text: string, file: FigureFile, evaluations: Evaluations): string {
  const used = new Set<string>();
  const result = text.replace(MARK, (_, name: string, inside: string) => {
    const figure = Object.hasOwn(file.figures, name) ? file.figures[name] : undefined;
    if (!figure) throw new Error(`${file.document}: there is no figure "${name}"`);
    if (used.has(name)) throw new Error(`${file.document}: "${name}" is marked twice`);
    used.add(name);
    return `<!-- figures: ${name} -->${shown(inside, name, figure, evaluations)}<!-- end -->`;
  });
  const left = Object.keys(file.figures).filter((name) => !used.has(name));
  if (left.length > 0) throw new Error(`${file.document} does not show: ${left.join(", ")}`);
  return result;
}

/** What differs between a document and its figures, and which of its numbers are neither marked nor listed: a line each. */
export function problemsOf(text: string, file: FigureFile, evaluations: Evaluations): string[] {
  const problems: string[] = [];
  try {
    const right = withFigures(text, file, evaluations).split("\n");
    text.split("\n").forEach((line, i) => {
      if (line !== right[i]) problems.push(`line ${i + 1}: "${line}" should be "${right[i]}"`);
    });
  } catch (error) {
    problems.push((error as Error).message);
  }
  let rest = withoutCode(text.replace(MARK, "\n"));
  const stray = rest.match(/<!-- (?:figures:|end).*?-->/);
  if (stray) problems.push(`a mark without its counterpart: ${stray[0]}`);
  // Markdown takes a line that begins with a comment as HTML: what follows it would leave its paragraph.
  for (const [line] of text.matchAll(/^ *(?:[-*] +)?<!-- (?:figures: \S+|end) -->.*\S.*$/gm))
    problems.push(`a mark at the beginning of a line of prose: "${line}"`);
  // The longest first: a short piece may be part of a long one.
  for (const piece of [...file.notMeasured].sort((a, b) => b.length - a.length)) {
    if (numbersOf(piece).length === 0) problems.push(`"${piece}" is listed and has no number`);
    if (!rest.includes(piece)) problems.push(`"${piece}" is listed and not in the document`);
    rest = rest.replaceAll(piece, " ");
  }
  for (const line of rest.split("\n")) {
    const numbers = numbersOf(line);
    if (numbers.length > 0)
      problems.push(`${numbers.join(", ")} neither marked nor listed: "${line.trim()}"`);
  }
  for (const [name, figure] of Object.entries(file.figures)) {
    const { values, table, command, date, adapter, machine } = figure;
    if ((values === undefined) === (table === undefined))
      problems.push(`${name} should have values or a table`);
    const missing = Object.entries({ command, adapter, machine }).filter(([, word]) => !word);
    for (const [key] of missing) problems.push(`${name} lacks its ${key}`);
    if (!/^\d{4}-\d\d-\d\d$/.test(date)) problems.push(`${name} has no date`);
  }
  return problems;
}

/** Without code, addresses and comments: what is left is what people read as prose. */
function withoutCode(text: string): string {
  return text
    .replace(/^```[\s\S]*?^```/gm, "")
    .replace(/`[^`\n]*`/g, "")
    .replace(/\]\([^)\s]*\)/g, "]");
}

function shown(inside: string, name: string, { values, table }: Figure, evaluations: Evaluations): string {
  if (table) return `\n${tableText(table, evaluations)}\n`;
  const texts = (values ?? []).map((value) => valueText(value, evaluations));
  const found = numbersOf(inside).length;
  if (found !== texts.length)
    throw new Error(`"${name}" has ${found} numbers in the document and ${texts.length} values`);
  let next = 0;
  return inside.replace(NUMBER, () => texts[next++]!);
}

function tableText(table: Table | EvaluatedTable, evaluations: Evaluations): string {
  if ("evaluation" in table) {
    const evaluation = evaluationOf(table.evaluation, evaluations);
    const text = { scores: scoresTable, differences: differencesTable, legend: tableLegend }[table.table];
    return text(evaluation) ?? "";
  }
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(table.columns), line(table.columns.map(() => "---")), ...table.rows.map(line)].join("\n");
}

/** How a value is written. */
export function valueText(value: Value | EvaluatedValue, evaluations: Evaluations): string {
  if ("evaluation" in value) {
    const [split, row, metric, field] = value.of;
    const score = scoreAt(evaluationOf(value.evaluation, evaluations), split, row, metric);
    const { decimals } = METRICS[metric];
    return decimals === "share"
      ? (100 * score[field]).toFixed(value.digits ?? 1)
      : score[field].toFixed(value.digits ?? decimals);
  }
  const { value: number, duration, digits } = value;
  if (duration) return `${Math.floor(number / 60)} min ${number % 60} s`;
  if (digits !== undefined) return number.toFixed(digits);
  if (number !== 0 && Math.abs(number) < 1e-3) return number.toExponential();
  return number >= 10_000 ? String(number).replace(/\B(?=(?:\d{3})+$)/g, " ") : String(number);
}

function evaluationOf(name: string, evaluations: Evaluations): Evaluation {
  const evaluation = evaluations.get(name);
  if (!evaluation) throw new Error(`there is no evaluation ${name}`);
  return evaluation;
}

function scoreAt({ splits }: Evaluation, split: string, row: string, metric: MetricName): Score {
  const scores = splits.find((one) => one.split === split);
  const found =
    scores?.methods.find(({ name }) => name === row) ??
    scores?.differences.find(({ of, minus }) => `${of} − ${minus}` === row);
  if (!found) throw new Error(`the evaluation has no row "${row}" in split ${split}`);
  return found.scores[metric];
}
