/** The words of a denoising step: each one or more tokens, with what the model says of them together. */

import type { DenoiseStep, Tokenizer } from "../../dist/index.js";

/** A word at its tokens `from` to before `to`. */
export interface Word {
  readonly from: number;
  readonly to: number;
  /** As people read it, or "[END]", "[UNK]" or "[MASK]". */
  readonly text: string;
  /** The product of its tokens' probabilities. */
  readonly probability: number;
  /** Single tokens that are a word and could stand at its place, in descending order of their probability at its first token. */
  readonly alternatives: readonly { readonly word: string; readonly probability: number }[];
}

/** The words of a step, in order. */
export function wordsOf(step: DenoiseStep, tokenizer: Tokenizer): Word[] {
  return tokenizer.spans(step.tokens).map(({ from, to }) => {
    const name = step.words[from]!;
    return {
      from,
      to,
      text: name.startsWith("[") && to === from + 1 ? name : tokenizer.decode(step.tokens.slice(from, to)),
      probability: step.probabilities.slice(from, to).reduce((product, p) => product * p, 1),
      alternatives: (step.alternatives[from] ?? []).filter(
        ({ token }) => tokenizer.endsWord?.(token) ?? true,
      ),
    };
  });
}

/** The attention of a word to the code positions: the mean over its tokens. */
export function attentionOf(
  { data, columns }: NonNullable<DenoiseStep["attention"]>,
  { from, to }: Word,
): Float32Array {
  return Float32Array.from({ length: columns }, (_, column) => {
    let sum = 0;
    for (let row = from; row < to; row++) sum += data[row * columns + column]!;
    return sum / (to - from);
  });
}

/** The mark at one of a word's tokens. */
export function markOf<M>(marks: ReadonlyMap<number, M>, { from, to }: Word): M | undefined {
  for (let at = from; at < to; at++) if (marks.has(at)) return marks.get(at);
  return undefined;
}
