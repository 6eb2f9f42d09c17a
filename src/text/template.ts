/** Captions with gaps, for infilling: "a _ _ cat". */

import { UserError } from "../platform/errors.js";
import type { Tokenizer } from "./tokenizer.js";

/**
 * Which of the L positions are given (`at` 1) and with which tokens. `_` is a gap of one word; a template that ends in `…` or
 * `...` leaves the rest of the caption open, otherwise the caption ends where the template does. `gap` is 1 where a `_` stands:
 * that position needs a word and cannot end the caption. Throws a `UserError` for words missing from the vocabulary, or for too
 * many words.
 */
export function parseTemplate(
  template: string,
  tokenizer: Tokenizer,
  length: number,
): { at: Uint32Array; words: Uint32Array; gap: Uint32Array } {
  const open = /(…|\.\.\.)\s*$/.test(template);
  const parts = template
    .replace(/(…|\.\.\.)\s*$/, "")
    .trim()
    .split(/\s+/)
    .filter(Boolean);
  const ids: (number | null)[] = [];
  for (const part of parts) {
    // Signs are not words, also beside a gap: "a _, _ cat".
    const underscores = part.replace(/[^\p{L}\p{M}\p{N}_]/gu, "");
    if (underscores === "_") {
      ids.push(null);
      continue;
    }
    if (underscores.includes("_")) {
      throw new UserError(
        `the template's "${part}" is neither a word nor a gap; write one _ for each gap, with spaces between`,
      );
    }
    const unknown = tokenizer.unknownWords(part);
    if (unknown.length > 0) {
      throw new UserError(
        `the template's word "${unknown[0]}" is not in the model's vocabulary of ${tokenizer.vocabularySize} words`,
      );
    }
    ids.push(...tokenizer.encode(part));
  }
  if (ids.length > length - 1) {
    throw new UserError(
      `the template has ${ids.length} words and gaps; this model's captions have at most ${length - 1}`,
    );
  }
  const at = new Uint32Array(length);
  const words = new Uint32Array(length);
  const gap = Uint32Array.from({ length }, (_, i) => (ids[i] === null ? 1 : 0));
  for (let i = 0; i < length; i++) {
    const id = i < ids.length ? ids[i]! : open ? null : tokenizer.endId;
    if (id === null) continue;
    at[i] = 1;
    words[i] = id;
  }
  return { at, words, gap };
}

/**
 * The same from one entry per position: a word, "[END]", or null for a position to fill. Positions after the last entry are to be
 * filled; no caption ends before the last word.
 */
export function parseWords(
  given: readonly (string | null)[],
  tokenizer: Tokenizer,
  length: number,
): { at: Uint32Array; words: Uint32Array; gap: Uint32Array } {
  if (given.length > length) {
    throw new UserError(`there are ${given.length} words; this model's captions have ${length} positions`);
  }
  const [at, words, gap] = [new Uint32Array(length), new Uint32Array(length), new Uint32Array(length)];
  const last = given.findLastIndex((word) => word !== null && word !== "[END]");
  given.forEach((word, i) => {
    if (word === null) {
      gap[i] = i < last ? 1 : 0;
      return;
    }
    const ids = word === "[END]" ? [tokenizer.endId] : tokenizer.encode(word);
    if (ids.length !== 1) throw new UserError(`"${word}" at position ${i} should be one word`);
    if (tokenizer.unknownWords(word === "[END]" ? "" : word).length > 0) {
      throw new UserError(
        `the word "${word}" is not in the model's vocabulary of ${tokenizer.vocabularySize} words`,
      );
    }
    at[i] = 1;
    words[i] = ids[0]!;
  });
  return { at, words, gap };
}
