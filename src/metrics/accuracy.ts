import { genderOf, objectWordsOf, toneOf } from "../text/attributes.js";
import { lettersOfRun, normalizeCaption, UNKNOWN } from "../text/words.js";
import { checkPairs } from "./ngrams.js";

/** A share of the captions that a question applies to. */
export interface Accuracy {
  /** From 0 to 1; NaN if the question applies to no caption. */
  readonly accuracy: number;
  /** Number of captions it applies to. */
  readonly count: number;
}

/**
 * For each caption, whether its normalised form (see `normalizeCaption`) equals one of its references word for word: 1 or 0.
 * [UNK] matches no word of a reference.
 */
export function exactMatches(
  candidates: readonly string[],
  references: readonly (readonly string[])[],
): Float64Array {
  return verdicts(candidates, references, (candidate, list) => {
    if (candidate.includes(UNKNOWN)) return 0;
    const text = spelling(candidate);
    return list.some((reference) => spelling(reference) === text) ? 1 : 0;
  });
}

/** A caption without its non-words; word segmentation of scripts without spaces makes no difference. */
function spelling(caption: string): string {
  return normalizeCaption(caption).split(" ").flatMap(lettersOfRun).join(" ");
}

/**
 * How well each caption names what the picture shows, apart from gender and skin tone: the best F1 score, over its references, of
 * its set of object words against the reference's (`objectWordsOf`). F1 = 2 |A ∩ B| / (|A| + |B|): both missing and additional
 * words lower it; each [UNK] is an additional one. References without object words ("woman with dark skin") are skipped; NaN if
 * all are such.
 */
export function objectWordScores(
  candidates: readonly string[],
  references: readonly (readonly string[])[],
): Float64Array {
  return verdicts(candidates, references, (candidate, list) => {
    const parts = candidate.split(UNKNOWN);
    const own = objectWordsOf(parts.join(" "));
    const said = own.length + parts.length - 1;
    const scores = list
      .map(objectWordsOf)
      .filter((words) => words.length > 0)
      .map((words) => {
        const common = own.filter((word) => words.includes(word)).length;
        return (2 * common) / (said + words.length);
      });
    return scores.length === 0 ? Number.NaN : scores.reduce((best, score) => Math.max(best, score));
  });
}

/**
 * For each caption with a reference that names a skin tone, whether it names exactly the same tone or, for two people, tones in
 * the same order (`toneOf`): 1 or 0, else NaN. The first reference with a tone is the truth.
 */
export function toneMatches(
  candidates: readonly string[],
  references: readonly (readonly string[])[],
): Float64Array {
  return agreement(candidates, references, toneOf);
}

/**
 * For each caption with a reference that names a gender, whether it names the same one (`genderOf`: male, female, both): 1 or 0,
 * else NaN. The first reference with a gender is the truth.
 */
export function genderMatches(
  candidates: readonly string[],
  references: readonly (readonly string[])[],
): Float64Array {
  return agreement(candidates, references, genderOf);
}

/** The share of captions that equal one of their references (`exactMatches`). */
export function exactMatch(
  candidates: readonly string[],
  references: readonly (readonly string[])[],
): Accuracy {
  return accuracyOf(exactMatches(candidates, references));
}

/** The mean of `objectWordScores` over the captions that have one. */
export function objectWordAccuracy(
  candidates: readonly string[],
  references: readonly (readonly string[])[],
): Accuracy {
  return accuracyOf(objectWordScores(candidates, references));
}

/** The mean of `toneMatches` over the captions that have one. */
export function toneAccuracy(
  candidates: readonly string[],
  references: readonly (readonly string[])[],
): Accuracy {
  return accuracyOf(toneMatches(candidates, references));
}

/** The mean of `genderMatches` over the captions that have one. */
export function genderAccuracy(
  candidates: readonly string[],
  references: readonly (readonly string[])[],
): Accuracy {
  return accuracyOf(genderMatches(candidates, references));
}

function agreement(
  candidates: readonly string[],
  references: readonly (readonly string[])[],
  read: (caption: string) => string,
): Float64Array {
  return verdicts(candidates, references, (candidate, list) => {
    const truth = list.map(read).find((value) => value !== "none");
    if (truth === undefined) return Number.NaN;
    return read(candidate) === truth ? 1 : 0;
  });
}

function verdicts(
  candidates: readonly string[],
  references: readonly (readonly string[])[],
  judge: (candidate: string, references: readonly string[]) => number,
): Float64Array {
  checkPairs(candidates, references);
  return Float64Array.from(candidates, (candidate, i) => judge(candidate, references[i]!));
}

/** The mean of the verdicts that are not NaN. */
function accuracyOf(verdicts: Float64Array): Accuracy {
  const judged = verdicts.filter((verdict) => !Number.isNaN(verdict));
  return {
    accuracy: judged.reduce((sum, verdict) => sum + verdict, 0) / judged.length,
    count: judged.length,
  };
}
