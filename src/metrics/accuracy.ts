import { genderOf, objectWordsOf, toneOf } from "../text/attributes.js";
import { normalizeCaption } from "../text/words.js";
import { checkPairs } from "./ngrams.js";

/** A share of the captions that a question applies to. */
export interface Accuracy {
  /** In 0 … 1; NaN if the question applies to none. */
  readonly accuracy: number;
  /** How many captions it applies to. */
  readonly count: number;
}

/**
 * The share of captions that, normalised (see `normalizeCaption`), equal one of their references word for
 * word.
 */
export function exactMatch(
  candidates: readonly string[],
  references: readonly (readonly string[])[],
): Accuracy {
  return shareOf(candidates, references, (candidate, list) => {
    const text = normalizeCaption(candidate);
    return list.some((reference) => normalizeCaption(reference) === text) ? 1 : 0;
  });
}

/**
 * How well captions name what is seen, apart from gender and skin tone: for each caption the best F1 score,
 * over its references, of its set of object words against the reference's (`objectWordsOf`); then the mean.
 * F1 = 2 |A ∩ B| / (|A| + |B|): neither missing words nor additional ones are free. References without object
 * words ("woman with dark skin") are passed over, and captions all of whose references are such are not
 * counted.
 */
export function objectWordAccuracy(
  candidates: readonly string[],
  references: readonly (readonly string[])[],
): Accuracy {
  return shareOf(candidates, references, (candidate, list) => {
    const own = objectWordsOf(candidate);
    const scores = list
      .map(objectWordsOf)
      .filter((words) => words.length > 0)
      .map((words) => {
        const common = own.filter((word) => words.includes(word)).length;
        return (2 * common) / (own.length + words.length);
      });
    return scores.length === 0 ? null : Math.max(...scores);
  });
}

/**
 * Of the captions of which a reference names a skin tone: the share that name exactly the same tone or, for
 * two people, tones in the same order (`toneOf`). The truth is what the first reference with a tone says.
 */
export function toneAccuracy(
  candidates: readonly string[],
  references: readonly (readonly string[])[],
): Accuracy {
  return agreement(candidates, references, toneOf);
}

/**
 * Of the captions of which a reference names a gender: the share that name the same (`genderOf`: male,
 * female, both). The truth is what the first reference with a gender says.
 */
export function genderAccuracy(
  candidates: readonly string[],
  references: readonly (readonly string[])[],
): Accuracy {
  return agreement(candidates, references, genderOf);
}

function agreement(
  candidates: readonly string[],
  references: readonly (readonly string[])[],
  read: (caption: string) => string,
): Accuracy {
  return shareOf(candidates, references, (candidate, list) => {
    const truth = list.map(read).find((value) => value !== "none");
    if (truth === undefined) return null;
    return read(candidate) === truth ? 1 : 0;
  });
}

/** The mean of `judge` over the captions for which it is not null. */
function shareOf(
  candidates: readonly string[],
  references: readonly (readonly string[])[],
  judge: (candidate: string, references: readonly string[]) => number | null,
): Accuracy {
  checkPairs(candidates, references);
  let sum = 0;
  let count = 0;
  for (const [i, candidate] of candidates.entries()) {
    const verdict = judge(candidate, references[i]!);
    if (verdict === null) continue;
    sum += verdict;
    count++;
  }
  return { accuracy: sum / count, count };
}
