/**
 * WordNet 3.0 (Princeton University) as far as the metrics need it: lemmas, their synsets, irregular forms. The data ships as
 * `wordnet/wordnet-3.0.txt.gz`; its licence is beside it. Nothing here loads it: METEOR and the tuple F1 take it as an argument.
 */

/** Parts of speech: noun, verb, adjective, adverb. */
export type WordKind = "n" | "v" | "a" | "r";

/** How WordNet's tagged texts use a word: for each part of speech that it has, how often. */
export type WordUses = Partial<Record<WordKind, number>>;

/**
 * Endings and what replaces them, in the order in which they are tried: of nouns, verbs and adjectives. This is WordNet's own
 * table without its parts of speech, as METEOR uses it.
 */
const ENDINGS: readonly (readonly [string, string])[] = [
  ...([
    ["s", ""],
    ["ses", "s"],
    ["xes", "x"],
    ["zes", "z"],
    ["ches", "ch"],
    ["shes", "sh"],
    ["men", "man"],
    ["ies", "y"],
  ] as const),
  ...([
    ["s", ""],
    ["ies", "y"],
    ["es", "e"],
    ["es", ""],
    ["ed", "e"],
    ["ed", ""],
    ["ing", "e"],
    ["ing", ""],
  ] as const),
  ...([
    ["er", ""],
    ["est", ""],
    ["er", "e"],
    ["est", "e"],
  ] as const),
];

const NONE: readonly number[] = [];

/** Lemmas, synsets and irregular forms. */
export class WordNet {
  /** Lines of the data by word, parsed when first asked for. */
  readonly #lemmas = new Map<string, string>();
  readonly #irregular = new Map<string, string>();
  readonly #synsets = new Map<string, readonly number[]>();

  /** `text`: the content of `wordnet-3.0.txt` (`wordnet/make.mjs` describes it). Throws a RangeError if it is something else. */
  constructor(text: string) {
    let start = 0;
    while (start < text.length) {
      const end = text.indexOf("\n", start);
      const line = text.slice(start, end < 0 ? text.length : end);
      start = end < 0 ? text.length : end + 1;
      const tab = line.indexOf("\t");
      if (tab <= 0) throw new RangeError("the text is not wordnet-3.0.txt: a line has no tab after its word");
      const irregular = line[tab + 1] === ">";
      (irregular ? this.#irregular : this.#lemmas).set(
        line.slice(0, tab),
        line.slice(tab + (irregular ? 3 : 1)),
      );
    }
    if (this.#lemmas.size === 0) throw new RangeError("the text has no lemma: it is not wordnet-3.0.txt");
  }

  /** Whether a word in lower case is a lemma. */
  has(word: string): boolean {
    return this.#lemmas.has(word);
  }

  /** The uses of a lemma; empty if it is none. */
  uses(word: string): WordUses {
    const line = this.#lemmas.get(word);
    const uses: WordUses = {};
    for (const [, kind, count] of line?.slice(0, line.indexOf("\t")).matchAll(/([nvar])(\d+)/g) ?? [])
      uses[kind as WordKind] = Number(count);
    return uses;
  }

  /** The lemmas of an irregular form ("went"); otherwise the first that an ending's replacement gives; empty if none does. */
  bases(word: string): readonly string[] {
    const listed = this.#irregular.get(word);
    if (listed !== undefined) return listed.split(" ");
    const base = this.#regularBase(word);
    return base === null ? [] : [base];
  }

  /**
   * The synsets of a word united with those of its bases, as METEOR's dictionary has them: offsets in WordNet's files, in which
   * parts of speech are not kept apart, so that a noun and a verb may share a number by chance.
   */
  synsets(word: string): readonly number[] {
    let found = this.#synsets.get(word);
    if (found === undefined) {
      const sets = new Set(this.#own(word));
      for (const base of this.bases(word)) for (const offset of this.#own(base)) sets.add(offset);
      found = sets.size === 0 ? NONE : [...sets];
      this.#synsets.set(word, found);
    }
    return found;
  }

  /** Whether two words share a synset. */
  related(a: string, b: string): boolean {
    const sets = this.synsets(a);
    return sets.length > 0 && this.synsets(b).some((offset) => sets.includes(offset));
  }

  #own(word: string): readonly number[] {
    const line = this.#lemmas.get(word);
    if (line === undefined) return NONE;
    return line
      .slice(line.indexOf("\t") + 1)
      .split(" ")
      .map((offset) => Number.parseInt(offset, 36));
  }

  #regularBase(word: string): string | null {
    if (word.endsWith("ss") || word.length <= 2) {
      return this.has(word) ? word : null;
    }
    // METEOR looks the ending up in the whole word, so "-ful" changes only what it returns.
    const after = word.endsWith("ful") ? "ful" : "";
    for (const [ending, replacement] of ENDINGS) {
      if (!word.endsWith(ending)) continue;
      const base = word.slice(0, word.length - ending.length) + replacement;
      if (this.has(base)) return base + after;
    }
    return null;
  }
}
