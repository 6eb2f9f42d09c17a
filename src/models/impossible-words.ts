/** The words that a caption may not have at a place, for decoders of every kind. */

import type { GenerateOptions } from "./caption-decoder.js";

/** Added to a logit or a log-probability to exclude a word. */
export const impossible = -1e4;

/**
 * Penalties [L, M] for banned tokens, for an end of the caption in a gap, and for half a word before given ones; null if nothing
 * is excluded.
 */
export function impossibleWords(
  { length, vocabulary }: { readonly length: number; readonly vocabulary: number },
  { endId, banned = [], words = null }: Pick<GenerateOptions, "endId" | "banned" | "words">,
): Float32Array | null {
  if (banned.length === 0 && !words) return null;
  const penalty = new Float32Array(length * vocabulary);
  for (let i = 0; i < length; i++) {
    for (const token of banned) penalty[i * vocabulary + token] = impossible;
    if (words?.gap[i]) penalty[i * vocabulary + endId] = impossible;
    if (words?.ending?.at[i])
      for (const token of words.ending.unfinished) penalty[i * vocabulary + token] = impossible;
  }
  return penalty;
}
