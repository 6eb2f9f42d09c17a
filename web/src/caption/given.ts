/** The words that a caption must contain, from the marks that the user made in the one before. */

import type { DenoiseStep, Tokenizer } from "../../../dist/index.js";
import { markOf, wordsOf } from "../caption-words.js";
import type { Mark } from "../word-row.js";
import type { Given } from "./link.js";

/**
 * The words to keep, by their tokens or as typed; null for each token that the model shall choose. If any word is masked, keeps
 * all others (including the [END]s, so that the caption keeps its length); else keeps the locked words. `marks` are where the
 * marked words will stand: a typed word may have more tokens than the one before. `length`: the decoder's L.
 */
export function givenBy(
  last: DenoiseStep,
  marks: ReadonlyMap<number, Mark>,
  tokenizer: Tokenizer,
  length: number,
): { list: Given[]; marks: Map<number, Mark> } {
  const isMasked = [...marks.values()].some(({ kind }) => kind === "masked");
  const list: Given[] = [];
  const moved = new Map<number, Mark>();
  let position = 0;
  for (const word of wordsOf(last, tokenizer)) {
    const mark = markOf(marks, word);
    const tokens = last.tokens.slice(word.from, word.to);
    if (mark) moved.set(position, mark);
    if (mark?.kind === "locked" && mark.word !== word.text) {
      list.push(mark.word);
      position += mark.word === "[END]" ? 1 : tokenizer.encode(mark.word).length;
      continue;
    }
    // [UNK] stands for a word outside the vocabulary: the model chooses again there.
    const isKept = mark ? mark.kind === "locked" : isMasked && word.text !== "[UNK]";
    list.push(...(isKept ? tokens : tokens.map(() => null)));
    position += tokens.length;
  }
  // A longer word pushes the end out.
  const isSpare = (entry: Given | undefined) => entry === null || entry === tokenizer.endId;
  for (; position > length && isSpare(list.at(-1)); position--) list.pop();
  return { list, marks: moved };
}
