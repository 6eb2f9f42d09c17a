/** Whether a model finds the words of a true caption likelier than those that would make it false, with all other words given. */

import { SWAPS, type Swap } from "../../data/scenes/swapped.js";
import type { Tokenizer } from "../../text/tokenizer.js";
import type { CaptionPair, Question } from "../caption-pairs.js";
import type { WordModel } from "./looks.js";

/** A true and a false caption, L tokens each, and the positions in which they differ. */
export interface TokenPair {
  readonly truth: Uint32Array;
  readonly lie: Uint32Array;
  readonly differ: readonly number[];
}

/** How a model tells the two apart. */
export interface PairLook {
  readonly swap: Swap;
  /** log p of the true words minus that of the false ones, nats. */
  readonly logOdds: number;
  /** 1 if the true words are likelier, 0 if the false ones are; 0.5 if neither. */
  readonly trueFirst: number;
  /** The same with all codes masked: what the words alone tell. */
  readonly blindTrueFirst: number;
}

/**
 * The tokens of a pair; null where the positions of one are not those of the other, because it has more tokens, and where a caption is
 * cut or a word unknown.
 */
export function tokenPair(
  tokenizer: Pick<Tokenizer, "encode" | "encodeFixed" | "unknownId">,
  length: number,
  { truth, lie }: CaptionPair,
): TokenPair | null {
  const counts = [truth, lie].map((text) => tokenizer.encode(text).length);
  if (counts[0] !== counts[1] || counts[0]! >= length) return null;
  const [a, b] = [tokenizer.encodeFixed(truth, length), tokenizer.encodeFixed(lie, length)];
  const differ = [...a.keys()].filter((i) => a[i] !== b[i]);
  const isUnknown = differ.some((i) => a[i] === tokenizer.unknownId || b[i] === tokenizer.unknownId);
  return differ.length === 0 || isUnknown ? null : { truth: a, lie: b, differ };
}

/** Asks a model about the pairs of a picture with codes [S]. */
export async function tellApart(
  model: WordModel,
  tokenizer: Parameters<typeof tokenPair>[0],
  length: number,
  codes: Uint32Array,
  pairs: Question["pairs"],
): Promise<PairLook[]> {
  const conditions = [codes, new Uint32Array(codes.length).fill(model.maskedCode)];
  const looks: PairLook[] = [];
  for (const swap of SWAPS) {
    const pair = pairs[swap] && tokenPair(tokenizer, length, pairs[swap]);
    if (!pair) continue;
    const hidden = [pair.differ];
    const truth = await model.ask({ tokens: pair.truth, hidden, conditions });
    const lie = await model.ask({ tokens: pair.lie, hidden, conditions });
    const logOdds = (condition: number) =>
      truth.logProbabilities[condition]![0]! - lie.logProbabilities[condition]![0]!;
    const trueFirst = (condition: number) => (1 + Math.sign(logOdds(condition))) / 2;
    looks.push({ swap, logOdds: logOdds(0), trueFirst: trueFirst(0), blindTrueFirst: trueFirst(1) });
  }
  return looks;
}
