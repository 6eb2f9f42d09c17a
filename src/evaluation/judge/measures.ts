/** How well a judge tells captions apart: its own caption among those of 100 pictures, and the true one of two. */

import { readImages } from "../../data/dataset.js";
import type { ScenesDataset } from "../../data/scenes/dataset.js";
import { SWAPS } from "../../data/scenes/swapped.js";
import { bootstrap, DRAWS, meanOfDefined, meanRows, type Score, scoreOf } from "../../metrics/bootstrap.js";
import type { JudgeEncoder } from "../../models/judge/judge.js";
import { questionsOf } from "../caption-pairs.js";
import { recordsOf } from "../pictures.js";

/** Pictures among whose captions the own one is searched. */
export const AMONG = 100;

/** Names of the measures. */
export const JUDGE_MEASURES = [
  ...(["captionFirst", "pictureFirst", "plainCaptionFirst", "plainPictureFirst"] as const),
  ...SWAPS,
] as const;
/** A name of `JUDGE_MEASURES`. */
export type JudgeMeasure = (typeof JUDGE_MEASURES)[number];

/** What each measure is, for tables. */
export const JUDGE_TITLES: Readonly<Record<JudgeMeasure, string>> = {
  captionFirst: `own caption first of ${AMONG}`,
  pictureFirst: `own picture first of ${AMONG}`,
  plainCaptionFirst: `plainest caption first of ${AMONG}`,
  plainPictureFirst: `own picture first of ${AMONG}, by the plainest caption`,
  object: "true before another object",
  attribute: "true before another attribute",
  relation: "true before another relation",
  place: "true before another place",
};

/** A share with its interval, and the pictures that it is of. */
export interface JudgeShare extends Pick<Score, "mean" | "low" | "high"> {
  readonly pictures: number;
}
/** The measures of a judge. */
export type JudgeMeasures = Readonly<Record<JudgeMeasure, JudgeShare>>;

/**
 * For pictures in groups of `AMONG`: 1 where no other caption of the group is nearer to the picture than its own, and where no other
 * picture is nearer to its caption. The same words count as the own caption. `pictures`, `texts`: features of length 1, [n, width]. A last
 * group that is not full is left out: NaN.
 */
export function firstOf(
  pictures: Float32Array,
  texts: Float32Array,
  captions: readonly string[],
  among = AMONG,
): { captionFirst: Float64Array; pictureFirst: Float64Array } {
  const count = captions.length;
  const width = pictures.length / count;
  const cosine = (picture: number, text: number) => {
    let sum = 0;
    for (let i = 0; i < width; i++) sum += pictures[picture * width + i]! * texts[text * width + i]!;
    return sum;
  };
  const captionFirst = new Float64Array(count).fill(Number.NaN);
  const pictureFirst = new Float64Array(count).fill(Number.NaN);
  for (let i = 0; i < count - (count % among); i++) {
    const own = cosine(i, i);
    const start = i - (i % among);
    const others = Array.from({ length: among }, (_, k) => start + k).filter(
      (k) => k !== i && captions[k] !== captions[i],
    );
    captionFirst[i] = Number(others.every((k) => cosine(i, k) < own));
    pictureFirst[i] = Number(others.every((k) => cosine(k, i) < own));
  }
  return { captionFirst, pictureFirst };
}

/** Measures a judge on a split of scenes of its size: on at most `limit` pictures, 0 = all. `onDone` is called after each part of the work. */
export async function measureJudge(
  judge: JudgeEncoder,
  dataset: ScenesDataset,
  {
    split,
    limit,
    draws = DRAWS,
    onDone,
  }: {
    readonly split: string;
    readonly limit: number;
    readonly draws?: number;
    readonly onDone?: (() => void) | undefined;
  },
): Promise<JudgeMeasures> {
  const images = recordsOf(dataset, split, limit).map((record) => dataset.records[record]!.image);
  const pictures = await picturesOf(judge, dataset, images, onDone);
  const questions = questionsOf(dataset, images);
  onDone?.();
  const texts = async (list: readonly string[]) => {
    const features = await judge.encodeTexts(list);
    onDone?.();
    return features;
  };
  const captions = questions.map(({ caption }) => caption);
  const plain = questions.map((question) => question.plain);
  const drawn = firstOf(pictures, await texts(captions), captions);
  const plainest = firstOf(pictures, await texts(plain), plain);
  const values: Record<JudgeMeasure, Float64Array> = {
    captionFirst: drawn.captionFirst,
    pictureFirst: drawn.pictureFirst,
    plainCaptionFirst: plainest.captionFirst,
    plainPictureFirst: plainest.pictureFirst,
    object: new Float64Array(0),
    attribute: new Float64Array(0),
    relation: new Float64Array(0),
    place: new Float64Array(0),
  };
  for (const swap of SWAPS) {
    const asked = questions.flatMap(({ pairs }, i) => (pairs[swap] ? [{ i, ...pairs[swap] }] : []));
    const [truths, lies] = [
      await texts(asked.map(({ truth }) => truth)),
      await texts(asked.map(({ lie }) => lie)),
    ];
    values[swap] = preferred(
      images.length,
      asked.map(({ i }) => i),
      pictures,
      truths,
      lies,
    );
  }
  const rows = JUDGE_MEASURES.map((name) => ({ statistic: meanOfDefined, seeds: [meanRows(values[name])] }));
  const estimates = bootstrap(rows, images.length, { draws });
  return Object.fromEntries(
    JUDGE_MEASURES.map((name, i): [JudgeMeasure, JudgeShare] => {
      const { mean, low, high } = scoreOf(estimates[i]!);
      return [
        name,
        { mean, low, high, pictures: values[name].filter((value) => !Number.isNaN(value)).length },
      ];
    }),
  ) as Record<JudgeMeasure, JudgeShare>;
}

/** 1 where the true caption is nearer to its picture than the false one, NaN for pictures that were not asked about. */
function preferred(
  count: number,
  asked: readonly number[],
  pictures: Float32Array,
  truths: Float32Array,
  lies: Float32Array,
): Float64Array {
  const width = pictures.length / count;
  const values = new Float64Array(count).fill(Number.NaN);
  for (const [k, i] of asked.entries()) {
    let difference = 0;
    for (let at = 0; at < width; at++)
      difference += pictures[i * width + at]! * (truths[k * width + at]! - lies[k * width + at]!);
    values[i] = Number(difference > 0);
  }
  return values;
}

/** Pictures read at a time. */
const atOnce = 64;

/** The features of pictures by number, [n, F]. */
export async function picturesOf(
  judge: JudgeEncoder,
  dataset: ScenesDataset,
  images: readonly number[],
  onDone?: () => void,
): Promise<Float32Array> {
  const { size } = dataset;
  const each = size * size * 3;
  const features = new Float32Array(images.length * judge.shape.features);
  for (let first = 0; first < images.length; first += atOnce) {
    const numbers = images.slice(first, first + atOnce);
    const bytes = await readImages(dataset, numbers);
    const pictures = numbers.map((_, i) => ({
      ...{ width: size, height: size },
      data: bytes.subarray(i * each, (i + 1) * each),
    }));
    features.set(await judge.encodeImages(pictures), first * judge.shape.features);
    onDone?.();
  }
  return features;
}
