import { UserError } from "../platform/errors.js";
import { shown } from "../platform/shown.js";
import { fixLength, type Tokenizer } from "./tokenizer.js";

const END = "[END]";
const UNKNOWN = "[UNK]";
const WORD = /[\p{L}\p{M}\p{N}]+(?:['-][\p{L}\p{M}\p{N}]+)*/gu;

/**
 * The words of a text: Unicode NFKC, lower case, curly apostrophes made straight, Unicode hyphens made "-". A
 * word is a run of letters, marks and digits; apostrophes and hyphens belong to it only between two such runs
 * ("women's", "medium-light"). All other signs separate words and vanish.
 *
 * Words are their own words: `words(words(text).join(" "))` equals `words(text)` for every text.
 */
export function words(text: string): string[] {
  return normalForm(text).match(WORD) ?? [];
}

/** Repeats the normalisation until nothing changes: the lower case of some letters composes with the marks that follow. */
function normalForm(text: string): string {
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
      if (typeof word !== "string" || words(word).length !== 1 || words(word)[0] !== word) {
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

  /** The words of a caption that this vocabulary lacks, in order. */
  unknownWords(caption: string): string[] {
    return words(caption).filter((word) => !this.#ids.has(word));
  }
}
