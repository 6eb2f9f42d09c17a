import { type Accuracy, exactMatch, genderAccuracy, objectWordAccuracy, toneAccuracy } from "./accuracy.js";
import { bleu } from "./bleu.js";
import { ciderD } from "./cider.js";

/** All figures that are reported for a split. */
export interface CaptionScores {
  readonly images: number;
  /** BLEU-1 … BLEU-4, in 0 … 1. */
  readonly bleu: readonly [number, number, number, number];
  /** In 0 … 10. */
  readonly ciderD: number;
  readonly exactMatch: Accuracy;
  readonly objectWords: Accuracy;
  readonly tone: Accuracy;
  readonly gender: Accuracy;
}

/** Scores one caption a picture against all references of that picture. */
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
