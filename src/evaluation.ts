/**
 * Scores of a captioner on the splits of a data set, beside what it has to beat: the captions of the nearest training
 * picture (by pixels and by codes), and the same model shown another picture's codes.
 */

import type { Captioner, CaptionOptions } from "./captioner.js";
import { shuffled } from "./data/batches.js";
import { type Dataset, pixels } from "./data/dataset.js";
import { nearestCodes, nearestVectors, shrink } from "./metrics/nearest.js";
import { type CaptionScores, scoreCaptions } from "./metrics/scores.js";

export type Method = "model" | "shuffled" | "nearestPixels" | "nearestCodes";

export interface SplitScores {
  split: string;
  scores: Record<Method, CaptionScores>;
  /** What the model said, picture by picture. */
  captions: { id: string; image: number; caption: string; references: readonly string[] }[];
}

export interface EvaluationOptions extends CaptionOptions {
  splits: readonly string[];
  /** At most so many pictures of a split, evenly spread; 0 = all. */
  limit?: number;
  onProgress?: (done: number, total: number) => void;
}

/** Pictures are compared at this side length: averaging forgives a shift by a pixel. */
const comparedSide = 16;

/** At most `limit` of the records of a split, evenly spread over it; all if `limit` is 0. */
export function recordsOf(dataset: Dataset, split: string, limit: number): number[] {
  const all = dataset.splits[split] ?? [];
  if (limit === 0 || all.length <= limit) return [...all];
  return Array.from({ length: limit }, (_, i) => all[Math.floor((i * all.length) / limit)]!);
}

/** The bytes of some pictures, one after the other. */
export function gatherImages(dataset: Dataset, images: readonly number[]): Uint8Array {
  const bytes = dataset.size ** 2 * 3;
  const gathered = new Uint8Array(images.length * bytes);
  for (const [i, image] of images.entries()) gathered.set(pixels(dataset, image), i * bytes);
  return gathered;
}

function gatherRows(rows: Uint32Array, width: number, numbers: readonly number[]): Uint32Array {
  const gathered = new Uint32Array(numbers.length * width);
  for (const [i, number] of numbers.entries()) {
    gathered.set(rows.subarray(number * width, (number + 1) * width), i * width);
  }
  return gathered;
}

/**
 * Scores every split. References are a picture's name-like captions; a baseline answers with the first caption of the
 * training picture it chose.
 */
export async function evaluate(
  captioner: Captioner,
  dataset: Dataset,
  options: EvaluationOptions,
): Promise<SplitScores[]> {
  const { splits, limit = 0, onProgress, ...sampling } = options;
  const { positions } = captioner;
  const chosen = splits.map((split) => ({ split, records: recordsOf(dataset, split, limit) }));
  const train = dataset.splits.train ?? [];
  const needed = [...new Set([...train, ...chosen.flatMap(({ records }) => records)])];
  const total = needed.length + 2 * chosen.reduce((sum, { records }) => sum + records.length, 0);
  let done = 0;

  const place = new Map(needed.map((record, i) => [record, i]));
  const images = (records: readonly number[]) => records.map((record) => dataset.records[record]!.image);
  const codes = await captioner.encodeAll(gatherImages(dataset, images(needed)), (count) =>
    onProgress?.(count, total),
  );
  done = needed.length;
  const codesOf = (records: readonly number[]) =>
    gatherRows(
      codes,
      positions,
      records.map((record) => place.get(record)!),
    );
  const factor = Math.max(1, Math.floor(dataset.size / comparedSide));
  const pixelsOf = (records: readonly number[]) =>
    concatenated(images(records).map((image) => shrink(pixels(dataset, image), dataset.size, factor)));
  const trainPixels = pixelsOf(train);
  const trainCodes = codesOf(train);

  const results: SplitScores[] = [];
  for (const { split, records } of chosen) {
    if (records.length === 0) continue;
    const references = records.map((record) => dataset.records[record]!.captions);
    const ownCodes = codesOf(records);
    const order = shuffled(records.length, 1, 0);
    // Shifted by one within a random order: nobody keeps its own picture.
    const others = new Array<number>(records.length);
    order.forEach((record, i) => {
      others[record] = order[(i + 1) % order.length]!;
    });
    const report = (base: number) => (count: number) => onProgress?.(base + count, total);
    const say = async (of: Uint32Array) => {
      const captions = await captioner.captionCodes(of, { ...sampling, onBatch: report(done) });
      done += records.length;
      return captions.map(({ text }) => text);
    };
    const said = await say(ownCodes);
    const shuffledCaptions = await say(gatherRows(ownCodes, positions, others));
    const firstCaption = (numbers: Uint32Array) =>
      Array.from(numbers, (number) => dataset.records[train[number]!]!.captions[0]!);
    const width = trainPixels.length / train.length;
    results.push({
      split,
      scores: {
        model: scoreCaptions(said, references),
        shuffled: scoreCaptions(shuffledCaptions, references),
        nearestPixels: scoreCaptions(
          firstCaption(nearestVectors(pixelsOf(records), trainPixels, width)),
          references,
        ),
        nearestCodes: scoreCaptions(firstCaption(nearestCodes(ownCodes, trainCodes, positions)), references),
      },
      captions: records.map((record, i) => ({
        id: dataset.records[record]!.id,
        image: dataset.records[record]!.image,
        caption: said[i]!,
        references: references[i]!,
      })),
    });
  }
  return results;
}

function concatenated(rows: readonly Float32Array[]): Float32Array {
  const width = rows[0]?.length ?? 0;
  const all = new Float32Array(rows.length * width);
  for (const [i, row] of rows.entries()) all.set(row, i * width);
  return all;
}

const names: Record<Method, string> = {
  model: "model",
  shuffled: "model, other picture",
  nearestPixels: "nearest by pixels",
  nearestCodes: "nearest by codes",
};

/** The scores as a Markdown table. */
export function scoresTable(results: readonly SplitScores[]): string {
  const share = ({ accuracy }: { accuracy: number }) =>
    Number.isNaN(accuracy) ? "–" : `${(100 * accuracy).toFixed(1)} %`;
  const lines = [
    "| split | pictures | captions by | BLEU-4 | CIDEr-D | exact | object words | tone | gender |",
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
  ];
  for (const { split, scores } of results) {
    for (const method of Object.keys(names) as Method[]) {
      const s = scores[method];
      const cells = [
        s.bleu[3].toFixed(3),
        s.ciderD.toFixed(3),
        share(s.exactMatch),
        share(s.objectWords),
        share(s.tone),
        share(s.gender),
      ];
      lines.push(`| ${split} | ${s.images} | ${names[method]} | ${cells.join(" | ")} |`);
    }
  }
  return lines.join("\n");
}
