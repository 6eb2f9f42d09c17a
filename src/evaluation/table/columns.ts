/** The columns of the table of models: which metrics there are, and how captions contribute to them. */

import { TRUTH_NAMES, type TruthName } from "../../data/scenes/truth-scores.js";
import { meanOfDefined, meanRows, type Statistic } from "../../metrics/bootstrap.js";
import { captionMetrics } from "../../metrics/caption-metrics.js";
import type { CaptionTokenizer } from "../../metrics/caption-tokenizer.js";
import { clipScore, cosine, refClipScore } from "../../metrics/clip-score.js";
import {
  captionLengths,
  type Diversity,
  diversity,
  knownCaptions,
  newCaptionsEach,
} from "../../metrics/diversity.js";
import type { Metric } from "../../metrics/scores.js";
import type { WordNet } from "../../metrics/wordnet.js";
import { UserError } from "../../platform/errors.js";
import { shown } from "../../platform/shown.js";
import { suggestion } from "../../platform/suggest.js";
import type { ClipFeatureTable } from "../clip-features.js";

/** The pictures of one split that the captions of a row belong to, in their order. */
export interface ScoredPictures {
  /** Numbers of the pictures in the data set. */
  readonly images: readonly number[];
  readonly references: readonly (readonly string[])[];
  /** The references of the whole split, from which CIDEr takes its document frequencies. */
  readonly corpus: readonly (readonly string[])[];
}

/** A metric whose score follows from sums over pictures, so that it has an interval. */
export interface PictureColumn {
  readonly name: string;
  readonly title: string;
  readonly decimals: Metric["decimals"];
  /** More is better: the best row is marked. Of a length or a share of new captions neither end is best. */
  readonly ranked: boolean;
  /** Judges the references too, which the other columns compare captions with. */
  readonly ofReferences?: boolean;
  readonly statistic: Statistic;
  /** The contribution of each picture, [n, statistic.width], for one caption per picture. */
  rows(captions: readonly string[], pictures: ScoredPictures): Float64Array;
}

/** A score that a set of captions has as a whole. It has no interval. */
export interface SetColumn extends Pick<PictureColumn, "name" | "title" | "decimals"> {
  readonly ranked: false;
  readonly statistic: null;
  of(captions: readonly string[]): number;
}

/** A column of the table. */
export type Column = PictureColumn | SetColumn;

/** Names of the columns that `--metrics` chooses, in the order of the table. CLIP's two follow behind them. */
export const COLUMN_NAMES = [
  ...(["bleu1", "bleu2", "bleu3", "bleu4", "meteor", "rougeL", "cider", "ciderD", "tupleF1"] as const),
  ...(["exact", "objectWords", "tone", "gender"] as const),
  ...(["distinct1", "distinct2", "distinctCaptions", "newCaptions", "length"] as const),
] as const;

/** A name of `COLUMN_NAMES`. */
export type ColumnName = (typeof COLUMN_NAMES)[number];

/** The columns of emoji and of other pictures, unless `--metrics` names others. */
export const DEFAULT_COLUMNS: Readonly<Record<"emoji" | "other", readonly ColumnName[]>> = {
  emoji: ["bleu4", "ciderD", "exact", "objectWords", "tone", "gender"],
  other: ["bleu4", "meteor", "rougeL", "ciderD"],
};

/** Columns that need WordNet. */
export const WORDNET_COLUMNS: readonly ColumnName[] = ["meteor", "tupleF1"];

/** What `--metrics` names: columns of any data set, and of scenes what is true of captions. */
export interface ChosenColumns {
  readonly columns: readonly ColumnName[];
  /** "all": those that the data set has. */
  readonly truths: readonly TruthName[] | "all";
}

/** Reads "all" or "bleu4,meteor,relation". Throws a `UserError` that names what is not a metric. */
export function parseColumns(text: string): ChosenColumns {
  const names = text.split(",").map((name) => name.trim());
  if (names.length === 1 && names[0] === "all") return { columns: [...COLUMN_NAMES], truths: "all" };
  const known: readonly string[] = [...COLUMN_NAMES, ...TRUTH_NAMES];
  const wrong = names.find((name) => !known.includes(name));
  if (wrong !== undefined)
    throw new UserError(
      `"${shown(wrong, 40)}" is no metric${suggestion(wrong, known)}: name some of ${COLUMN_NAMES.join(", ")}, or all; of scenes also ${TRUTH_NAMES.join(", ")}`,
      2,
    );
  return {
    columns: COLUMN_NAMES.filter((name) => names.includes(name)),
    truths: TRUTH_NAMES.filter((name) => names.includes(name)),
  };
}

/** What the columns need beside captions and references. */
export interface ColumnOptions {
  readonly tokenizer: CaptionTokenizer;
  /** For METEOR and tuple F1. */
  readonly wordNet?: WordNet | undefined;
  /** Captions that the models learned from, for the share of new ones. */
  readonly training: Iterable<string>;
}

/**
 * The columns with these names, in their order. Distinct words and captions are of a set as a whole: a resample, which holds some
 * pictures twice, has fewer of them whatever the captions are, so the bootstrap knows no interval.
 */
export function columnsOf(names: readonly ColumnName[], options: ColumnOptions): Column[] {
  const tokenizer = rememberedTokens(options.tokenizer);
  const metrics = captionMetrics({
    tokenizer,
    ...(options.wordNet === undefined ? {} : { wordNet: options.wordNet }),
  });
  const known = names.includes("newCaptions")
    ? knownCaptions(options.training, tokenizer)
    : new Set<string>();
  const ofSet = (name: keyof Diversity, title: string): SetColumn => ({
    ...{ name, title, decimals: 3, ranked: false, statistic: null },
    of: (captions) => diversity(captions, [], tokenizer)[name],
  });
  const unranked = (
    name: ColumnName,
    title: string,
    decimals: Metric["decimals"],
    each: (captions: readonly string[]) => Float64Array,
  ): PictureColumn => ({
    ...{ name, title, decimals, ranked: false, statistic: meanOfDefined },
    rows: (captions) => meanRows(each(captions)),
  });
  return names.map((name): Column => {
    switch (name) {
      case "distinct1":
        return ofSet(name, "distinct-1");
      case "distinct2":
        return ofSet(name, "distinct-2");
      case "distinctCaptions":
        return ofSet(name, "distinct captions");
      case "newCaptions":
        return unranked(name, "new captions", "share", (captions) =>
          newCaptionsEach(captions, known, tokenizer),
        );
      case "length":
        return unranked(name, "mean length", 2, (captions) => captionLengths(captions, tokenizer));
    }
    const metric = metrics.get(name);
    if (!metric) throw new Error(`the metric ${name} needs WordNet`);
    const { title, decimals } = metric;
    return {
      ...{ name, title, decimals, ranked: true, statistic: metric },
      rows: (captions, { references, corpus }) => metric.rows(captions, references, corpus),
    };
  });
}

/** CLIPScore and RefCLIPScore as columns. */
export function clipColumns({ ofPicture, ofText }: ClipFeatureTable): PictureColumn[] {
  const column = (
    name: string,
    title: string,
    each: (image: number, caption: string, references: readonly string[]) => number,
  ): PictureColumn => ({
    ...{ name, title, decimals: 4, ranked: true, statistic: meanOfDefined },
    rows: (captions, { images, references }) =>
      meanRows(captions.map((caption, i) => each(images[i]!, caption, references[i]!))),
  });
  return [
    column("clipScore", "CLIPScore", (image, caption) => clipScore(ofPicture(image), ofText(caption))),
    column("refClipScore", "RefCLIPScore", (image, caption, references) =>
      refClipScore(ofPicture(image), ofText(caption), references.map(ofText)),
    ),
  ];
}

/** The judge's cosine of a picture and a caption as a column: it needs no references, and is told of them too. */
export function judgeColumn({ ofPicture, ofText }: ClipFeatureTable): PictureColumn {
  return {
    ...{
      name: "judge",
      title: "judge",
      decimals: 4,
      ranked: true,
      ofReferences: true,
      statistic: meanOfDefined,
    },
    rows: (captions, { images }) =>
      meanRows(captions.map((caption, i) => cosine(ofPicture(images[i]!), ofText(caption)))),
  };
}

/** A tokenizer that keeps its results: many rows have the same references. */
function rememberedTokens(tokenizer: CaptionTokenizer): CaptionTokenizer {
  const remember = (tokens: (caption: string) => string) => {
    const known = new Map<string, string>();
    return (caption: string) => {
      const result = known.get(caption) ?? tokens(caption);
      known.set(caption, result);
      return result;
    };
  };
  return {
    ...tokenizer,
    candidate: remember(tokenizer.candidate),
    reference: remember(tokenizer.reference),
  };
}
