import { checkPairs } from "../ngrams.js";
import type { WordNet } from "../wordnet.js";
import { captionTuples, type Tuple } from "./extract.js";

/**
 * Tuple F1: whether a caption claims the same objects, attributes and relations as its references; the mean over the captions and
 * each caption's score, in 0 … 1. The tuples (`captionTuples`) of all references of a picture are united. Two tuples agree if
 * each word equals or shares a synset of WordNet with the word in its place. With P the share of the caption's tuples that agree
 * with some reference tuple and R the share of reference tuples that agree with some of the caption's,
 *
 *   score = 2 P R / (P + R),
 *
 * 0 where there is no tuple. The idea is SPICE's (Anderson et al. 2016), but rules take the place of a parser: the numbers are
 * not comparable with SPICE's.
 */
export function tupleF1(
  candidates: readonly string[],
  references: readonly (readonly string[])[],
  wordNet: WordNet,
): { score: number; each: Float64Array } {
  checkPairs(candidates, references);
  const each = Float64Array.from(candidates, (candidate, i) => {
    const said = captionTuples(candidate, wordNet);
    const wanted = united(
      references[i]!.flatMap((text) => captionTuples(text, wordNet)),
      wordNet,
    );
    return tupleScores(said, wanted, wordNet).f1;
  });
  return { score: each.reduce((sum, value) => sum + value, 0) / each.length, each };
}

/** Precision, recall and F1 of tuples against others; 0 where undefined. */
export function tupleScores(
  said: readonly Tuple[],
  wanted: readonly Tuple[],
  wordNet: WordNet,
): { precision: number; recall: number; f1: number } {
  const share = (tuples: readonly Tuple[], others: readonly Tuple[]) =>
    tuples.length === 0
      ? 0
      : tuples.filter((tuple) => others.some((other) => agree(tuple, other, wordNet))).length / tuples.length;
  const precision = share(said, wanted);
  const recall = share(wanted, said);
  return { precision, recall, f1: precision === 0 ? 0 : (2 * precision * recall) / (precision + recall) };
}

/** The tuples without those that agree with an earlier one. */
function united(tuples: readonly Tuple[], wordNet: WordNet): Tuple[] {
  const kept: Tuple[] = [];
  for (const tuple of tuples) if (!kept.some((other) => agree(tuple, other, wordNet))) kept.push(tuple);
  return kept;
}

function agree(a: Tuple, b: Tuple, wordNet: WordNet): boolean {
  return (
    a.length === b.length && a.every((word, i) => word === b[i] || wordNet.related(word, b[i] as string))
  );
}
