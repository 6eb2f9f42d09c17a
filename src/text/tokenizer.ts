/**
 * Turns captions into token ids and back. Ids 0 … M−1 are ordinary tokens, M = `vocabularySize`; the
 * diffusion's [MASK] symbol is id M and is not part of the vocabulary.
 *
 * A caption is diffused as a sequence of fixed length. `endId` marks its end and also fills every position
 * after it, so the model learns where captions end as it learns any other word; decoding stops at the first
 * END.
 */
export interface Tokenizer {
  /** The kind of tokenizer, as written in its JSON ("words"). */
  readonly name: string;
  /** M: the number of ordinary tokens, END included, [MASK] excluded. */
  readonly vocabularySize: number;
  /** The token that ends a caption and fills the rest of the sequence. */
  readonly endId: number;
  /** The ids of a caption, without END. */
  encode(caption: string): number[];
  /** Text of the ids before the first END. A position that still is [MASK] (id M) reads `_`. */
  decode(ids: ArrayLike<number>): string;
  /** Exactly `length` ids: the caption, cut to `length` − 1 tokens if longer, then END to the end. */
  encodeFixed(caption: string, length: number): Uint32Array;
  /** A plain object for `JSON.stringify`, from which the same tokenizer can be made again. */
  toJSON(): unknown;
}

/**
 * `ids` cut or filled to `length`, always closing with at least one END. Throws a RangeError if `length` < 1.
 */
export function fixLength(ids: readonly number[], endId: number, length: number): Uint32Array {
  if (!Number.isInteger(length) || length < 1) {
    throw new RangeError(`the sequence length must be a positive integer, got ${length}`);
  }
  const fixed = new Uint32Array(length).fill(endId);
  fixed.set(ids.slice(0, length - 1));
  return fixed;
}
