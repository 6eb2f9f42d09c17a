/** Counts of each n-gram (its words joined by a space), for n = 1 … `longest`; element n − 1 holds the counts for n. */
export function countNgrams(tokens: readonly string[], longest: number): Map<string, number>[] {
  const counts: Map<string, number>[] = [];
  /** The n-gram that begins at each token. */
  const ngrams = [...tokens];
  for (let n = 1; n <= longest; n++) {
    const ofLength = new Map<string, number>();
    for (let i = 0; i + n <= tokens.length; i++) {
      if (n > 1) ngrams[i] += ` ${tokens[i + n - 1]}`;
      const ngram = ngrams[i]!;
      ofLength.set(ngram, (ofLength.get(ngram) ?? 0) + 1);
    }
    counts.push(ofLength);
  }
  return counts;
}

/**
 * Throws a RangeError unless there is one candidate for every list of references and none of the lists is
 * empty.
 */
export function checkPairs(candidates: readonly string[], references: readonly (readonly string[])[]): void {
  if (candidates.length === 0) throw new RangeError("a metric needs at least one caption");
  if (candidates.length !== references.length) {
    throw new RangeError(`${candidates.length} captions but ${references.length} lists of references`);
  }
  const empty = references.findIndex((list) => list.length === 0);
  if (empty >= 0) throw new RangeError(`caption ${empty} has no references`);
}
