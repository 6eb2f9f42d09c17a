import { UserError } from "../platform/errors.js";
import { shown } from "../platform/shown.js";
import { fixLength, type Tokenizer } from "./tokenizer.js";

const END = "[END]";
/** What a caption says for a word that its vocabulary lacks. No text has it as a word: brackets are signs. */
export const UNKNOWN = "[UNK]";
const WORD = /[\p{L}\p{M}\p{N}]+(?:['-][\p{L}\p{M}\p{N}]+)*/gu;

/** Letters of scripts that put no spaces between words: Chinese, Japanese, Thai, Khmer, Lao, Burmese. */
const SPACELESS =
  /[\p{scx=Han}\p{scx=Hira}\p{scx=Kana}\p{scx=Thai}\p{scx=Khmr}\p{scx=Laoo}\p{scx=Mymr}][\p{scx=Han}\p{scx=Hira}\p{scx=Kana}\p{scx=Thai}\p{scx=Khmr}\p{scx=Laoo}\p{scx=Mymr}\p{M}]*/gu;

/**
 * The words of a text: Unicode NFKC, lower case, curly apostrophes made straight, Unicode hyphens made "-". A
 * word is a run of letters, marks and digits; apostrophes and hyphens belong to it only between two such runs
 * ("women's", "medium-light"). All other signs separate words and vanish. Runs in scripts without spaces between words
 * are words by the dictionaries of `Intl.Segmenter`.
 *
 * Words are their own words: `words(words(text).join(" "))` equals `words(text)` for every text.
 */
export function words(text: string): string[] {
  return (normalForm(text).match(WORD) ?? []).flatMap(wordsOfRun);
}

/**
 * The words of a run of letters, marks and digits in normal form: one, but for scripts without spaces. Which parts are
 * segmented depends on the script of their letters alone, never on the language of the system or of a page.
 *
 * The dictionaries are those of ICU, which Node and Chromium share: the same words in both (test/browser/words.test.ts). Other
 * browsers have dictionaries of their own, and may cut such captions otherwise; trained models bring their vocabulary along, so
 * this touches only what a page segments itself: captions to train on, references, templates.
 */
export function wordsOfRun(run: string): string[] {
  // The first of these letters is Thai's; most captions need no closer look.
  if (!/[\u0e00-\uffff]/.test(run) || run.search(SPACELESS) < 0) return [run];
  const found: string[] = [];
  let end = 0;
  for (const { 0: part, index } of run.matchAll(SPACELESS)) {
    found.push(...(run.slice(end, index).match(WORD) ?? []), ...segmented(part));
    end = index + part.length;
  }
  return [...found, ...(run.slice(end).match(WORD) ?? [])];
}

let segmenter: Intl.Segmenter | null | undefined;

/** Cuts until no part is cut any more: alone, a word may look like two. */
function segmented(part: string): string[] {
  segmenter ??= "Segmenter" in Intl ? new Intl.Segmenter("en", { granularity: "word" }) : null;
  if (segmenter === null) return [part];
  // Dictionaries have the vowel signs am of Thai and Lao whole, NFKC takes them apart.
  const whole = part.replace(/\u0e4d\u0e32/g, "\u0e33").replace(/\u0ecd\u0eb2/g, "\u0eb3");
  const parts = [...segmenter.segment(whole)].map(({ segment }) => segment.normalize("NFKC"));
  return parts.length < 2 ? [part] : parts.flatMap(segmented);
}

/**
 * A text as its words are read off it. Repeats the normalisation until nothing changes: the lower case of some letters composes
 * with the marks that follow.
 */
export function normalForm(text: string): string {
  for (;;) {
    const plain = text
      .normalize("NFKC")
      .toLowerCase()
      .replace(/[\u2018\u2019\u02bc]/g, "'")
      .replace(/[\u2010\u2011]/g, "-");
    if (plain === text) return plain;
    text = plain;
  }
}

/** The text as the word tokenizer sees it: its `words` joined by single spaces. */
export function normalizeCaption(text: string): string {
  return words(text).join(" ");
}

/** One token a word. Words that were too rare when the vocabulary was built become [UNK]. */
export class WordTokenizer implements Tokenizer {
  readonly name = "words";
  readonly vocabularySize: number;
  readonly endId = 0;
  readonly unknownId = 1;
  readonly #tokens: readonly string[];
  readonly #ids: ReadonlyMap<string, number>;

  /** `vocabulary`: distinct normalised words; word i gets id i + 2, after END (0) and [UNK] (1). */
  constructor(vocabulary: readonly string[]) {
    this.#tokens = [END, UNKNOWN, ...vocabulary];
    this.#ids = new Map(this.#tokens.map((token, id) => [token, id]));
    if (this.#ids.size !== this.#tokens.length) throw new Error("the vocabulary names a word twice");
    this.vocabularySize = this.#tokens.length;
  }

  /**
   * A vocabulary of the words that occur at least `minimumCount` times in `captions`, most frequent first,
   * ties by code point: the same captions in any order give the same ids.
   */
  static build(captions: Iterable<string>, options: { minimumCount?: number } = {}): WordTokenizer {
    const minimum = options.minimumCount ?? 1;
    const counts = new Map<string, number>();
    for (const caption of captions) {
      for (const word of words(caption)) counts.set(word, (counts.get(word) ?? 0) + 1);
    }
    const kept = [...counts].filter(([, count]) => count >= minimum);
    kept.sort(([a, countA], [b, countB]) => countB - countA || (a < b ? -1 : 1));
    return new WordTokenizer(kept.map(([word]) => word));
  }

  /** The tokenizer that `toJSON` described. `source` names the file in errors. Throws a `UserError`. */
  static fromJSON(value: unknown, source: string): WordTokenizer {
    const fail = (problem: string): never => {
      throw new UserError(`${source} is not a word vocabulary: ${problem}`);
    };
    if (typeof value !== "object" || value === null) return fail(`expected an object`);
    const { tokenizer, words: vocabulary } = value as { tokenizer?: unknown; words?: unknown };
    if (tokenizer !== "words") {
      return fail(`"tokenizer" should be "words", it is ${shown(String(JSON.stringify(tokenizer)))}`);
    }
    if (!Array.isArray(vocabulary)) return fail(`"words" should be a list of words`);
    const seen = new Set<string>();
    for (const [i, word] of vocabulary.entries()) {
      // Not `words`: another system's dictionaries might cut it in two, and the model knows it whole.
      if (
        typeof word !== "string" ||
        normalForm(word) !== word ||
        word.replace(WORD, "") !== "" ||
        word === ""
      ) {
        return fail(`words[${i}] should be one word in lower case, it is ${shown(JSON.stringify(word))}`);
      }
      if (seen.has(word)) return fail(`words[${i}], "${shown(word)}", is there twice`);
      seen.add(word);
    }
    return new WordTokenizer([...seen]);
  }

  toJSON(): { tokenizer: "words"; words: string[] } {
    return { tokenizer: "words", words: this.#tokens.slice(2) };
  }

  encode(caption: string): number[] {
    return words(caption).map((word) => this.#ids.get(word) ?? this.unknownId);
  }

  encodeFixed(caption: string, length: number): Uint32Array {
    return fixLength(this.encode(caption), this.endId, length);
  }

  decode(ids: ArrayLike<number>): string {
    const text: string[] = [];
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i]!;
      if (id === this.endId) break;
      if (id === this.vocabularySize) {
        text.push("_");
        continue;
      }
      const token = this.#tokens[id];
      if (token === undefined) {
        throw new RangeError(
          `token id ${id} at position ${i} is outside the vocabulary of ${this.vocabularySize}`,
        );
      }
      text.push(token);
    }
    return text.join(" ");
  }

  /** What stands for one id: its word, "[END]", "[UNK]" or "[MASK]". */
  word(id: number): string {
    return this.#tokens[id] ?? "[MASK]";
  }

  /** Whether a normalised word is in the vocabulary. */
  has(word: string): boolean {
    return this.#ids.has(word);
  }

  /** The words of a caption that this vocabulary lacks, in order. */
  unknownWords(caption: string): string[] {
    return words(caption).filter((word) => !this.#ids.has(word));
  }
}
