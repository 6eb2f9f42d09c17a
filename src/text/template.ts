/** Captions with gaps, for infilling: "a _ _ cat". */

import { UserError } from "../platform/errors.js";
import type { Tokenizer } from "./tokenizer.js";

/** A template as the decoder takes it: `GivenWords` of src/models/caption-decoder.ts. */
export interface Template {
  at: Uint32Array;
  words: Uint32Array;
  gap: Uint32Array;
  ending?: { at: Uint32Array; unfinished: readonly number[] };
}

/** What a position of a template holds: a given token, or a token to fill in. */
interface Place {
  /** Null: to be filled. */
  readonly id: number | null;
  /** A filled position that must not end the caption. */
  readonly gap?: boolean;
  /** A filled position that must end a word. */
  readonly ending?: boolean;
}

/**
 * Which of the L positions are given (`at` 1) and with which tokens. `_` is a gap of one word. Where words have several tokens, it
 * is filled with a word of one; `_3` is a gap of three tokens, one word or more. A template that ends in `…` or `...` leaves the
 * rest of the caption open, otherwise the caption ends where the template does. `gap` is 1 where a gap is: that position needs a
 * word and cannot end the caption. Throws a `UserError` for words missing from the vocabulary, or for too many.
 */
export function parseTemplate(template: string, tokenizer: Tokenizer, length: number): Template {
  const open = /(…|\.\.\.)\s*$/.test(template);
  const parts = template
    .replace(/(…|\.\.\.)\s*$/, "")
    .trim()
    .split(/\s+/)
    .filter(Boolean);
  const places: Place[] = [];
  for (const part of parts) {
    // Signs are not words, also beside a gap: "a _, _ cat".
    const underscores = part.replace(/[^\p{L}\p{M}\p{N}_]/gu, "");
    const tokens = /^_([1-9]\d{0,3})?$/.exec(underscores);
    if (tokens) {
      const count = Number(tokens[1] ?? 1);
      for (let i = 1; i <= count; i++) places.push({ id: null, gap: true, ending: i === count });
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
    places.push(...tokenizer.encode(part).map((id) => ({ id })));
  }
  if (places.length > length - 1) {
    throw new UserError(
      `the template has ${places.length} ${tokenizer.endsWord ? "tokens" : "words"} and gaps; this model's captions have at most ${length - 1}`,
    );
  }
  const rest = { id: open ? null : tokenizer.endId };
  return laid([...places, ...Array.from({ length: length - places.length }, () => rest)], tokenizer);
}

/**
 * The same from a list: a word, which takes as many positions as it has tokens; a token id; "[END]"; or null for one position to
 * fill. Positions after the last entry are to be filled; no caption ends before the last word, and no word is half one before a
 * given one.
 */
export function parseWords(
  given: readonly (string | number | null)[],
  tokenizer: Tokenizer,
  length: number,
): Template {
  const { endId } = tokenizer;
  const ids = given.flatMap((entry, i) => {
    if (entry === null || entry === "[END]") return [entry && endId];
    if (typeof entry === "number") {
      if (Number.isInteger(entry) && entry >= 0 && entry < tokenizer.vocabularySize) return [entry];
      throw new UserError(`${entry} at position ${i} should be a token id below ${tokenizer.vocabularySize}`);
    }
    const tokens = tokenizer.encode(entry);
    if (tokenizer.spans(tokens).length !== 1)
      throw new UserError(`"${entry}" at position ${i} should be one word`);
    if (tokenizer.unknownWords(entry).length > 0) {
      throw new UserError(
        `the word "${entry}" is not in the model's vocabulary of ${tokenizer.vocabularySize} words`,
      );
    }
    return tokens;
  });
  if (ids.length > length) {
    throw new UserError(
      `there are ${ids.length} ${tokenizer.endsWord ? "tokens" : "words"}; this model's captions have ${length} positions`,
    );
  }
  const last = ids.findLastIndex((id) => id !== null && id !== endId);
  return laid(
    Array.from({ length }, (_, i) => ({
      id: ids[i] ?? null,
      gap: i < last,
      ending: (ids[i + 1] ?? null) !== null,
    })),
    tokenizer,
  );
}

function laid(places: readonly Place[], tokenizer: Tokenizer): Template {
  const marks = (of: (place: Place) => boolean | undefined) =>
    Uint32Array.from(places, (place) => Number(of(place) ?? false));
  const template = {
    at: marks(({ id }) => id !== null),
    words: Uint32Array.from(places, ({ id }) => id ?? 0),
    gap: marks(({ id, gap }) => id === null && gap),
  };
  const ending = marks(({ id, ending }) => id === null && ending);
  if (!tokenizer.endsWord || !ending.includes(1)) return template;
  const tokens = Array.from({ length: tokenizer.vocabularySize }, (_, id) => id);
  return { ...template, ending: { at: ending, unfinished: tokens.filter((id) => !tokenizer.endsWord!(id)) } };
}
