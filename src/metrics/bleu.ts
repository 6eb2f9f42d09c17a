import { type CaptionTokenizer, wordsTokenizer } from "./caption-tokenizer.js";
import { checkPairs, countNgrams } from "./ngrams.js";

/** coco-caption's protection against 0/0; it also makes BLEU-4 tiny instead of 0 when no 4-gram matches. */
const TINY = 1e-15;
const SMALL = 1e-9;

/** The sums behind BLEU, over a corpus or for one caption: matched_1 … 4, total_1 … 4, c and r. */
export const BLEU_SUMS = 10;

/**
 * BLEU-1 … BLEU-4 of a corpus (Papineni et al. 2002) as coco-caption computes them: element n − 1 is BLEU-n,
 * in 0 … 1. `candidates[i]` is compared with all of `references[i]`; both are tokenized here, by `tokenizer`.
 *
 *   BLEU-n = brevity · (∏_{k≤n} (matched_k + 1e−15) / (total_k + 1e−9))^{1/n}
 *
 * matched_k counts the candidate's k-grams, each at most as often as in the one reference where it is most
 * frequent; total_k counts all its k-grams; both are summed over the corpus. With c the candidates' length
 * and r the sum over captions of the closest reference's length (of two equally close the shorter), brevity =
 * exp(1 − r/c) if c < r, else 1.
 */
export function bleu(
  candidates: readonly string[],
  references: readonly (readonly string[])[],
  tokenizer: CaptionTokenizer = wordsTokenizer,
): [number, number, number, number] {
  return bleuOf(sumRows(bleuCounts(candidates, references, tokenizer)));
}

/** The sum of rows [n, `BLEU_SUMS`]. */
function sumRows(rows: Float64Array): Float64Array {
  const sums = new Float64Array(BLEU_SUMS);
  for (let i = 0; i < rows.length; i++) sums[i % BLEU_SUMS]! += rows[i]!;
  return sums;
}

/**
 * BLEU-1 … BLEU-4 of a corpus and of each caption by itself, with the caption's own lengths in its brevity: `each[n − 1][i]` is
 * BLEU-n of caption i. The corpus's value is not the mean of theirs.
 */
export function bleuEach(
  candidates: readonly string[],
  references: readonly (readonly string[])[],
  tokenizer: CaptionTokenizer = wordsTokenizer,
): { scores: [number, number, number, number]; each: Float64Array[] } {
  const rows = bleuCounts(candidates, references, tokenizer);
  const each = [0, 1, 2, 3].map(() => new Float64Array(candidates.length));
  for (let i = 0; i < candidates.length; i++) {
    const scores = bleuOf(rows.subarray(i * BLEU_SUMS, (i + 1) * BLEU_SUMS));
    for (let n = 0; n < 4; n++) each[n]![i] = scores[n]!;
  }
  return { scores: bleuOf(sumRows(rows)), each };
}

/** The contribution of each caption to the sums of `bleu`: [n, `BLEU_SUMS`]. */
export function bleuCounts(
  candidates: readonly string[],
  references: readonly (readonly string[])[],
  { candidate: said, reference: read, split }: CaptionTokenizer = wordsTokenizer,
): Float64Array {
  checkPairs(candidates, references);
  const rows = new Float64Array(candidates.length * BLEU_SUMS);
  for (const [i, candidate] of candidates.entries()) {
    const row = rows.subarray(i * BLEU_SUMS, (i + 1) * BLEU_SUMS);
    const tokens = split(said(candidate));
    const lists = references[i]!.map((text) => split(read(text)));
    const own = countNgrams(tokens, 4);
    const theirs = lists.map((list) => countNgrams(list, 4));
    for (let k = 0; k < 4; k++) {
      for (const [ngram, count] of own[k]!) {
        const most = Math.max(...theirs.map((counts) => counts[k]!.get(ngram) ?? 0));
        row[k]! += Math.min(count, most);
      }
      row[4 + k] = Math.max(0, tokens.length - k);
    }
    row[8] = tokens.length;
    row[9] = closestLength(
      tokens.length,
      lists.map((list) => list.length),
    );
  }
  return rows;
}

/** BLEU-1 … BLEU-4 from the sums [`BLEU_SUMS`] over a corpus. */
export function bleuOf(sums: ArrayLike<number>): [number, number, number, number] {
  const ratio = (sums[8]! + TINY) / (sums[9]! + SMALL);
  const brevity = ratio < 1 ? Math.exp(1 - 1 / ratio) : 1;
  let product = 1;
  const score = (k: number) => {
    product *= (sums[k]! + TINY) / (sums[4 + k]! + SMALL);
    return product ** (1 / (k + 1)) * brevity;
  };
  return [score(0), score(1), score(2), score(3)];
}

/** The reference length nearest to `length`; of two equally near, the shorter. */
export function closestLength(length: number, references: readonly number[]): number {
  return references.reduce((best, other) => {
    const gain = Math.abs(best - length) - Math.abs(other - length);
    return gain > 0 || (gain === 0 && other < best) ? other : best;
  });
}
