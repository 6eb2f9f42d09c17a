import { type CaptionTokenizer, wordsTokenizer } from "./caption-tokenizer.js";
import { countNgrams } from "./ngrams.js";

/** How varied generated captions are, regardless of what is in the pictures. */
export interface Diversity {
  /** Distinct words / all words of the captions (Li et al. 2016), in 0 … 1; NaN without words. */
  readonly distinct1: number;
  /** Distinct pairs of neighbouring words / all such pairs; NaN without pairs. */
  readonly distinct2: number;
  /** Share of captions that equal none of the training captions, token by token; NaN without training captions. */
  readonly newCaptions: number;
  /** Distinct captions / all captions, token by token. */
  readonly distinctCaptions: number;
  /** Mean number of tokens. */
  readonly length: number;
}

/**
 * Diversity of generated captions. `training` are the captions that the model learned from. Throws a RangeError if there is no
 * caption. Distinct-n falls as the number of captions grows: compare only sets of the same size.
 */
export function diversity(
  candidates: readonly string[],
  training: Iterable<string> = [],
  tokenizer: CaptionTokenizer = wordsTokenizer,
): Diversity {
  if (candidates.length === 0) throw new RangeError("diversity needs at least one caption");
  const lists = candidates.map((text) => tokenizer.split(tokenizer.candidate(text)));
  const all = [new Set<string>(), new Set<string>()];
  const totals = [0, 0];
  for (const tokens of lists) {
    for (const [n, counts] of countNgrams(tokens, 2).entries()) {
      for (const [ngram, count] of counts) {
        all[n]!.add(ngram);
        totals[n]! += count;
      }
    }
  }
  const texts = lists.map((tokens) => tokens.join(" "));
  const known = knownCaptions(training, tokenizer);
  return {
    distinct1: all[0]!.size / totals[0]!,
    distinct2: all[1]!.size / totals[1]!,
    newCaptions:
      known.size === 0 ? Number.NaN : texts.filter((text) => !known.has(text)).length / texts.length,
    distinctCaptions: new Set(texts).size / texts.length,
    length: totals[0]! / lists.length,
  };
}

/** Captions that a model learned from, as tokens with single spaces between them. */
export function knownCaptions(
  training: Iterable<string>,
  tokenizer: CaptionTokenizer = wordsTokenizer,
): Set<string> {
  const known = new Set<string>();
  for (const text of training) known.add(tokenizer.split(tokenizer.reference(text)).join(" "));
  return known;
}

/** For each caption whether it is new, 1 or 0, as `newCaptions` counts; NaN without known captions. */
export function newCaptionsEach(
  candidates: readonly string[],
  known: ReadonlySet<string>,
  tokenizer: CaptionTokenizer = wordsTokenizer,
): Float64Array {
  return Float64Array.from(candidates, (text) => {
    if (known.size === 0) return Number.NaN;
    return known.has(tokenizer.split(tokenizer.candidate(text)).join(" ")) ? 0 : 1;
  });
}

/** The number of tokens of each caption, whose mean is `length`. */
export function captionLengths(
  candidates: readonly string[],
  tokenizer: CaptionTokenizer = wordsTokenizer,
): Float64Array {
  return Float64Array.from(candidates, (text) => tokenizer.split(tokenizer.candidate(text)).length);
}
