/**
 * CLIP's byte-pair encoding: a word is the bytes of its UTF-8 text, the last one marked as the end of a word; pairs of symbols
 * are merged in the order of a list of merges until none of the list is left.
 *
 * Ids: 256 byte symbols, the same 256 as ends of words, one token a merge, the start and the end of a text. CLIP's own list has
 * 48,894 merges, so that there are 49,408 tokens.
 */

import { cleanText } from "./clean.js";
import { mergePairs } from "./merge-pairs.js";

/** Merges of CLIP's vocabulary. Its file lists more, which no token is made of. */
export const CLIP_MERGES = 48_894;

/** What ends a word, in lists of merges and tokens. */
export const WORD_END = "</w>";
const START = "<|startoftext|>";
const END = "<|endoftext|>";

/**
 * The words of a cleaned text: a special token, an English contraction, a run of letters, a single digit or number, or a run of
 * other signs. CLIP's expression ignores case: so the long s is an s, and the iota below, U+0345, neither letter nor sign.
 */
const WORD =
  /<\|startoftext\|>|<\|endoftext\|>|'[sſ]|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|(?:(?!\u0345)[^\p{White_Space}\p{L}\p{N}])+/gu;

/** Words kept with their ids. Captions repeat theirs. */
const KEPT_WORDS = 50_000;
const KEPT_LENGTH = 40;

/** The symbols of the 256 bytes, in the order of their ids: printable characters stand for themselves. */
const SYMBOLS: readonly { byte: number; symbol: string }[] = (() => {
  const isPrintable = (byte: number) =>
    (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  const bytes = Array.from({ length: 256 }, (_, byte) => byte);
  return [
    ...bytes.filter(isPrintable).map((byte) => ({ byte, symbol: String.fromCharCode(byte) })),
    ...bytes
      .filter((byte) => !isPrintable(byte))
      .map((byte, i) => ({ byte, symbol: String.fromCharCode(256 + i) })),
  ];
})();

/** A list of merges that makes no vocabulary: `merge` is the index of the wrong one. */
export class MergeError extends Error {
  constructor(
    readonly merge: number,
    problem: string,
  ) {
    super(problem);
  }
}

/** Texts to ids and back, as OpenAI's `SimpleTokenizer` does it; checked against that algorithm in Python. */
export class ClipBpe {
  /** The merges, "left right" in order. */
  readonly merges: readonly string[];
  /** The number of tokens: 514 + merges. */
  readonly size: number;
  readonly startId: number;
  readonly endId: number;
  /** The token texts by id, in byte symbols: "bird</w>". */
  readonly tokens: readonly string[];
  /** Pairs of ids, left · 2²⁰ + right, to the id of what they merge to. Ids rise with the order of the merges. */
  readonly #pairs = new Map<number, number>();
  readonly #idOfByte = new Uint32Array(256);
  readonly #byteOfSymbol = new Map(SYMBOLS.map(({ byte, symbol }) => [symbol, byte]));
  readonly #known = new Map<string, readonly number[]>();

  /** Throws a `MergeError` if a merge is no pair of symbols that exist before it, or makes one a second time. */
  constructor(merges: readonly string[]) {
    this.merges = merges;
    const tokens = SYMBOLS.map(({ symbol }) => symbol);
    tokens.push(...tokens.map((symbol) => symbol + WORD_END));
    const ids = new Map(tokens.map((token, id) => [token, id]));
    merges.forEach((merge, i) => {
      const [left, right, ...more] = merge.split(" ");
      const [a, b] = [ids.get(left ?? ""), ids.get(right ?? "")];
      if (a === undefined || b === undefined || more.length > 0)
        throw new MergeError(i, "it should be two symbols that exist before it");
      const token = `${left}${right}`;
      if (left!.endsWith(WORD_END) || ids.has(token)) {
        throw new MergeError(
          i,
          `its token "${token}" ${ids.has(token) ? "exists already" : "has a word's end inside"}`,
        );
      }
      this.#pairs.set(a * 2 ** 20 + b, tokens.length);
      ids.set(token, tokens.length);
      tokens.push(token);
    });
    SYMBOLS.forEach(({ byte }, id) => {
      this.#idOfByte[byte] = id;
    });
    this.startId = tokens.length;
    this.endId = tokens.length + 1;
    tokens.push(START, END);
    this.tokens = tokens;
    this.size = tokens.length;
  }

  /** The ids of a text, without start and end. A special token in the text, "<|endoftext|>", has its id. */
  encode(text: string): number[] {
    return (cleanText(text).match(WORD) ?? []).flatMap((word) => this.#encodeWord(word));
  }

  #encodeWord(word: string): readonly number[] {
    if (word === START) return [this.startId];
    if (word === END) return [this.endId];
    const known = this.#known.get(word);
    if (known) return known;
    const symbols = Array.from(new TextEncoder().encode(word), (byte) => this.#idOfByte[byte]!);
    symbols[symbols.length - 1]! += 256;
    const ids = mergePairs(symbols, (left, right) => this.#pairs.get(left * 2 ** 20 + right));
    if (word.length <= KEPT_LENGTH) {
      if (this.#known.size >= KEPT_WORDS) this.#known.clear();
      this.#known.set(word, ids);
    }
    return ids;
  }

  /**
   * What CLIP's text encoder reads: start, ids, end, then zeros, `length` in all. A text that is too long is cut before its end.
   */
  context(text: string, length = 77): Uint32Array {
    const ids = new Uint32Array(length);
    const all = [this.startId, ...this.encode(text)].slice(0, length - 1);
    ids.set([...all, this.endId]);
    return ids;
  }

  /** The text of ids as OpenAI's code gives it: each word followed by a space. Bytes that are no UTF-8 become U+FFFD. */
  decode(ids: ArrayLike<number>): string {
    const bytes: number[] = [];
    for (let i = 0; i < ids.length; i++)
      bytes.push(...this.bytesOf(ids[i]!), ...(this.#isWordEnd(ids[i]!) ? [32] : []));
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(Uint8Array.from(bytes));
  }

  /** The bytes of a token. Throws a RangeError if there is none with that id. */
  bytesOf(id: number): number[] {
    const token = this.tokens[id];
    if (token === undefined)
      throw new RangeError(`token id ${id} is outside the vocabulary of ${this.size} tokens`);
    const text = this.#isWordEnd(id) ? token.slice(0, -WORD_END.length) : token;
    return Array.from(text, (symbol) => this.#byteOfSymbol.get(symbol)!);
  }

  /** Whether a word ends with this token. Start and end count as words. */
  endsWord(id: number): boolean {
    return id >= this.startId || this.#isWordEnd(id);
  }

  #isWordEnd(id: number): boolean {
    return id < this.startId && this.tokens[id]!.endsWith(WORD_END);
  }
}
