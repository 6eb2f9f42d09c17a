/**
 * Confidence intervals by the bootstrap (Efron 1979): pictures are drawn with replacement, as many as there are, and the score is
 * recomputed; the middle 95 % of many such scores are the interval. Works on numbers only.
 */

import { randomBelow } from "./random.js";

/** A score of a set of pictures that depends only on sums over them: a mean, a ratio of sums, BLEU. */
export interface Statistic {
  /** Number of terms that each picture contributes. */
  readonly width: number;
  /** The score, from the sums [width]; NaN where undefined. */
  of(sums: ArrayLike<number>): number;
}

/** The scored quantity: the same pictures once for each sampling seed. */
export interface Measurement {
  readonly statistic: Statistic;
  /** For each seed the contribution of each picture, [pictures, width]; a method without random numbers has one. */
  readonly seeds: readonly Float64Array[];
}

/** A score with the scores of its resamples. */
export interface Estimate {
  /** Mean over the seeds. */
  readonly mean: number;
  readonly seeds: readonly number[];
  /** The mean over the seeds in each resample. Resample b of two estimates has the same pictures. */
  readonly resampled: Float64Array;
}

/** A score for display and for files. */
export interface Score {
  readonly mean: number;
  /** The interval over pictures. */
  readonly low: number;
  readonly high: number;
  /** The score of each seed. */
  readonly seeds: readonly number[];
  /** Standard deviation over the seeds (n − 1); NaN with one seed. */
  readonly deviation: number;
}

/** How many resamples are drawn, and by which random numbers. */
export interface BootstrapOptions {
  /** Resamples. */
  readonly draws?: number;
  /** Seed of the random numbers that choose the pictures. */
  readonly seed?: number;
  /** Called with the resamples done so far and their number. */
  readonly onDraws?: ((done: number, total: number) => void) | undefined;
}

export const DRAWS = 2000;
/** Share of the resamples inside the interval. */
export const LEVEL = 0.95;
const RESAMPLING_STREAM = 0x626f6f74;

/** The mean over the pictures whose number is not NaN, as sums [sum, count]. */
export const meanOfDefined: Statistic = { width: 2, of: (sums) => sums[0]! / sums[1]! };

/** One number per picture, NaN where there is none, as rows of `meanOfDefined`. */
export function meanRows(values: ArrayLike<number>): Float64Array {
  const rows = new Float64Array(2 * values.length);
  for (let i = 0; i < values.length; i++) {
    if (Number.isNaN(values[i]!)) continue;
    rows[2 * i] = values[i]!;
    rows[2 * i + 1] = 1;
  }
  return rows;
}

/**
 * Estimates of all measurements, over the same resamples of `pictures` pictures. All seeds of a picture are drawn together,
 * because the pictures are the sample of the population; the interval also includes the noise of sampling, which is independent
 * from picture to picture. Throws a RangeError if rows do not fit.
 */
export function bootstrap(
  measurements: readonly Measurement[],
  pictures: number,
  { draws = DRAWS, seed = 1, onDraws }: BootstrapOptions = {},
): Estimate[] {
  for (const { statistic, seeds } of measurements) {
    const wrong = seeds.find((rows) => rows.length !== pictures * statistic.width);
    if (wrong || seeds.length === 0 || pictures === 0) {
      throw new RangeError(
        `bootstrap: ${wrong?.length ?? 0} numbers are not ${pictures} rows of ${statistic.width}`,
      );
    }
  }
  // Measurements that share rows, as BLEU-1 … BLEU-4 do, share their sums.
  const columns = new Map<Float64Array, Float64Array[]>();
  for (const { statistic, seeds } of measurements)
    for (const rows of seeds) if (!columns.has(rows)) columns.set(rows, columnsOf(rows, statistic.width));
  const scoresOf = (times: Resamples) => {
    const sums = new Map<Float64Array, Float64Array[]>();
    for (const [rows, list] of columns) sums.set(rows, weightedSums(list, times));
    return measurements.map(({ statistic, seeds }) =>
      times.map((_, draw) => seeds.map((rows) => statistic.of(sums.get(rows)![draw]!))),
    );
  };
  const once = new Float64Array(pictures).fill(1);
  const own = scoresOf([once, once, once, once]).map(([scores]) => scores!);
  const resampled = measurements.map(() => new Float64Array(draws));
  const times = [0, 1, 2, 3].map(() => new Float64Array(pictures)) as unknown as Resamples;
  for (let first = 0; first < draws; first += times.length) {
    for (const [k, counts] of times.entries()) draw(counts, seed, first + k);
    for (const [m, scores] of scoresOf(times).entries())
      for (let k = 0; k < Math.min(times.length, draws - first); k++)
        resampled[m]![first + k] = mean(scores[k]!);
    onDraws?.(Math.min(draws, first + times.length), draws);
  }
  return own.map((seeds, m) => ({ mean: mean(seeds), seeds, resampled: resampled[m]! }));
}

/** How often each picture is in each of four resamples, [pictures] each: four sums of one pass over a column. */
type Resamples = readonly [Float64Array, Float64Array, Float64Array, Float64Array];

/** Draws resample number `number`: as many pictures as there are, with replacement. */
function draw(times: Float64Array, seed: number, number: number): void {
  const pictures = times.length;
  times.fill(0);
  for (let i = 0; i < pictures; i++)
    times[randomBelow(pictures, seed, RESAMPLING_STREAM, number * pictures + i)]!++;
}

/**
 * a − b, paired: resample by resample, and seed by seed where both have as many seeds; a method without random numbers is paired
 * with each seed of the other. Both must come from one call of `bootstrap`.
 */
export function difference(a: Estimate, b: Estimate): Estimate {
  if (a.resampled.length !== b.resampled.length)
    throw new RangeError(`difference: ${a.resampled.length} and ${b.resampled.length} resamples do not pair`);
  const count = Math.max(a.seeds.length, b.seeds.length);
  if ([a, b].some(({ seeds }) => seeds.length !== count && seeds.length !== 1))
    throw new RangeError(`difference: ${a.seeds.length} and ${b.seeds.length} seeds do not pair`);
  const of = (seeds: readonly number[], i: number) => seeds[seeds.length === 1 ? 0 : i]!;
  return {
    mean: a.mean - b.mean,
    seeds: Array.from({ length: count }, (_, i) => of(a.seeds, i) - of(b.seeds, i)),
    resampled: a.resampled.map((value, draw) => value - b.resampled[draw]!),
  };
}

/** The estimate with its interval: the (1 − level)/2 and (1 + level)/2 quantiles of the resamples (percentile method). */
export function scoreOf({ mean, seeds, resampled }: Estimate, level = LEVEL): Score {
  const sorted = resampled.filter((value) => !Number.isNaN(value)).sort();
  const low = quantile(sorted, (1 - level) / 2);
  const high = quantile(sorted, (1 + level) / 2);
  return { mean, low, high, seeds, deviation: deviation(seeds) };
}

/** Quantile `share` of ascending numbers, linear between neighbours; NaN if there are none. */
export function quantile(sorted: ArrayLike<number>, share: number): number {
  if (sorted.length === 0) return Number.NaN;
  const place = share * (sorted.length - 1);
  const below = Math.floor(place);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below]! + (place - below) * (sorted[above]! - sorted[below]!);
}

/** Standard deviation with n − 1; NaN for fewer than two numbers. */
export function deviation(values: readonly number[]): number {
  const centre = mean(values);
  const squares = values.reduce((sum, value) => sum + (value - centre) ** 2, 0);
  return Math.sqrt(squares / (values.length - 1));
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The columns of rows [n, width], each in one piece. */
function columnsOf(rows: Float64Array, width: number): Float64Array[] {
  return Array.from({ length: width }, (_, k) =>
    Float64Array.from({ length: rows.length / width }, (_, i) => rows[i * width + k]!),
  );
}

/** For each of four resamples Σ_i times[i] · columns[k][i]: [width]. Sums go from the first picture to the last. */
function weightedSums(columns: readonly Float64Array[], [a, b, c, d]: Resamples): Float64Array[] {
  const sums = [0, 1, 2, 3].map(() => new Float64Array(columns.length));
  for (const [k, column] of columns.entries()) {
    let [sumA, sumB, sumC, sumD] = [0, 0, 0, 0];
    for (let i = 0; i < column.length; i++) {
      const value = column[i]!;
      sumA += a[i]! * value;
      sumB += b[i]! * value;
      sumC += c[i]! * value;
      sumD += d[i]! * value;
    }
    sums[0]![k] = sumA;
    sums[1]![k] = sumB;
    sums[2]![k] = sumC;
    sums[3]![k] = sumD;
  }
  return sums;
}
