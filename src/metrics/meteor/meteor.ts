import { stem } from "porter2";
import { type CaptionTokenizer, wordsTokenizer } from "../caption-tokenizer.js";
import { checkPairs } from "../ngrams.js";
import type { WordNet } from "../wordnet.js";
import { align, type WordMatcher } from "./align.js";
import { meteorTokens } from "./normalize.js";
import { METEOR_SUMS, meteorOf, meteorStatistics, summand } from "./statistics.js";

/** The name for tables: without the paraphrase module the score is not comparable with METEOR 1.5's. */
export const METEOR_TITLE = "METEOR (exact, stem, synonym)";

/**
 * METEOR 1.5 (Denkowski and Lavie 2014) with its modules exact, stem and synonym for English, as the reference program computes
 * it with `-l en -norm -m "exact stem synonym"`: the corpus's score and each caption's, in 0 … 1. `candidates[i]` is compared
 * with each of `references[i]`, and the best counts. Both are tokenized by `tokenizer` and then by METEOR's own rules
 * (`meteorTokens`).
 *
 * The corpus's score is that of the summed statistics, not the mean. `rows`: the statistics of each caption as they enter the
 * sums, [n, `METEOR_SUMS`], for the bootstrap.
 */
export function meteor(
  candidates: readonly string[],
  references: readonly (readonly string[])[],
  wordNet: WordNet,
  tokenizer: CaptionTokenizer = wordsTokenizer,
): { score: number; each: Float64Array; rows: Float64Array } {
  checkPairs(candidates, references);
  const matcher = matcherOf(wordNet);
  const rows = new Float64Array(candidates.length * METEOR_SUMS);
  const sums = new Float64Array(METEOR_SUMS);
  const each = Float64Array.from(candidates, (candidate, i) => {
    const words = meteorTokens(tokenizer.candidate(candidate));
    let best = -1;
    let statistics = new Float64Array(METEOR_SUMS);
    for (const text of references[i]!) {
      const reference = meteorTokens(tokenizer.reference(text));
      const row = meteorStatistics(words, reference, align(words, reference, matcher));
      const score = meteorOf(row);
      if (score <= best) continue;
      best = score;
      statistics = Float64Array.from(row);
    }
    rows.set(summand(statistics), i * METEOR_SUMS);
    return best;
  });
  for (let i = 0; i < rows.length; i++) sums[i % METEOR_SUMS]! += rows[i]!;
  return { score: meteorOf(sums), each, rows };
}

/** The Snowball stemmer and WordNet's synonyms, with memories: captions repeat the same words. */
function matcherOf(wordNet: WordNet): WordMatcher {
  const stems = new Map<string, string>();
  const related = new Map<string, Map<string, boolean>>();
  return {
    stem(word) {
      let known = stems.get(word);
      if (known === undefined) {
        known = stem(word);
        stems.set(word, known);
      }
      return known;
    },
    synonyms(a, b) {
      let row = related.get(a);
      if (row === undefined) {
        row = new Map();
        related.set(a, row);
      }
      let known = row.get(b);
      if (known === undefined) {
        known = wordNet.related(a, b);
        row.set(b, known);
      }
      return known;
    },
  };
}
