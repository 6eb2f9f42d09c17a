import { type CaptionTokenizer, wordsTokenizer } from "./caption-tokenizer.js";
import { checkPairs } from "./ngrams.js";

/** Weight of recall against precision. */
const BETA = 1.2;

/**
 * ROUGE-L (Lin 2004) as coco-caption computes it: the mean over the captions and each caption's score, in 0 … 1.
 * `candidates[i]` is compared with all of `references[i]`; both are tokenized here, by `tokenizer`. With L(r) the length of the
 * longest common subsequence of candidate h and reference r,
 *
 *   P = max_r L(r) / |h|,   R = max_r L(r) / |r|,   score = (1 + β²) P R / (R + β² P),   β = 1.2.
 *
 * The two maxima may come from different references. Tokens are split at each single space, so that an empty text is one empty
 * token: an empty caption with an empty reference scores 1, as in coco-caption.
 */
export function rougeL(
  candidates: readonly string[],
  references: readonly (readonly string[])[],
  tokenizer: CaptionTokenizer = wordsTokenizer,
): { score: number; each: Float64Array } {
  checkPairs(candidates, references);
  const each = Float64Array.from(candidates, (candidate, i) => {
    const tokens = tokenizer.candidate(candidate).split(" ");
    let [precision, recall] = [0, 0];
    for (const text of references[i]!) {
      const reference = tokenizer.reference(text).split(" ");
      const common = commonSubsequence(tokens, reference);
      precision = Math.max(precision, common / tokens.length);
      recall = Math.max(recall, common / reference.length);
    }
    if (precision === 0) return 0;
    return ((1 + BETA ** 2) * precision * recall) / (recall + BETA ** 2 * precision);
  });
  return { score: each.reduce((sum, value) => sum + value, 0) / each.length, each };
}

/** Length of the longest common subsequence. */
export function commonSubsequence(a: readonly string[], b: readonly string[]): number {
  /** For each prefix of b, the length for the part of a read so far. */
  const lengths = new Uint32Array(b.length + 1);
  for (const token of a) {
    let diagonal = 0;
    for (let j = 1; j <= b.length; j++) {
      const above = lengths[j]!;
      lengths[j] = token === b[j - 1] ? diagonal + 1 : Math.max(above, lengths[j - 1]!);
      diagonal = above;
    }
  }
  return lengths[b.length]!;
}
