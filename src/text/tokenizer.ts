import type { JsonRecord } from "../platform/json.js";
import type { FolderFiles } from "../platform/platform.js";

/**
 * Turns captions into token ids and back. Ids 0 … M−1 are ordinary tokens, M = `vocabularySize`; the
 * diffusion's [MASK] symbol is id M and is not part of the vocabulary.
 *
 * A caption is diffused as a sequence of fixed length. `endId` marks its end and also fills every position
 * after it, so the model learns where captions end as it learns any other word; decoding stops at the first
 * END.
 */
export interface Tokenizer {
  /** The kind of tokenizer, as registered and as written in its JSON ("words", "clip"). */
  readonly name: string;
  /** M: the number of ordinary tokens, END included, [MASK] excluded. */
  readonly vocabularySize: number;
  /** The token that ends a caption and fills the rest of the sequence. */
  readonly endId: number;
  /** The token of any word that the vocabulary lacks; null if there is no such token. */
  readonly unknownId: number | null;
  /** Tokens that no caption holds beside END, such as a start token; absent: none. */
  readonly neverSaid?: readonly number[];
  /** The ids of a caption, without END. */
  encode(caption: string): number[];
  /** Text of the ids before the first END, its words as people write them. A position that still is [MASK] (id M) reads `_`. */
  decode(ids: ArrayLike<number>): string;
  /** Exactly `length` ids: the caption, cut to `length` − 1 tokens if longer, then END to the end. */
  encodeFixed(caption: string, length: number): Uint32Array;
  /** One token for display: a word or a piece of one, "[END]", "[UNK]", or "[MASK]" for id M. */
  word(id: number): string;
  /** The words of a text that the vocabulary cannot spell. */
  unknownWords(text: string): string[];
  /** The words of ids: where each begins, and the position after its last token. [END] and [MASK] are spans by themselves. */
  spans(ids: ArrayLike<number>): Span[];
  /** Whether a word ends with this token (END and [MASK] do). Absent where every token is a word. */
  endsWord?(id: number): boolean;
  /** A plain object for `JSON.stringify`, with `tokenizer: name`, from which the same tokenizer can be restored. */
  toJSON(): JsonRecord & { tokenizer: string };
}

/** A word of a sequence of tokens: its first token, and the position after its last. */
export interface Span {
  from: number;
  to: number;
}

/** What a tokenizer is built from beside captions. */
export interface BuildOptions {
  /** The number of occurrences that a word needs to get a token (`data.minCount`). */
  minimumCount: number;
  /** A file or folder with a vocabulary (`data.vocabulary`); null or absent: none is given. */
  vocabulary?: { readonly path: string; readonly files: FolderFiles } | null;
}

/**
 * A kind of tokenizer: how one is built from captions, and read from a file. Both may load more code first, so that a page
 * without such a tokenizer does not download it.
 */
export interface TokenizerKind {
  /** As in `data.tokenizer` and in the JSON of its tokenizers. */
  readonly name: string;
  /** Builds a tokenizer for captions. */
  build(captions: Iterable<string>, options: BuildOptions): Tokenizer | Promise<Tokenizer>;
  /** Restores a tokenizer from the object of `toJSON`. `source` names the file in errors. Throws a `UserError`. */
  fromJSON(value: unknown, source: string): Tokenizer | Promise<Tokenizer>;
}

/** The size of a vocabulary to read: "1724 words", or "49408 tokens" where words have several. */
export function vocabularyText({ vocabularySize, endsWord }: Tokenizer): string {
  return `${vocabularySize} ${endsWord ? "tokens" : "words"}`;
}

/** `ids` cut or filled to `length`, always ending with at least one END. Throws a RangeError if `length` < 1. */
export function fixLength(ids: readonly number[], endId: number, length: number): Uint32Array {
  if (!Number.isInteger(length) || length < 1) {
    throw new RangeError(`the sequence length must be a positive integer, got ${length}`);
  }
  const fixed = new Uint32Array(length).fill(endId);
  fixed.set(ids.slice(0, length - 1));
  return fixed;
}
