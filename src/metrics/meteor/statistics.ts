/** The numbers by which METEOR 1.5 scores a caption against a reference, a line of 23 in the program's own interface. */

import { type Alignment, countChunks, MODULES } from "./align.js";
import { FUNCTION_WORDS } from "./function-words.js";

/** METEOR's parameters for English, task "rank". */
const ALPHA = 0.85;
const BETA = 0.2;
const GAMMA = 0.6;
const DELTA = 0.75;
/** Weights of exact matches, stems, synonyms and paraphrases. */
const WEIGHTS = [1, 0.6, 0.8, 0.6];

/** Places in a row of statistics. For each of the four modules: content words and function words of both sides. */
const [LENGTH, REFERENCE_LENGTH, FUNCTIONS, REFERENCE_FUNCTIONS, FIRST_MODULE] = [0, 1, 2, 3, 4];
const [CHUNKS, MATCHED, REFERENCE_MATCHED] = [20, 21, 22];

/** Numbers in a row of statistics. */
export const METEOR_SUMS = 23;

/**
 * The statistics [`METEOR_SUMS`] of an alignment: lengths of caption and reference, function words of both, then for each module
 * the matched content words of both and function words of both, chunks, matched words of both. Paraphrases are 0.
 */
export function meteorStatistics(
  words: readonly string[],
  reference: readonly string[],
  alignment: Alignment,
): Float64Array {
  const row = new Float64Array(METEOR_SUMS);
  const functions = (list: readonly string[]) => list.filter((word) => FUNCTION_WORDS.has(word)).length;
  row[LENGTH] = words.length;
  row[REFERENCE_LENGTH] = reference.length;
  row[FUNCTIONS] = functions(words);
  row[REFERENCE_FUNCTIONS] = functions(reference);
  for (const [place, match] of alignment.entries()) {
    if (match === null) continue;
    const module = FIRST_MODULE + 4 * match.module;
    row[module + (FUNCTION_WORDS.has(words[match.at]!) ? 2 : 0)]!++;
    row[module + (FUNCTION_WORDS.has(reference[place]!) ? 3 : 1)]!++;
    row[MATCHED]!++;
    row[REFERENCE_MATCHED]!++;
  }
  row[CHUNKS] = countChunks(alignment);
  return row;
}

/**
 * METEOR of the statistics of one caption, or of sums over captions (Denkowski and Lavie 2014), in 0 … 1:
 *
 *   score = (1 − γ (chunks / matches)^β) · F,   F = 1 / ((1 − α)/P + α/R),
 *
 * P and R the weighted matches over the weighted length of caption and reference: content words weigh δ, function words 1 − δ,
 * and a match as much as its module. α = .85, β = .2, γ = .6, δ = .75. 0 where undefined.
 */
export function meteorOf(sums: ArrayLike<number>): number {
  const weightedLength = (length: number, functions: number) =>
    DELTA * (length - functions) + (1 - DELTA) * functions;
  const matches = (side: number) => {
    let sum = 0;
    for (let module = 0; module <= MODULES; module++) {
      const place = FIRST_MODULE + 4 * module + side;
      sum += WEIGHTS[module]! * (DELTA * sums[place]! + (1 - DELTA) * sums[place + 2]!);
    }
    return sum;
  };
  const precision = matches(0) / weightedLength(sums[LENGTH]!, sums[FUNCTIONS]!);
  const recall = matches(1) / weightedLength(sums[REFERENCE_LENGTH]!, sums[REFERENCE_FUNCTIONS]!);
  const mean = 1 / ((1 - ALPHA) / precision + ALPHA / recall);
  const fragments = isComplete(sums) ? 0 : sums[CHUNKS]! / ((sums[MATCHED]! + sums[REFERENCE_MATCHED]!) / 2);
  const score = mean * (1 - GAMMA * fragments ** BETA);
  return Number.isNaN(score) ? 0 : Math.max(0, score);
}

/** Whether every word of both sides matched, in one chunk. */
function isComplete(sums: ArrayLike<number>): boolean {
  return (
    sums[CHUNKS] === 1 && sums[MATCHED] === sums[LENGTH] && sums[REFERENCE_MATCHED] === sums[REFERENCE_LENGTH]
  );
}

/** A row as it enters the sums of a corpus: a complete match adds no chunk. */
export function summand(row: Float64Array): Float64Array {
  const copy = row.slice();
  if (isComplete(row)) copy[CHUNKS] = 0;
  return copy;
}
