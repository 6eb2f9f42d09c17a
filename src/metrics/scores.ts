import {
  type Accuracy,
  exactMatch,
  exactMatches,
  genderAccuracy,
  genderMatches,
  objectWordAccuracy,
  objectWordScores,
  toneAccuracy,
  toneMatches,
} from "./accuracy.js";
import { BLEU_SUMS, bleu, bleuCounts, bleuOf } from "./bleu.js";
import { meanOfDefined, meanRows, type Statistic } from "./bootstrap.js";
import { ciderD } from "./cider.js";

/** A metric reported for a split, as sums over its pictures. */
export interface Metric extends Statistic {
  readonly title: string;
  /** Its format: a share in per cent, or a number with this many decimals. */
  readonly decimals: number | "share";
  /** The contribution of each picture, [n, width], for one caption per picture. `corpus`: the references of the whole split. */
  rows(
    candidates: readonly string[],
    references: readonly (readonly string[])[],
    corpus: readonly (readonly string[])[],
  ): Float64Array;
}

const share = (
  title: string,
  each: (candidates: readonly string[], references: readonly (readonly string[])[]) => Float64Array,
): Metric => ({
  ...meanOfDefined,
  title,
  decimals: "share",
  rows: (candidates, references) => meanRows(each(candidates, references)),
});

/** A metric by name. */
export type MetricName = "bleu4" | "ciderD" | "exact" | "objectWords" | "tone" | "gender";

/** All reported metrics, in the order of the tables. */
export const METRICS: Readonly<Record<MetricName, Metric>> = {
  bleu4: {
    title: "BLEU-4",
    decimals: 3,
    width: BLEU_SUMS,
    of: (sums) => bleuOf(sums)[3],
    rows: (candidates, references) => bleuCounts(candidates, references),
  },
  ciderD: {
    ...meanOfDefined,
    title: "CIDEr-D",
    decimals: 2,
    rows: (candidates, references, corpus) => meanRows(ciderD(candidates, references, corpus).each),
  },
  exact: share("exact", exactMatches),
  objectWords: share("object words", objectWordScores),
  tone: share("tone", toneMatches),
  gender: share("gender", genderMatches),
};

/** The metrics in the order of the tables. */
export const METRIC_NAMES = Object.keys(METRICS) as MetricName[];

/** All metrics of one set of captions. */
export interface CaptionScores {
  readonly images: number;
  /** BLEU-1 … BLEU-4, in 0 … 1. */
  readonly bleu: readonly [number, number, number, number];
  /** From 0 to 10. */
  readonly ciderD: number;
  readonly exactMatch: Accuracy;
  readonly objectWords: Accuracy;
  readonly tone: Accuracy;
  readonly gender: Accuracy;
}

/** Scores one caption per picture against all references of that picture. */
export function scoreCaptions(
  candidates: readonly string[],
  references: readonly (readonly string[])[],
): CaptionScores {
  return {
    images: candidates.length,
    bleu: bleu(candidates, references),
    ciderD: ciderD(candidates, references).score,
    exactMatch: exactMatch(candidates, references),
    objectWords: objectWordAccuracy(candidates, references),
    tone: toneAccuracy(candidates, references),
    gender: genderAccuracy(candidates, references),
  };
}
