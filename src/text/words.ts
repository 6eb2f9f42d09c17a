import { UserError } from "../platform/errors.js";
import { shown } from "../platform/shown.js";
import { fixLength, type Span, type Tokenizer } from "./tokenizer.js";

const END = "[END]";
/** Stands in a caption for a word missing from the vocabulary. No text has it as a word: brackets are signs. */
export const UNKNOWN = "[UNK]";
const WORD = /[\p{L}\p{M}\p{N}]+(?:['-][\p{L}\p{M}\p{N}]+)*/gu;

/** Runs in scripts without spaces between words: Chinese, Japanese, Thai, Khmer, Lao, Burmese. */
const SPACELESS =
  /[\p{scx=Han}\p{scx=Hira}\p{scx=Kana}\p{scx=Thai}\p{scx=Khmr}\p{scx=Laoo}\p{scx=Mymr}][\p{scx=Han}\p{scx=Hira}\p{scx=Kana}\p{scx=Thai}\p{scx=Khmr}\p{scx=Laoo}\p{scx=Mymr}\p{M}]*/gu;
/** A letter with its marks. */
const LETTER = /[^\p{M}]\p{M}*|\p{M}+/gu;

/**
 * The words of a text: Unicode NFKC, lower case, curly apostrophes made straight, Unicode hyphens made "-". A word is a run of
 * letters, marks and digits; apostrophes and hyphens belong to it only between two such runs ("women's", "medium-light"). All
 * other signs separate words and are dropped. Runs in scripts without spaces between words are segmented by the dictionaries of
 * `Intl.Segmenter`.
 *
 * The function is idempotent: `words(words(text).join(" "))` equals `words(text)` for every text.
 *
 * Whether a run is segmented depends on the script of the letters, never on the language of a system or page; where it is
 * segmented depends on the system's version of ICU (Khmer and Lao differ between Node 20 and Chromium 147). Dictionaries
 * therefore only propose the words of a vocabulary: a `WordTokenizer` segments by its vocabulary, and scores count letters
 * (`lettersOfRun`), the same everywhere.
 */
export function words(text: string): string[] {
  return runs(text).flatMap(({ text: run, spaceless }) => (spaceless ? segmented(run) : [run]));
}

/** A run of letters, marks and digits in normal form, and whether its script has no spaces between words. */
interface Run {
  readonly text: string;
  readonly spaceless: boolean;
}

function runs(text: string): Run[] {
  return (normalForm(text).match(WORD) ?? []).flatMap(partsOfRun);
}

function partsOfRun(run: string): Run[] {
  // Thai has the first of these letters; most captions need no further check.
  if (!/[\u0e00-\uffff]/.test(run)) return [{ text: run, spaceless: false }];
  const parts: Run[] = [];
  const other = (text: string) => {
    for (const part of text.match(WORD) ?? []) parts.push({ text: part, spaceless: false });
  };
  let end = 0;
  for (const { 0: text, index } of run.matchAll(SPACELESS)) {
    other(run.slice(end, index));
    parts.push({ text, spaceless: true });
    end = index + text.length;
  }
  other(run.slice(end));
  return parts;
}

/** A run of letters, marks and digits in normal form; in scripts without spaces, each letter with its marks separately. */
export function lettersOfRun(run: string): string[] {
  return partsOfRun(run).flatMap(({ text, spaceless }) => (spaceless ? (text.match(LETTER) ?? []) : [text]));
}

let segmenter: Intl.Segmenter | null | undefined;

/** Segments repeatedly until no part can be split: a word by itself may look like two. */
function segmented(part: string): string[] {
  segmenter ??= "Segmenter" in Intl ? new Intl.Segmenter("en", { granularity: "word" }) : null;
  if (segmenter === null) return [part];
  // Dictionaries contain the vowel signs am of Thai and Lao as one character; NFKC decomposes them.
  const whole = part.replace(/\u0e4d\u0e32/g, "\u0e33").replace(/\u0ecd\u0eb2/g, "\u0eb3");
  const parts = [...segmenter.segment(whole)].map(({ segment }) => segment.normalize("NFKC"));
  return parts.length < 2 ? [part] : parts.flatMap(segmented);
}

/**
 * Normalises a text before words are extracted. Repeats until nothing changes, because the lower case of some letters composes
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

/** One token per word. Words that were too rare when the vocabulary was built become [UNK]. */
export class WordTokenizer implements Tokenizer {
  readonly name = "words";
  readonly vocabularySize: number;
  readonly endId = 0;
  readonly unknownId = 1;
  readonly #tokens: readonly string[];
  readonly #ids: ReadonlyMap<string, number>;
  /** Letters of the longest word. */
  readonly #longest: number;

  /** `vocabulary`: distinct normalised words; word i gets id i + 2, after END (0) and [UNK] (1). */
  constructor(vocabulary: readonly string[]) {
    this.#tokens = [END, UNKNOWN, ...vocabulary];
    this.#ids = new Map(this.#tokens.map((token, id) => [token, id]));
    if (this.#ids.size !== this.#tokens.length) throw new Error("the vocabulary names a word twice");
    this.vocabularySize = this.#tokens.length;
    this.#longest = this.#tokens.reduce((most, token) => Math.max(most, token.match(LETTER)?.length ?? 0), 0);
  }

  /**
   * Builds a vocabulary of the words that occur at least `minimumCount` times in `captions`, most frequent first, ties by code
   * point: the same captions in any order give the same ids.
   */
  static build(
    captions: Iterable<string>,
    options: { minimumCount?: number | undefined } = {},
  ): WordTokenizer {
    const minimum = options.minimumCount ?? 1;
    const counts = new Map<string, number>();
    for (const caption of captions) {
      for (const word of words(caption)) counts.set(word, (counts.get(word) ?? 0) + 1);
    }
    const kept = [...counts].filter(([, count]) => count >= minimum);
    kept.sort(([a, countA], [b, countB]) => countB - countA || (a < b ? -1 : 1));
    return new WordTokenizer(kept.map(([word]) => word));
  }

  /** Restores a tokenizer from the object of `toJSON`. `source` names the file in errors. Throws a `UserError`. */
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
      // Does not use `words`: another system's dictionaries might split it in two, while the model knows it as one.
      if (
        typeof word !== "string" ||
        normalForm(word) !== word ||
        word.replace(WORD, "") !== "" ||
        word === ""
      ) {
        return fail(`words[${i}] should be one word in lower case, it is ${shown(JSON.stringify(word))}`);
      }
      if (seen.has(word)) return fail(`words[${i}], "${shown(word)}", occurs twice`);
      seen.add(word);
    }
    return new WordTokenizer([...seen]);
  }

  toJSON(): { tokenizer: "words"; words: string[] } {
    return { tokenizer: "words", words: this.#tokens.slice(2) };
  }

  encode(caption: string): number[] {
    return this.#cut(caption).map(({ id }) => id);
  }

  /** The words of a caption with their ids. */
  #cut(caption: string): { word: string; id: number }[] {
    return runs(caption).flatMap(({ text, spaceless }) =>
      spaceless ? this.#cutByVocabulary(text) : [{ word: text, id: this.#ids.get(text) ?? this.unknownId }],
    );
  }

  /**
   * Segments a run without spaces into words of this vocabulary: as few leftover letters as possible, then as few words as
   * possible, then the longest first. Adjacent leftover letters form one unknown word.
   */
  #cutByVocabulary(run: string): { word: string; id: number }[] {
    const letters = run.match(LETTER) ?? [];
    /**
     * The best segmentation from each letter on: leftover letters, words, and the end of the first word (negative: a leftover
     * letter).
     */
    const best: { left: number; words: number; next: number }[] = [];
    best[letters.length] = { left: 0, words: 0, next: 0 };
    for (let i = letters.length - 1; i >= 0; i--) {
      const rest = best[i + 1]!;
      let found = { left: rest.left + 1, words: rest.words, next: -(i + 1) };
      let word = "";
      for (let end = i + 1; end <= Math.min(letters.length, i + this.#longest); end++) {
        word += letters[end - 1]!;
        if (!this.#ids.has(word)) continue;
        const { left, words } = best[end]!;
        if (left < found.left || (left === found.left && words + 1 <= found.words))
          found = { left, words: words + 1, next: end };
      }
      best[i] = found;
    }
    const cut: { word: string; id: number }[] = [];
    let unknown = "";
    const endUnknown = () => {
      if (unknown !== "") cut.push({ word: unknown, id: this.unknownId });
      unknown = "";
    };
    for (let i = 0; i < letters.length; i = Math.abs(best[i]!.next)) {
      const { next } = best[i]!;
      if (next < 0) {
        unknown += letters[i]!;
        continue;
      }
      endUnknown();
      const word = letters.slice(i, next).join("");
      cut.push({ word, id: this.#ids.get(word)! });
    }
    endUnknown();
    return cut;
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

  /** The text of one id: its word, "[END]", "[UNK]" or "[MASK]". */
  word(id: number): string {
    return this.#tokens[id] ?? "[MASK]";
  }

  /** Every token is a word. */
  spans(ids: ArrayLike<number>): Span[] {
    return Array.from({ length: ids.length }, (_, from) => ({ from, to: from + 1 }));
  }

  /** The words of a caption missing from this vocabulary, in order. */
  unknownWords(caption: string): string[] {
    return this.#cut(caption).flatMap(({ word, id }) => (id === this.unknownId ? [word] : []));
  }
}
