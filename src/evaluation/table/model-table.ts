/** One table for several models: scores of rows of captions of the same pictures, and their differences to the first row. */

import {
  bootstrap,
  DRAWS,
  deviation,
  difference,
  type Estimate,
  LEVEL,
  type Measurement,
  meanOfDefined,
  type Score,
  scoreOf,
} from "../../metrics/bootstrap.js";
import { bootstrapP, drawsFor, holm } from "../../metrics/significance.js";
import type { CaptionRow } from "../scoring.js";
import type { Column, PictureColumn, ScoredPictures } from "./columns.js";

/** Scores by the name of the column. */
export type ColumnScores = Readonly<Record<string, Score>>;

/** A difference with its test; NaN where there is no interval. */
export interface TestedScore extends Score {
  /** Two-sided p-value of the bootstrap (`bootstrapP`). */
  readonly p: number;
  /** The same adjusted by Holm over all differences of the split. */
  readonly adjusted: number;
}

/** The captions of one split. */
export interface TableInput {
  readonly split: string;
  /** Names of the records. */
  readonly ids: readonly string[];
  readonly pictures: ScoredPictures;
  /** Of different names. The first is the one that the others are compared with. */
  readonly rows: readonly CaptionRow[];
  /** For each split: CLIP's columns know the pictures by their features. */
  readonly columns: readonly Column[];
}

/** The part of the table for one split. */
export interface TableSplit {
  readonly split: string;
  /** Number of scored pictures, and of all pictures of the split. */
  readonly pictures: number;
  readonly of: number;
  readonly rows: readonly {
    readonly name: string;
    readonly method: CaptionRow["method"];
    readonly scores: ColumnScores;
  }[];
  /** Each later row minus the first, over the same resamples. */
  readonly differences: readonly {
    readonly of: string;
    readonly minus: string;
    readonly scores: Readonly<Record<string, TestedScore>>;
  }[];
  /** Number of differences that were tested together. */
  readonly family: number;
  /** For each row and column with an interval the score of each picture alone, the mean over the seeds. */
  readonly each: readonly Readonly<Record<string, Float64Array>>[];
}

/** The whole table. */
export interface ModelTable {
  readonly seeds: readonly number[];
  readonly draws: number;
  readonly level: number;
  readonly columns: readonly Pick<Column, "name" | "title" | "decimals" | "ranked">[];
  readonly splits: readonly TableSplit[];
}

/** The contributions of all pictures to all columns: for each split those of its rows, one after the other. */
export type TableMeasurements = readonly (readonly Measurement[])[];

/** Scores all sets of captions. `onScored` is called with the sets done so far and their number. */
export async function measureTable(
  inputs: readonly TableInput[],
  onScored?: (done: number, total: number) => void,
): Promise<TableMeasurements> {
  const total = inputs.reduce((sum, { rows }) => sum + rows.length, 0);
  let done = 0;
  const measured: Measurement[][] = [];
  for (const { rows, columns, pictures } of inputs) {
    const measurements: Measurement[] = [];
    for (const row of rows) {
      measurements.push(...measure(row, columns.filter(hasInterval), pictures));
      onScored?.(++done, total);
      // Lets signals and the display of progress in.
      await new Promise((resolve) => setTimeout(resolve));
    }
    measured.push(measurements);
  }
  return measured;
}

/** Options of `tableOf`. */
export interface TableOptions {
  /** The sampling seeds, for the record. */
  readonly seeds: readonly number[];
  /** Resamples; default `DRAWS`, more where many differences are tested (`drawsFor`). */
  readonly draws?: number | undefined;
  /** Called with the resamples done so far and their number. */
  readonly onDraws?: ((done: number, total: number) => void) | undefined;
}

/** Resamples the measurements of `measureTable`, all rows and columns of a split together. */
export function tableOf(
  inputs: readonly TableInput[],
  measured: TableMeasurements,
  options: TableOptions,
): ModelTable {
  const { seeds, onDraws } = options;
  const { draws = drawsFor(Math.max(0, ...inputs.map(familyOf)), DRAWS) } = options;
  const splits = inputs.map((input, i) =>
    splitOf(input, measured[i]!, draws, (done) => onDraws?.(i * draws + done, inputs.length * draws)),
  );
  return { seeds, draws, level: LEVEL, columns: inputs[0]?.columns ?? [], splits };
}

function hasInterval(column: Column): column is PictureColumn {
  return column.statistic !== null;
}

/** The number of differences to the first row that have an interval. */
function familyOf({ rows, columns }: TableInput): number {
  return Math.max(0, rows.length - 1) * columns.filter(hasInterval).length;
}

function splitOf(
  { split, pictures, rows, columns }: TableInput,
  measurements: readonly Measurement[],
  draws: number,
  onDraws: (done: number) => void,
): TableSplit {
  const count = pictures.images.length;
  const measured = columns.filter(hasInterval);
  const estimates = bootstrap(measurements, count, { draws, onDraws });
  /** Null for a column that has no interval. */
  const estimate = (row: number, column: Column): Estimate | null => {
    const place = measured.indexOf(column as PictureColumn);
    return place < 0 ? null : estimates[row * measured.length + place]!;
  };
  const sets = rows.map(({ said, method }) =>
    Object.fromEntries(
      columns.flatMap((column) => {
        if (column.statistic !== null) return [];
        return [[column.name, method === "references" ? [Number.NaN] : said.map(column.of)]];
      }),
    ),
  );
  const compared = rows.slice(1).flatMap((_, i) =>
    columns.map((column) => {
      const [own, first] = [estimate(i + 1, column), estimate(0, column)];
      if (!own || !first) {
        const [a, b] = [sets[i + 1]![column.name]!, sets[0]![column.name]!];
        return { score: withoutInterval(less(a, b)), p: Number.NaN };
      }
      const gained = difference(own, first);
      return { score: scoreOf(gained), p: bootstrapP(gained) };
    }),
  );
  const adjusted = holm(compared.map(({ p }) => p));
  return {
    split,
    pictures: count,
    of: pictures.corpus.length,
    rows: rows.map(({ name, method }, row) => ({
      name,
      method,
      scores: Object.fromEntries(
        columns.map((column) => {
          const own = estimate(row, column);
          return [column.name, own ? scoreOf(own) : withoutInterval(sets[row]![column.name]!)];
        }),
      ),
    })),
    differences: rows.slice(1).map(({ name }, i) => ({
      of: name,
      minus: rows[0]!.name,
      scores: Object.fromEntries(
        columns.map((column, c) => {
          const place = i * columns.length + c;
          const { score, p } = compared[place]!;
          return [column.name, { ...score, p, adjusted: adjusted[place]! }];
        }),
      ),
    })),
    family: compared.filter(({ p }) => !Number.isNaN(p)).length,
    each: rows.map((_, row) =>
      Object.fromEntries(
        measured.map((column, c) => [
          column.name,
          eachPicture(measurements[row * measured.length + c]!, count),
        ]),
      ),
    ),
  };
}

/** The measurements of one row, in the order of the columns. Captions are tokenized once for all columns. */
function measure(
  { said, method }: CaptionRow,
  columns: readonly PictureColumn[],
  pictures: ScoredPictures,
): Measurement[] {
  if (method === "references") return measureReferences(said, columns, pictures);
  const seeds = said.map((captions) => columns.map((column) => column.rows(captions, pictures)));
  return columns.map(({ statistic }, c) => ({ statistic, seeds: seeds.map((lists) => lists[c]!) }));
}

/** All references of a picture together, for columns that judge them; the others have no score. */
function measureReferences(
  said: CaptionRow["said"],
  columns: readonly PictureColumn[],
  pictures: ScoredPictures,
): Measurement[] {
  const summed = columns.map(({ ofReferences, statistic: { width } }) =>
    ofReferences ? new Float64Array(pictures.images.length * width) : null,
  );
  for (const captions of said)
    for (const [c, sums] of summed.entries())
      if (sums)
        columns[c]!.rows(captions, pictures).forEach((value, i) => {
          sums[i]! += value;
        });
  const none = new Float64Array(pictures.images.length * meanOfDefined.width);
  return columns.map(({ statistic }, c) =>
    summed[c] ? { statistic, seeds: [summed[c]] } : { statistic: meanOfDefined, seeds: [none] },
  );
}

/** The score of each picture alone, the mean over the seeds. */
function eachPicture({ statistic, seeds }: Measurement, count: number): Float64Array {
  const { width } = statistic;
  return Float64Array.from({ length: count }, (_, i) => {
    const scores = seeds.map((rows) => statistic.of(rows.subarray(i * width, (i + 1) * width)));
    return mean(scores);
  });
}

/** a − b seed by seed; one without random numbers stands beside each seed of the other. */
function less(a: readonly number[], b: readonly number[]): number[] {
  return Array.from(
    { length: Math.max(a.length, b.length) },
    (_, i) => a[a.length === 1 ? 0 : i]! - b[b.length === 1 ? 0 : i]!,
  );
}

function withoutInterval(seeds: readonly number[]): Score {
  return { mean: mean(seeds), low: Number.NaN, high: Number.NaN, seeds, deviation: deviation(seeds) };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
