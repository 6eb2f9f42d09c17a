/** Captions with gaps, for infilling: "a _ _ cat". */

import { UserError } from "../platform/errors.js";
import type { WordTokenizer } from "./words.js";

/**
 * Which of the L positions are given (`at` 1) and with which tokens. `_` is a gap of one word; a template that ends
 * in `…` or `...` leaves the rest of the caption open, else the caption ends where the template does. `gap` is 1 where
 * a `_` stands: a word has to come there, not the caption's end. Throws a `UserError` for words that the vocabulary does
 * not have, or too many of them.
 */
export function parseTemplate(
  template: string,
  tokenizer: WordTokenizer,
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
    // Signs are no words, also not beside a gap: "a _, _ cat".
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
