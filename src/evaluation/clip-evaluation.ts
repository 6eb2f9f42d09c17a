/** CLIPScore and RefCLIPScore of the captions of an evaluation, with intervals over the pictures. */

import type { Dataset } from "../data/dataset.js";
import {
  bootstrap,
  difference,
  type Measurement,
  meanOfDefined,
  meanRows,
  type Score,
  scoreOf,
} from "../metrics/bootstrap.js";
import { clipScore, refClipScore } from "../metrics/clip-score.js";
import type { Clip } from "../models/clip/clip.js";
import { type ClipFeatureOptions, type ClipFeatureTable, clipFeatures } from "./clip-features.js";
import type { Evaluation, SplitScores } from "./scoring.js";
import { markdownTable } from "./tables.js";

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

/** Options of `clipEvaluation`. */
export interface ClipEvaluationOptions extends ClipFeatureOptions {
  /** Resamples of the pictures for the intervals. */
  readonly draws?: number | undefined;
}

/** Scores the captions of each split and row. The features of pictures and references are taken from the store where it has them. */
export async function clipEvaluation(
  clip: Clip,
  dataset: Dataset,
  { splits, draws: sameDraws }: Evaluation,
  { draws = sameDraws, ...options }: ClipEvaluationOptions,
): Promise<ClipSplitScores[]> {
  const captions = splits.flatMap((split) => split.captions);
  const wanted = { images: captions.map(({ image }) => image), texts: captions.flatMap(textsOf) };
  const features = await clipFeatures(clip, dataset, wanted, options);
  return splits.map((split) => scoreSplit(split, features, draws));
}

function textsOf({ captions, references }: SplitScores["captions"][number]): string[] {
  return [...references, ...Object.values(captions).flat()];
}

function scoreSplit(
  { split, captions, methods }: SplitScores,
  { ofPicture, ofText }: ClipFeatureTable,
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
  return markdownTable(head, rows);
}
