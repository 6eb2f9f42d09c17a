import { type CaptionTokenizer, wordsTokenizer } from "./caption-tokenizer.js";
import { checkPairs, countNgrams } from "./ngrams.js";

const LONGEST = 4;
const SIGMA = 6;

/**
 * CIDEr-D (Vedantam et al. 2015) as coco-caption computes it under the name CIDEr: the mean over the corpus
 * and each caption's own score, in 0 … 10. `candidates[i]` is compared with all of `references[i]`; both are
 * tokenized here, by `tokenizer`.
 *
 * For n = 1 … 4 a text is the vector of its n-grams' count · idf, idf = ln(images) − ln(max(1, df)), df = the
 * number of images of which some reference holds the n-gram. The score of candidate h against its references
 * r is
 *
 *   10 · mean_n mean_r Σ_g min(h_g, r_g) r_g / (‖h‖ ‖r‖) · exp(−(l_h − l_r)² / (2 · 6²)),
 *
 * 0 where a norm is 0; l is the number of bigrams, as in coco-caption. Words are not stemmed. idf comes from
 * `corpus`, the references of each image of a corpus that holds these images; by default `references`. With a single
 * image every idf and the score are 0.
 */
export function ciderD(
  candidates: readonly string[],
  references: readonly (readonly string[])[],
  corpus: readonly (readonly string[])[] = references,
  tokenizer: CaptionTokenizer = wordsTokenizer,
): { score: number; each: Float64Array } {
  return ciderBoth(candidates, references, corpus, tokenizer).ciderD;
}

/**
 * CIDEr (Vedantam et al. 2015, equation 2) as the authors' code computes it: as `ciderD`, without clipping and without the
 * penalty on lengths,
 *
 *   10 · mean_n mean_r Σ_g h_g r_g / (‖h‖ ‖r‖).
 *
 * Tables of papers that were made with coco-caption show CIDEr-D under the name CIDEr.
 */
export function cider(
  candidates: readonly string[],
  references: readonly (readonly string[])[],
  corpus: readonly (readonly string[])[] = references,
  tokenizer: CaptionTokenizer = wordsTokenizer,
): { score: number; each: Float64Array } {
  return ciderBoth(candidates, references, corpus, tokenizer).cider;
}

/** `cider` and `ciderD` in one pass over the n-grams, which take most of the time. */
export function ciderBoth(
  candidates: readonly string[],
  references: readonly (readonly string[])[],
  corpus: readonly (readonly string[])[] = references,
  { candidate: said, reference: read, split }: CaptionTokenizer = wordsTokenizer,
): Record<"cider" | "ciderD", { score: number; each: Float64Array }> {
  checkPairs(candidates, references);
  const counted = (list: readonly string[]) => list.map((text) => countNgrams(split(read(text)), LONGEST));
  const lists = references.map(counted);
  const frequency = documentFrequencies(corpus === references ? lists : corpus.map(counted));
  const logImages = Math.log(corpus.length);
  const weigh = (counts: readonly Map<string, number>[]): Weighted => weighted(counts, frequency, logImages);

  const plain = new Float64Array(candidates.length);
  const clipped = new Float64Array(candidates.length);
  for (const [i, candidate] of candidates.entries()) {
    const own = weigh(countNgrams(split(said(candidate)), LONGEST));
    let [sum, clippedSum] = [0, 0];
    for (const counts of lists[i]!) {
      const reference = weigh(counts);
      for (let k = 0; k < LONGEST; k++) {
        sum += cosine(own, reference, k);
        clippedSum += clippedSimilarity(own, reference, k);
      }
    }
    plain[i] = (10 * sum) / (LONGEST * lists[i]!.length);
    clipped[i] = (10 * clippedSum) / (LONGEST * lists[i]!.length);
  }
  return { cider: withMean(plain), ciderD: withMean(clipped) };
}

const withMean = (each: Float64Array) => ({
  score: each.reduce((sum, value) => sum + value, 0) / each.length,
  each,
});

/** A text as CIDEr represents it: one weighted vector and its norm for every n, and its length in bigrams. */
interface Weighted {
  readonly vectors: readonly Map<string, number>[];
  readonly norms: readonly number[];
  readonly length: number;
}

/** For each n-gram the number of images of which some reference holds it. */
function documentFrequencies(
  images: readonly (readonly (readonly Map<string, number>[])[])[],
): Map<string, number> {
  const frequency = new Map<string, number>();
  for (const references of images) {
    const present = new Set<string>();
    for (const counts of references)
      for (const ofLength of counts) for (const ngram of ofLength.keys()) present.add(ngram);
    for (const ngram of present) frequency.set(ngram, (frequency.get(ngram) ?? 0) + 1);
  }
  return frequency;
}

function weighted(
  counts: readonly Map<string, number>[],
  frequency: ReadonlyMap<string, number>,
  logImages: number,
): Weighted {
  const vectors = counts.map((ofLength) => {
    const vector = new Map<string, number>();
    for (const [ngram, count] of ofLength) {
      vector.set(ngram, count * (logImages - Math.log(Math.max(1, frequency.get(ngram) ?? 0))));
    }
    return vector;
  });
  const norms = vectors.map((vector) => {
    let sum = 0;
    for (const x of vector.values()) sum += x * x;
    return Math.sqrt(sum);
  });
  let length = 0;
  for (const count of counts[1]!.values()) length += count;
  return { vectors, norms, length };
}

function clippedSimilarity(candidate: Weighted, reference: Weighted, k: number): number {
  const norm = candidate.norms[k]! * reference.norms[k]!;
  if (norm === 0) return 0;
  let dot = 0;
  for (const [ngram, weight] of candidate.vectors[k]!) {
    const other = reference.vectors[k]!.get(ngram) ?? 0;
    dot += Math.min(weight, other) * other;
  }
  const difference = candidate.length - reference.length;
  return (dot / norm) * Math.exp(-(difference * difference) / (2 * SIGMA * SIGMA));
}

function cosine(candidate: Weighted, reference: Weighted, k: number): number {
  const norm = candidate.norms[k]! * reference.norms[k]!;
  if (norm === 0) return 0;
  let dot = 0;
  for (const [ngram, weight] of candidate.vectors[k]!)
    dot += weight * (reference.vectors[k]!.get(ngram) ?? 0);
  return dot / norm;
}
