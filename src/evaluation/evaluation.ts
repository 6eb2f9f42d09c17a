/**
 * Scores of a captioner on the splits of a data set: means over sampling seeds, with intervals over pictures. Two baselines are
 * scored beside it: the captions of the nearest training picture (by pixels and by codes), and the same model shown another
 * picture's codes. Several guidance settings can be compared on the same pictures and seeds.
 */

import { captionSettings } from "../captioner/caption-settings.js";
import type { Captioner } from "../captioner/captioner.js";
import { type Dataset, imagesOf } from "../data/dataset.js";
import { DRAWS, LEVEL } from "../metrics/bootstrap.js";
import { type GuidanceOptions, guidanceOptions, type SamplingOptions } from "../models/sampling-settings.js";
import { type Collective, joinParts, ownPart, shareOf, single } from "../platform/collective.js";
import { gatherRows, inParts, otherPictures, shrinkFactor } from "./baselines.js";
import type { ComparedGuidance } from "./compared.js";
import { nearestCodes, nearestVectors, shrink } from "./nearest.js";
import { encodeImages, recordsOf } from "./pictures.js";
import { type CaptionRow, type Evaluation, type Method, scoresOf } from "./scoring.js";

/** Options of `captionSplits`. */
export interface CaptioningOptions extends SamplingOptions {
  splits: readonly string[];
  /** Maximum number of pictures of a split, evenly spread; 0 = all. */
  limit?: number;
  /** Number of seeds, counted up from `seed` (default: the model's); default 1. */
  seeds?: number;
  /** Settings to compare, instead of the one that the other options describe. */
  compare?: readonly ComparedGuidance[];
  /** Also scores the baselines; default true. */
  baselines?: boolean;
  /** Training pictures among which the nearest are searched, evenly spread; 0 = all, the default. */
  neighbours?: number;
  /** Called with the work done so far and the total, in pictures encoded and captioned. */
  onProgress?: (done: number, total: number) => void;
  /** Called around the sampling of so many captions, to measure it; it runs `body`. */
  measure?: <T>(captions: number, body: () => Promise<T>) => Promise<T>;
  /**
   * Processes that share encoding, captioning and the search for nearest pictures. All get the same captions, those of one process.
   * Progress takes the share of this one for all. Default: this one alone.
   */
  collective?: Collective | undefined;
}

/** Options of `evaluate`. */
export interface EvaluationOptions extends CaptioningOptions {
  /** Resamples of the pictures for the intervals; default 2000. */
  draws?: number;
}

/** The captions of one split. */
export interface CaptionedSplit {
  readonly split: string;
  /** The captioned records of the data set. */
  readonly records: readonly number[];
  /** The settings, then the first of them shown other pictures, then the nearest pictures. */
  readonly rows: readonly CaptionRow[];
}

const methodNames: Record<Exclude<Method, "model" | "references">, string> = {
  shuffled: "other picture",
  nearestPixels: "nearest by pixels",
  nearestCodes: "nearest by codes",
};

/**
 * Scores every split. References are a picture's name-like captions. The document frequencies of CIDEr-D come from the whole split,
 * whatever the limit.
 */
export async function evaluate(
  captioner: Captioner,
  dataset: Dataset,
  { draws = DRAWS, ...options }: EvaluationOptions,
): Promise<Evaluation> {
  const captioned = await captionSplits(captioner, dataset, options);
  const { seed = captioner.config.seed, seeds = 1 } = options;
  return {
    seeds: seedsFrom(seed, seeds),
    draws,
    level: LEVEL,
    splits: captioned.map(({ split, records, rows }) => {
      const whole = dataset.splits[split]!;
      const references = referencesOf(dataset, records);
      return {
        split,
        pictures: records.length,
        of: whole.length,
        ...scoresOf(rows, references, referencesOf(dataset, whole), draws),
        captions: records.map((record, i) => ({
          id: dataset.records[record]!.id,
          image: dataset.records[record]!.image,
          references: references[i]!,
          captions: Object.fromEntries(rows.map(({ name, said }) => [name, said.map((list) => list[i]!)])),
        })),
      };
    }),
  };
}

/** `count` seeds from the first one upwards. */
export function seedsFrom(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => first + i);
}

/** The references of some records: their name-like captions. */
export function referencesOf(dataset: Dataset, records: readonly number[]): (readonly string[])[] {
  return records.map((record) => dataset.records[record]!.captions);
}

/** The records that `captionSplits` encodes; those of training, among which baselines search, come first. */
export function neededRecords(
  dataset: Dataset,
  options: Pick<CaptioningOptions, "splits" | "limit" | "baselines" | "neighbours">,
): number[] {
  const { splits, limit = 0 } = options;
  const searched = searchedRecords(dataset, options);
  return [...new Set([...searched, ...splits.flatMap((split) => recordsOf(dataset, split, limit))])];
}

/** The training records among which baselines search. */
function searchedRecords(
  dataset: Dataset,
  { baselines = true, neighbours = 0 }: Pick<CaptioningOptions, "baselines" | "neighbours">,
): number[] {
  return baselines ? recordsOf(dataset, "train", neighbours) : [];
}

/** The work of `captionSplits`, in pictures encoded and captioned. */
export function captioningWork(dataset: Dataset, options: CaptioningOptions): number {
  const { splits, limit = 0, seeds = 1, compare = [null], baselines = true } = options;
  const pictures = splits.reduce((sum, split) => sum + recordsOf(dataset, split, limit).length, 0);
  const captionings = seeds * (compare.length + (baselines ? 1 : 0));
  return neededRecords(dataset, options).length + captionings * pictures;
}

/**
 * Captions every split. A baseline answers with the first caption of the training picture it chose. Pictures are encoded once and
 * baselines asked once; each setting captions the same pictures with the same seeds.
 */
export async function captionSplits(
  captioner: Captioner,
  dataset: Dataset,
  options: CaptioningOptions,
): Promise<CaptionedSplit[]> {
  const {
    splits,
    limit = 0,
    seed = captioner.config.seed,
    seeds: seedCount = 1,
    compare,
    baselines = true,
    neighbours = 0,
    onProgress,
    measure = (_, body) => body(),
    collective = single,
    ...sampling
  } = options;
  const settings: readonly (Partial<ComparedGuidance> & { name: string })[] = compare ?? [{ name: "model" }];
  const seeds = seedsFrom(seed, seedCount);
  const { positions } = captioner;
  const chosen = splits.map((split) => ({ split, records: recordsOf(dataset, split, limit) }));
  const train = searchedRecords(dataset, { baselines, neighbours });
  const needed = neededRecords(dataset, options);
  const total = captioningWork(dataset, options);
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
    collective,
  });
  await joinParts(collective, small);
  done = needed.length;
  const placesOf = (records: readonly number[]) => records.map((record) => place.get(record)!);
  const codesOf = (records: readonly number[]) => gatherRows(codes, positions, placesOf(records));
  // Training pictures come first.
  const trainPixels = small.subarray(0, train.length * width);
  const trainCodes = codes.subarray(0, train.length * positions);
  const nearest = async <A extends Float32Array | Uint32Array>(
    find: (queries: A, stored: A, width: number) => Uint32Array,
    queries: A,
    stored: A,
    width: number,
  ) => {
    const found = new Uint32Array(queries.length / width);
    const { from, to } = shareOf(found.length, collective);
    const own = queries.subarray(from * width, to * width) as A;
    const tell = () => onProgress?.(done, total);
    found.set(await ownPart(collective, () => inParts(find, own, stored, width, tell)), from);
    await joinParts(collective, found);
    return found;
  };

  const results: CaptionedSplit[] = [];
  for (const { split, records } of chosen) {
    if (records.length === 0) continue;
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
          collective,
        }),
      );
    };
    const rows: CaptionRow[] = [];
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
      const ownPixels = gatherRows(small, width, placesOf(records));
      const byPixels = await nearest(nearestVectors, ownPixels, trainPixels, width);
      const byCodes = await nearest(nearestCodes, ownCodes, trainCodes, positions);
      for (const [method, found] of [
        ["nearestPixels", byPixels],
        ["nearestCodes", byCodes],
      ] as const)
        rows.push({ method, name: methodNames[method], said: firstCaption(found) });
    }
    results.push({ split, records, rows });
  }
  return results;
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
