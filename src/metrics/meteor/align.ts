/** METEOR's alignment of a caption with a reference: all possible matches of words, and a beam search for the best subset. */

/** What METEOR's modules know of words. Words are in lower case. */
export interface WordMatcher {
  stem(word: string): string;
  /** Whether two different words are synonyms. */
  synonyms(a: string, b: string): boolean;
}

/** The modules in their order: the same word, the same stem, synonyms. */
export const MODULES = 3;

/** A pair of words: position in the caption, and the module that matched it. */
export interface WordMatch {
  readonly at: number;
  readonly module: number;
}

/** The chosen match of each reference word, or null. */
export type Alignment = readonly (WordMatch | null)[];

const BEAM = 40;

/** A partial alignment: the reference words up to some position are decided. */
interface Path {
  readonly matches: (WordMatch | null)[];
  readonly used: boolean[];
  /** Exact matches alone: METEOR adds .5 for others to an integer, which drops it. */
  weight: number;
  chunks: number;
  distance: number;
  /** Position after the last match if the chunk is open, else −1. */
  open: number;
}

/**
 * Aligns `words` with `reference`: each word at most once; as many exact matches as possible, then few chunks, then short
 * distances, by a beam of 40 from left to right. Reproduces the reference program with two of its mistakes: stems and synonyms
 * count nothing in the ranking, and the distance of a match burdens the alternatives after it instead of the path that takes it.
 */
export function align(
  words: readonly string[],
  reference: readonly string[],
  matcher: WordMatcher,
): Alignment {
  const candidates = possibleMatches(words, reference, matcher);
  const covered = new Uint32Array(words.length);
  for (const list of candidates) for (const { at } of list) covered[at]!++;
  // A match without an alternative on either side is certain.
  const fixed = candidates.map((list) => (list.length === 1 && covered[list[0]!.at] === 1 ? list[0]! : null));
  const start: Path = {
    matches: [...fixed],
    used: words.map((_, at) => fixed.some((match) => match?.at === at)),
    weight: 0,
    chunks: 0,
    distance: 0,
    open: -1,
  };
  let paths = [start];
  for (let current = 0; current < reference.length; current++) {
    paths.sort(compare);
    const next: Path[] = [];
    for (const path of paths.slice(0, BEAM)) {
      const certain = fixed[current];
      if (certain) {
        take(path, current, certain);
        path.distance += Math.abs(current - certain.at);
        next.push(path);
        continue;
      }
      for (const match of candidates[current]!) {
        if (path.used[match.at]) continue;
        const taken: Path = { ...path, matches: [...path.matches], used: [...path.used] };
        taken.used[match.at] = true;
        take(taken, current, match);
        path.distance += Math.abs(current - match.at);
        next.push(taken);
      }
      if (path.open !== -1) path.chunks++;
      path.open = -1;
      next.push(path);
    }
    paths = next;
  }
  paths.sort(compare);
  const complete = paths.slice(0, BEAM);
  for (const path of complete) if (path.open !== -1) path.chunks++;
  return complete.sort(compare)[0]!.matches;
}

/** Larger weight, then fewer chunks, then smaller distance. Sorting is stable. */
function compare(a: Path, b: Path): number {
  return b.weight - a.weight || a.chunks - b.chunks || a.distance - b.distance;
}

function take(path: Path, current: number, match: WordMatch): void {
  path.matches[current] = match;
  if (match.module === 0) path.weight++;
  if (path.open !== -1 && match.at !== path.open) path.chunks++;
  path.open = match.at + 1;
}

/** For each reference word its matches: by module, then by position in the caption. */
function possibleMatches(
  words: readonly string[],
  reference: readonly string[],
  matcher: WordMatcher,
): WordMatch[][] {
  const identical = words.length === reference.length && words.every((word, i) => word === reference[i]);
  const stems = identical ? [] : words.map((word) => matcher.stem(word));
  return reference.map((other) => {
    const exact: WordMatch[] = [];
    const stemmed: WordMatch[] = [];
    const synonymous: WordMatch[] = [];
    const stem = identical ? "" : matcher.stem(other);
    for (const [at, word] of words.entries()) {
      if (word === other) exact.push({ at, module: 0 });
      else if (!identical) {
        if (stems[at] === stem) stemmed.push({ at, module: 1 });
        if (matcher.synonyms(word, other)) synonymous.push({ at, module: 2 });
      }
    }
    return [...exact, ...stemmed, ...synonymous];
  });
}

/** Number of runs of matches that are adjacent and in the same order on both sides. */
export function countChunks(alignment: Alignment): number {
  let chunks = 0;
  let open = -1;
  for (const match of alignment) {
    if (match !== null && match.at !== open) chunks++;
    open = match === null ? -1 : match.at + 1;
  }
  return chunks;
}
