/** The consensus of several captions of a picture: the one that agrees most with the others (minimum Bayes risk). */

import { countNgrams } from "./ngrams.js";

/**
 * Sentence BLEU-4 of words against one reference, smoothed by 1 for n > 1 (Lin and Och 2004, "BLEU+1"), in 0 … 1. Two empty
 * captions agree wholly.
 *
 *   brevity · (m_1/t_1 · ∏_{n=2..4} (m_n + 1)/(t_n + 1))^{1/4}
 *
 * m_n counts the n-grams that both have, t_n those of the caption; brevity = exp(1 − r/c) for c words against r > c, else 1.
 */
export function smoothedBleu(words: readonly string[], reference: readonly string[]): number {
  const [c, r] = [words.length, reference.length];
  if (c === 0 || r === 0) return c === r ? 1 : 0;
  const [own, theirs] = [countNgrams(words, 4), countNgrams(reference, 4)];
  let product = 1;
  own.forEach((counts, i) => {
    let matched = 0;
    for (const [ngram, count] of counts) matched += Math.min(count, theirs[i]!.get(ngram) ?? 0);
    const added = i === 0 ? 0 : 1;
    product *= (matched + added) / (Math.max(0, c - i) + added);
  });
  return product ** 0.25 * (c < r ? Math.exp(1 - r / c) : 1);
}

/**
 * The index of the caption with the largest mean similarity to the other ones, as texts: argmax_i Σ_{j≠i} BLEU+1(c_i, c_j), the
 * caption of least expected loss if the captions are draws from what the model believes. Of equals the first; equal captions
 * support each other.
 */
export function consensus(captions: readonly string[]): number {
  const words = captions.map((text) => text.split(" ").filter((word) => word !== ""));
  let [best, most] = [0, Number.NEGATIVE_INFINITY];
  words.forEach((own, i) => {
    const sum = words.reduce((total, other, j) => (j === i ? total : total + smoothedBleu(own, other)), 0);
    // Sums of the same terms in another order differ by rounding.
    if (sum > most + 1e-9) [best, most] = [i, sum];
  });
  return best;
}
