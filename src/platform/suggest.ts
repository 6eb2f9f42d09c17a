/** "Did you mean …?" for misspelled names. */

/** ` (did you mean …?)` with the nearest candidates; "" if none is near. */
export function suggestion(word: string, candidates: readonly string[]): string {
  const ranked = candidates.map((candidate) => {
    // A key without its section is the most common mistake, so compare with the last part alone too.
    const lastPart = candidate.slice(candidate.lastIndexOf(".") + 1);
    const distance = Math.min(editDistance(word, candidate), editDistance(word, lastPart) + 0.5);
    return { candidate, distance };
  });
  const nearest = Math.min(...ranked.map(({ distance }) => distance));
  if (nearest > Math.max(2, word.length / 3)) return "";
  const best = ranked.filter(({ distance }) => distance === nearest).map(({ candidate }) => candidate);
  return ` (did you mean ${best.join(" or ")}?)`;
}

/** Levenshtein distance, case ignored. */
function editDistance(a: string, b: string): number {
  const from = a.toLowerCase();
  const to = b.toLowerCase();
  let row = Array.from({ length: to.length + 1 }, (_, j) => j);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const substitute = row[j - 1]! + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(substitute, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[to.length]!;
}
