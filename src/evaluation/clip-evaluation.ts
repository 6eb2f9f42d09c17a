/** CLIPScore and RefCLIPScore of the captions of an evaluation, with intervals over the pictures. */

import { type Dataset, readImages } from "../data/dataset.js";
import {
  bootstrap,
  difference,
  type Measurement,
  meanOfDefined,
  meanRows,
  type Score,
  scoreOf,
} from "../metrics/bootstrap.js";
import { CLIP_PROMPT, clipScore, refClipScore } from "../metrics/clip-score.js";
import type { Clip } from "../models/clip/clip.js";
import type { ClipPixels } from "../models/clip/preprocess.js";
import { UserError } from "../platform/errors.js";
import type { Platform } from "../platform/platform.js";
import { FeatureStore } from "./feature-store.js";
import type { Evaluation, SplitScores } from "./scoring.js";

/** Both scores; NaN where features are zero. */
export interface ClipScores {
  readonly clipScore: Score;
  readonly refClipScore: Score;
}

/** Scores of the rows of one split. */
export interface ClipSplitScores {
  readonly split: string;
  readonly pictures: number;
  readonly rows: readonly (ClipScores & { readonly name: string })[];
  /** The first row minus each other one, over the same resamples. */
  readonly differences: readonly (ClipScores & { readonly of: string; readonly minus: string })[];
}

/** Options of `clipFeatures`. */
export interface ClipFeatureOptions {
  /** Names pictures and texts in the store. */
  readonly hash: Platform["hash"];
  /** Decodes a picture file at its full size. Without it, or for a file that it refuses (a drawing), the data set's pixels are used. */
  readonly decode?: ((bytes: Uint8Array) => Promise<ClipPixels>) | undefined;
  /** Keeps the features of pictures and texts; default: none are kept. */
  readonly store?: FeatureStore | undefined;
  /** Called with the pictures and texts done so far and their number. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/** Options of `clipEvaluation`. */
export interface ClipEvaluationOptions extends ClipFeatureOptions {
  /** Resamples of the pictures for the intervals. */
  readonly draws?: number | undefined;
}

/** Pictures decoded and encoded at a time. */
const picturesAtOnce = 32;

/** Scores the captions of each split and row. The features of pictures and references are taken from the store where it has them. */
export async function clipEvaluation(
  clip: Clip,
  dataset: Dataset,
  { splits, draws: sameDraws }: Evaluation,
  options: ClipEvaluationOptions,
): Promise<ClipSplitScores[]> {
  const { draws = sameDraws } = options;
  const numbers = splits.flatMap(({ captions }) => captions.map(({ image }) => image));
  const texts = splits.flatMap((split) => split.captions.flatMap(textsOf));
  const { ofPicture, ofText } = await clipFeatures(clip, dataset, numbers, texts, options);
  return splits.map((split) => scoreSplit(split, ofPicture, ofText, draws));
}

/** The features of pictures, by number, and of texts. */
export interface ClipFeatures {
  ofPicture(image: number): Float32Array;
  ofText(text: string): Float32Array;
}

/** The features of some pictures of a data set, by number, and of texts with the prompt in front. */
export async function clipFeatures(
  clip: Clip,
  dataset: Dataset,
  pictureNumbers: readonly number[],
  captions: readonly string[],
  options: ClipFeatureOptions,
): Promise<ClipFeatures> {
  const { hash, onProgress } = options;
  const store = options.store ?? FeatureStore.inMemory(clip.shape.features);
  const numbers = [...new Set(pictureNumbers)];
  const texts = [...new Set(captions)];
  const total = numbers.length + texts.length;
  const pictures = await pictureFeatures(clip, dataset, numbers, { ...options, store }, (done) =>
    onProgress?.(done, total),
  );
  const names = await Promise.all(texts.map(async (text) => `text-${await hash("sha-256", text)}`));
  const missing = texts.filter((_, i) => !store.get(names[i]!));
  const width = clip.shape.features;
  const prompted = missing.map((text) => CLIP_PROMPT + text);
  const encoded = await clip.encodeTexts(prompted, {
    onProgress: (done) => onProgress?.(total - missing.length + done, total),
  });
  const place = new Map(texts.map((text, i) => [text, names[i]!]));
  for (const [i, text] of missing.entries())
    store.set(place.get(text)!, encoded.slice(i * width, (i + 1) * width));
  await store.save();
  return {
    ofPicture: (image) => pictures.get(image)!,
    ofText: (text) => store.get(place.get(text)!)!,
  };
}

function textsOf({ captions, references }: SplitScores["captions"][number]): string[] {
  return [...references, ...Object.values(captions).flat()];
}

/** The features of pictures by number. */
async function pictureFeatures(
  clip: Clip,
  dataset: Dataset,
  numbers: readonly number[],
  { store, hash, decode }: ClipFeatureOptions & { store: FeatureStore },
  onProgress: (done: number) => void,
): Promise<Map<number, Float32Array>> {
  const width = clip.shape.features;
  const features = new Map<number, Float32Array>();
  for (let first = 0; first < numbers.length; first += picturesAtOnce) {
    const batch: { number: number; name: string; pixels: ClipPixels }[] = [];
    for (const number of numbers.slice(first, first + picturesAtOnce)) {
      const content = dataset.images.content(number);
      const known = content === null ? undefined : store.get(`file-${content}`);
      if (known) {
        features.set(number, known);
        continue;
      }
      const pixels = await pixelsOf(dataset, number, decode);
      const name =
        content === null ? `pixels-${await hash("sha-256", pixels.data as Uint8Array)}` : `file-${content}`;
      const kept = store.get(name);
      if (kept) features.set(number, kept);
      else batch.push({ number, name, pixels });
    }
    const rows = await clip.encodeImages(batch.map(({ pixels }) => pixels));
    for (const [i, { number, name }] of batch.entries()) {
      const row = rows.slice(i * width, (i + 1) * width);
      store.set(name, row);
      features.set(number, row);
    }
    onProgress(Math.min(numbers.length, first + picturesAtOnce));
  }
  return features;
}

/** The picture's file at its full size if it can be decoded, else the data set's pixels. */
async function pixelsOf(
  dataset: Dataset,
  number: number,
  decode: ClipFeatureOptions["decode"],
): Promise<ClipPixels> {
  if (decode && dataset.images.file) {
    try {
      return await decode(await dataset.images.file(number));
    } catch (error) {
      // A drawing, which has no size in pixels.
      if (!(error instanceof UserError)) throw error;
    }
  }
  return { width: dataset.size, height: dataset.size, data: await readImages(dataset, [number]) };
}

function scoreSplit(
  { split, captions, methods }: SplitScores,
  ofPicture: (image: number) => Float32Array,
  ofText: (text: string) => Float32Array,
  draws: number,
): ClipSplitScores {
  const measurements = methods.flatMap(({ name }): Measurement[] => {
    const seeds = captions[0]?.captions[name]?.length ?? 0;
    const rows = (score: (record: SplitScores["captions"][number], caption: Float32Array) => number) =>
      Array.from({ length: seeds }, (_, seed) =>
        meanRows(captions.map((record) => score(record, ofText(record.captions[name]![seed]!)))),
      );
    return [
      { statistic: meanOfDefined, seeds: rows(({ image }, caption) => clipScore(ofPicture(image), caption)) },
      {
        statistic: meanOfDefined,
        seeds: rows(({ image, references }, caption) =>
          refClipScore(ofPicture(image), caption, references.map(ofText)),
        ),
      },
    ];
  });
  const estimates = bootstrap(measurements, captions.length, { draws });
  const minus = (a: number, b: number) => scoreOf(difference(estimates[a]!, estimates[b]!));
  return {
    split,
    pictures: captions.length,
    rows: methods.map(({ name }, row) => ({
      name,
      clipScore: scoreOf(estimates[2 * row]!),
      refClipScore: scoreOf(estimates[2 * row + 1]!),
    })),
    differences: methods.slice(1).map(({ name }, i) => ({
      of: methods[0]!.name,
      minus: name,
      clipScore: minus(0, 2 * (i + 1)),
      refClipScore: minus(1, 2 * (i + 1) + 1),
    })),
  };
}

const decimals = 4;

/** The scores as a Markdown table. */
export function clipTable(splits: readonly ClipSplitScores[]): string {
  const cell = ({ mean, low, high, deviation }: Score, sign = "") => {
    if (Number.isNaN(mean)) return "–";
    const spread = Number.isNaN(deviation) ? "" : ` ± ${deviation.toFixed(decimals)}`;
    return `${mean >= 0 ? sign : ""}${mean.toFixed(decimals)} [${low.toFixed(decimals)}, ${high.toFixed(decimals)}]${spread}`;
  };
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const head = ["split", "pictures", "captions by", "CLIPScore", "RefCLIPScore"];
  const rows = splits.flatMap(({ split, pictures, rows, differences }) => [
    ...rows.map(({ name, clipScore, refClipScore }) => [
      split,
      String(pictures),
      name,
      cell(clipScore),
      cell(refClipScore),
    ]),
    ...differences.map(({ of, minus, clipScore, refClipScore }) => [
      split,
      String(pictures),
      `${of} − ${minus}`,
      cell(clipScore, "+"),
      cell(refClipScore, "+"),
    ]),
  ]);
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}
