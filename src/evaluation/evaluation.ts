/**
 * Scores of a captioner on the splits of a data set: means over sampling seeds, with intervals over pictures. Two baselines are
 * scored beside it: the captions of the nearest training picture (by pixels and by codes), and the same model shown another
 * picture's codes. Several guidance settings can be compared on the same pictures and seeds.
 */

import { imagesPerBatch } from "../captioner/batch.js";
import { captionSettings } from "../captioner/caption-settings.js";
import type { Captioner } from "../captioner/captioner.js";
import { shuffled } from "../data/batches.js";
import { type Dataset, imagesOf, readImages } from "../data/dataset.js";
import { type GuidanceMethod, guidanceMethods } from "../diffusion/guidance.js";
import {
  bootstrap,
  DRAWS,
  difference,
  type Estimate,
  LEVEL,
  type Measurement,
  type Score,
  scoreOf,
} from "../metrics/bootstrap.js";
import { METRIC_NAMES, METRICS, type MetricName } from "../metrics/scores.js";
import { type GuidanceOptions, guidanceOptions, type SamplingOptions } from "../models/sampling-settings.js";
import { UserError } from "../platform/errors.js";
import { nearestCodes, nearestVectors, shrink } from "./nearest.js";

export type Method = "model" | "shuffled" | "nearestPixels" | "nearestCodes";

/** A guidance setting to compare with others. Omitted options are taken from the model's configuration. */
export interface ComparedGuidance {
  /** Its name in tables: "mcs:1.5". */
  readonly name: string;
  readonly guidance: GuidanceMethod;
  readonly scale?: number;
  readonly maskRate?: number;
}

/** A score of each metric. */
export type Scores = Record<MetricName, Score>;

/** Scores of one row of the table: a setting, or a baseline. */
export interface MethodScores {
  readonly method: Method;
  /** The compared setting; "model" if only one was scored. */
  readonly name: string;
  readonly scores: Scores;
}

/** Scores of one row minus those of another, over the same resamples of pictures and the same seeds. */
export interface Difference {
  readonly of: string;
  readonly minus: string;
  readonly scores: Scores;
}

/** Scores of one split. */
export interface SplitScores {
  readonly split: string;
  /** Number of scored pictures, and of all pictures of the split, whose references determine the idf of CIDEr-D. */
  readonly pictures: number;
  readonly of: number;
  /** The settings, then the first of them shown other pictures, then the nearest pictures. */
  readonly methods: readonly MethodScores[];
  /** Each later setting minus each earlier one; the first setting minus its baselines. */
  readonly differences: readonly Difference[];
  /** The generated captions, picture by picture: for each setting one caption per seed. */
  readonly captions: readonly {
    readonly id: string;
    readonly image: number;
    readonly references: readonly string[];
    readonly captions: Readonly<Record<string, readonly string[]>>;
  }[];
}

/** Scores of a captioner on several splits; `scoresTable` and `differencesTable` print them. */
export interface Evaluation {
  /** Sampling seeds of the means. */
  readonly seeds: readonly number[];
  /** Number of resamples of the pictures, and the share of them inside the intervals. */
  readonly draws: number;
  readonly level: number;
  readonly splits: readonly SplitScores[];
}

/** Options of `evaluate`. */
export interface EvaluationOptions extends SamplingOptions {
  splits: readonly string[];
  /** Maximum number of pictures of a split, evenly spread; 0 = all. */
  limit?: number;
  /** Number of seeds, counted up from `seed` (default: the model's); default 1. */
  seeds?: number;
  /** Settings to compare, instead of the one that the other options describe. */
  compare?: readonly ComparedGuidance[];
  /** Also scores the baselines; default true. */
  baselines?: boolean;
  /** Resamples of the pictures for the intervals; default 2000. */
  draws?: number;
  /** Called with the work done so far and the total, in pictures encoded and captioned. */
  onProgress?: (done: number, total: number) => void;
  /** Called around the sampling of so many captions, to measure it; it runs `body`. */
  measure?: <T>(captions: number, body: () => Promise<T>) => Promise<T>;
}

const methodNames: Record<Exclude<Method, "model">, string> = {
  shuffled: "other picture",
  nearestPixels: "nearest by pixels",
  nearestCodes: "nearest by codes",
};

/**
 * Reads "none,cfg:1.25,mcs:2:0.5": method, scale ω, and for mcs the share of the positions masked. Throws a `UserError`
 * that names the entry.
 */
export function parseCompared(text: string): ComparedGuidance[] {
  const entries = text.split(",").map((entry) => entry.trim());
  const compared = entries.map((name): ComparedGuidance => {
    const [method, ...numbers] = name.split(":");
    const guidance = guidanceMethods.find((known) => known === method);
    const [scale, maskRate] = numbers.map((number) => (number.trim() === "" ? Number.NaN : Number(number)));
    const allowed = guidance === "none" ? 0 : guidance === "cfg" ? 1 : 2;
    const right =
      guidance !== undefined &&
      numbers.length <= allowed &&
      (scale === undefined || Number.isFinite(scale)) &&
      (maskRate === undefined || (maskRate >= 0 && maskRate <= 1));
    if (!right) {
      throw new UserError(
        `"${name}" should be none, cfg:SCALE, or mcs or mcs-printed with :SCALE or :SCALE:SHARE, as in none,cfg:1.25,mcs:2:0.5`,
        2,
      );
    }
    return {
      name,
      guidance,
      ...(scale === undefined ? {} : { scale }),
      ...(maskRate === undefined ? {} : { maskRate }),
    };
  });
  const twice = entries.find((name, i) => entries.indexOf(name) !== i);
  if (twice !== undefined) throw new UserError(`"${twice}" is compared with itself`, 2);
  return compared;
}

/** The splits scored by default: all but training and validation; validation if there is no other. */
export function testSplits(dataset: Pick<Dataset, "splits">): string[] {
  const heldOut = Object.keys(dataset.splits).filter((name) => name !== "train");
  const tests = heldOut.filter((name) => name !== "validation");
  return tests.length > 0 ? tests : heldOut;
}

/** Side length at which pictures are compared: averaging tolerates a shift by a pixel. */
const comparedSide = 16;

/** At most `limit` of the records of a split, evenly spread over it; all if `limit` is 0. */
export function recordsOf(dataset: Dataset, split: string, limit: number): number[] {
  const all = dataset.splits[split] ?? [];
  if (limit === 0 || all.length <= limit) return [...all];
  return Array.from({ length: limit }, (_, i) => all[Math.floor((i * all.length) / limit)]!);
}

/**
 * The codes [n · S] of some pictures, with one batch in memory at a time. `onPictures` receives the bytes of each batch, which
 * starts at picture `first`.
 */
export async function encodeImages(
  captioner: Captioner,
  dataset: Dataset,
  images: readonly number[],
  options: {
    onProgress?: (done: number, total: number) => void;
    onPictures?: (bytes: Uint8Array, first: number) => void;
  } = {},
): Promise<Uint32Array> {
  const codes = new Uint32Array(images.length * captioner.positions);
  for (let first = 0; first < images.length; first += imagesPerBatch) {
    const bytes = await readImages(dataset, images.slice(first, first + imagesPerBatch));
    options.onPictures?.(bytes, first);
    codes.set(await captioner.encodeAll(bytes), first * captioner.positions);
    options.onProgress?.(Math.min(images.length, first + imagesPerBatch), images.length);
  }
  return codes;
}

function gatherRows<T extends Uint32Array | Float32Array>(
  rows: T,
  width: number,
  numbers: readonly number[],
): T {
  const gathered = new (rows.constructor as new (length: number) => T)(numbers.length * width);
  for (const [i, number] of numbers.entries()) {
    gathered.set(rows.subarray(number * width, (number + 1) * width), i * width);
  }
  return gathered;
}

/** The factor by which pictures of a side length are averaged down, to no less than `comparedSide` if they are that large. */
function shrinkFactor(size: number): number {
  let factor = Math.max(1, Math.floor(size / comparedSide));
  while (size % factor !== 0) factor--;
  return factor;
}

/**
 * Scores every split. References are a picture's name-like captions; a baseline answers with the first caption of the training
 * picture it chose. Pictures are encoded once and baselines scored once; each setting captions the same pictures with the same
 * seeds.
 */
export async function evaluate(
  captioner: Captioner,
  dataset: Dataset,
  options: EvaluationOptions,
): Promise<Evaluation> {
  const {
    splits,
    limit = 0,
    seed = captioner.config.seed,
    seeds: seedCount = 1,
    compare,
    baselines = true,
    draws = DRAWS,
    onProgress,
    measure = (_, body) => body(),
    ...sampling
  } = options;
  const settings: readonly (Partial<ComparedGuidance> & { name: string })[] = compare ?? [{ name: "model" }];
  const seeds = Array.from({ length: seedCount }, (_, i) => seed + i);
  const { positions } = captioner;
  const chosen = splits.map((split) => ({ split, records: recordsOf(dataset, split, limit) }));
  const train = baselines ? (dataset.splits.train ?? []) : [];
  const needed = [...new Set([...train, ...chosen.flatMap(({ records }) => records)])];
  const captionings = seeds.length * (settings.length + (baselines ? 1 : 0));
  const total = needed.length + captionings * chosen.reduce((sum, { records }) => sum + records.length, 0);
  let done = 0;

  const place = new Map(needed.map((record, i) => [record, i]));
  const factor = shrinkFactor(dataset.size);
  const each = dataset.size ** 2 * 3;
  const width = (dataset.size / factor) ** 2 * 3;
  const small = new Float32Array(baselines ? needed.length * width : 0);
  const codes = await encodeImages(captioner, dataset, imagesOf(dataset, needed), {
    onProgress: (count) => onProgress?.(count, total),
    onPictures(bytes, first) {
      for (let i = 0; baselines && i < bytes.length / each; i++) {
        const picture = bytes.subarray(i * each, (i + 1) * each);
        small.set(shrink(picture, dataset.size, factor), (first + i) * width);
      }
    },
  });
  done = needed.length;
  const placesOf = (records: readonly number[]) => records.map((record) => place.get(record)!);
  const codesOf = (records: readonly number[]) => gatherRows(codes, positions, placesOf(records));
  // Training pictures come first.
  const trainPixels = small.subarray(0, train.length * width);
  const trainCodes = codes.subarray(0, train.length * positions);

  const results: SplitScores[] = [];
  for (const { split, records } of chosen) {
    if (records.length === 0) continue;
    const referencesOf = (numbers: readonly number[]) =>
      numbers.map((record) => dataset.records[record]!.captions);
    const references = referencesOf(records);
    const ownCodes = codesOf(records);
    /** Captions of each setting and seed. */
    const say = (of: Uint32Array, given: readonly Partial<ComparedGuidance>[]) => {
      const base = done;
      const captions = given.length * seeds.length * records.length;
      const own = guidanceOptions(sampling.guidance);
      return measure(captions, () =>
        captionSettings(captioner, of, {
          settings: given.map((setting) => ({ ...sampling, guidance: guidanceOf(own, setting) })),
          seeds,
          onBatch(count) {
            done = base + count;
            onProgress?.(done, total);
          },
        }),
      );
    };
    const rows: { method: Method; name: string; said: string[][] }[] = [];
    for (const [i, said] of (await say(ownCodes, settings)).entries())
      rows.push({ method: "model", name: settings[i]!.name, said });
    if (baselines) {
      const first = settings[0]!;
      const others = gatherRows(ownCodes, positions, otherPictures(records.length));
      const [said] = await say(others, [first]);
      rows.push({ method: "shuffled", name: `${first.name}, ${methodNames.shuffled}`, said: said! });
      const firstCaption = (numbers: Uint32Array) => [
        Array.from(numbers, (number) => dataset.records[train[number]!]!.captions[0]!),
      ];
      const tell = () => onProgress?.(done, total);
      const ownPixels = gatherRows(small, width, placesOf(records));
      const byPixels = await inParts(nearestVectors, ownPixels, trainPixels, width, tell);
      const byCodes = await inParts(nearestCodes, ownCodes, trainCodes, positions, tell);
      for (const [method, nearest] of [
        ["nearestPixels", byPixels],
        ["nearestCodes", byCodes],
      ] as const)
        rows.push({ method, name: methodNames[method], said: firstCaption(nearest) });
    }
    const whole = dataset.splits[split]!;
    const { methods, differences } = scoresOf(rows, references, referencesOf(whole), draws);
    results.push({
      split,
      pictures: records.length,
      of: whole.length,
      methods,
      differences,
      captions: records.map((record, i) => ({
        id: dataset.records[record]!.id,
        image: dataset.records[record]!.image,
        references: references[i]!,
        captions: Object.fromEntries(rows.map(({ name, said }) => [name, said.map((list) => list[i]!)])),
      })),
    });
  }
  return { seeds, draws, level: LEVEL, splits: results };
}

/** A compared setting over the options of all. */
function guidanceOf(
  own: GuidanceOptions,
  { guidance, scale, maskRate }: Partial<ComparedGuidance>,
): GuidanceOptions {
  return {
    ...own,
    method: guidance ?? own.method,
    ...(scale === undefined ? {} : { scale }),
    ...(maskRate === undefined ? {} : { maskRate }),
  };
}

/** Rows searched before yielding to other tasks. */
const rowsATurn = 32;

/**
 * Runs `find` on some rows at a time, so that signals and the page are served in between. `onTurn` is called then and may throw.
 */
async function inParts<A extends Float32Array | Uint32Array>(
  find: (queries: A, stored: A, width: number) => Uint32Array,
  queries: A,
  stored: A,
  width: number,
  onTurn: () => void,
): Promise<Uint32Array> {
  const found = new Uint32Array(queries.length / width);
  for (let first = 0; first < found.length; first += rowsATurn) {
    const part = queries.subarray(first * width, (first + rowsATurn) * width) as A;
    found.set(find(part, stored, width), first);
    await new Promise((resolve) => setTimeout(resolve));
    onTurn();
  }
  return found;
}

/**
 * Assigns each of n pictures another one: a shift by one within a random order, so that none keeps its own and each is shown
 * once.
 */
function otherPictures(count: number): number[] {
  const order = shuffled(count, 1, 0);
  const others = new Array<number>(count);
  order.forEach((picture, i) => {
    others[picture] = order[(i + 1) % count]!;
  });
  return others;
}

/** Scores and paired differences of rows of captions of the same pictures, all over the same resamples. */
function scoresOf(
  rows: readonly { method: Method; name: string; said: readonly (readonly string[])[] }[],
  references: readonly (readonly string[])[],
  corpus: readonly (readonly string[])[],
  draws: number,
): Pick<SplitScores, "methods" | "differences"> {
  const measurements = rows.flatMap(({ said }) =>
    METRIC_NAMES.map((name): Measurement => {
      const metric = METRICS[name];
      return {
        statistic: metric,
        seeds: said.map((captions) => metric.rows(captions, references, corpus)),
      };
    }),
  );
  const estimates = bootstrap(measurements, references.length, { draws });
  const of = (row: number, metric: number) => estimates[row * METRIC_NAMES.length + metric]!;
  const all = (estimate: (metric: number) => Estimate) =>
    Object.fromEntries(METRIC_NAMES.map((name, metric) => [name, scoreOf(estimate(metric))])) as Scores;
  const less = (a: number, b: number): Difference => ({
    of: rows[a]!.name,
    minus: rows[b]!.name,
    scores: all((metric) => difference(of(a, metric), of(b, metric))),
  });
  const differences: Difference[] = [];
  for (const [b, { method }] of rows.entries()) {
    if (method !== "model") differences.push(less(0, b));
    else
      for (let a = b + 1; a < rows.length && rows[a]!.method === "model"; a++) differences.push(less(a, b));
  }
  return {
    methods: rows.map(({ method, name }, row) => ({
      method,
      name,
      scores: all((metric) => of(row, metric)),
    })),
    differences,
  };
}

/** "4.32 [4.10, 4.55] ± 0.04": mean, interval over pictures, and the deviation over seeds where there are several. */
export function scoreText(score: Score, metric: MetricName, signed = false): string {
  const { decimals } = METRICS[metric];
  const share = decimals === "share";
  const number = (value: number, sign = signed) => {
    const text = share ? (100 * value).toFixed(1) : value.toFixed(decimals);
    return sign && value >= 0 ? `+${text}` : text;
  };
  if (Number.isNaN(score.mean)) return "–";
  const unit = share ? (signed ? " points" : " %") : "";
  const deviation = Number.isNaN(score.deviation) ? "" : ` ± ${number(score.deviation, false)}`;
  return `${number(score.mean)}${unit} [${number(score.low)}, ${number(score.high)}]${deviation}`;
}

/** Describes the cells of both tables in a sentence. */
export function tableLegend({ seeds, level, draws }: Evaluation): string {
  const interval = `[${Math.round(100 * level)} % interval over pictures, ${draws} resamples]`;
  return seeds.length === 1
    ? `One sampling seed ${interval}.`
    : `Mean over ${seeds.length} sampling seeds ${interval} ± standard deviation over the seeds.`;
}

/** The scores as a Markdown table. */
export function scoresTable({ splits }: Evaluation): string {
  return table(
    ["split", "pictures", "captions by"],
    splits.flatMap(({ split, pictures, methods }) =>
      methods.map(({ name, scores }) => ({ head: [split, String(pictures), name], scores })),
    ),
  );
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
  return rows.length === 0 ? null : table(["split", "pictures", "difference"], rows, true);
}

function table(head: readonly string[], rows: readonly { head: string[]; scores: Scores }[], signed = false) {
  const titles = [...head, ...METRIC_NAMES.map((name) => METRICS[name].title)];
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [
    line(titles),
    line(titles.map(() => "---")),
    ...rows.map(({ head, scores }) =>
      line([...head, ...METRIC_NAMES.map((name) => scoreText(scores[name], name, signed))]),
    ),
  ].join("\n");
}
