/**
 * Codes that begin as the words they come with: the start of the decoder's code table for `decoder.conditionEmbedding=words`.
 *
 * A caption names what the codes show, so attention must find "a thing that no word names yet" and pass its name on. If codes and
 * words begin as unrelated random vectors, each pair of a code and a word is learned by itself. If a code begins near the words of
 * the captions that it comes with, one map serves all pairs: the identity passes a name on, its negative looks away from what is
 * named. No truth about the picture is used, only training captions and codes.
 */

import type { Tensor } from "../engine/tensor/tensor.js";
import { UserError } from "../platform/errors.js";
import type { StageContext } from "./trainer.js";

/** Pictures of the training split by which a code's words are drawn towards all words: codes seen in few pictures tell little. */
const PRIOR_PICTURES = 5;
/** Information, in nats, at which a code's start is half words and half chance. */
const HALF_INFORMATION = 0.2;

/** Sizes of `codeWords`. */
export interface CodeWordsShape {
  /** S: codes of a picture. */
  positions: number;
  /** K */
  codes: number;
  /** M */
  words: number;
}

/**
 * What each code tells about each word, [K, M] in nats: with p(w|k) the mean share of the captions with word w over pictures that
 * show code k, and p(w) that over all pictures, p(w|k) · max(0, log p(w|k)/p(w)).
 *
 * `codes` [n · S], and for each of the n pictures the ids of its captions. The time is that of the distinct codes times the
 * distinct words of each picture.
 */
export function codeWords(
  codes: Uint32Array,
  captions: readonly (readonly ArrayLike<number>[])[],
  { positions, codes: K, words: M }: CodeWordsShape,
): Float32Array {
  const together = new Float64Array(K * M);
  const shown = new Float64Array(K);
  const said = new Float64Array(M);
  captions.forEach((ofPicture, picture) => {
    const shares = new Map<number, number>();
    for (const ids of ofPicture)
      for (const word of new Set(Array.from(ids)))
        shares.set(word, (shares.get(word) ?? 0) + 1 / ofPicture.length);
    for (const [word, share] of shares) said[word]! += share;
    for (const code of new Set(codes.subarray(picture * positions, (picture + 1) * positions))) {
      shown[code]!++;
      for (const [word, share] of shares) together[code * M + word]! += share;
    }
  });
  const information = new Float32Array(K * M);
  for (let code = 0; code < K; code++) {
    for (let word = 0; word < M; word++) {
      const usual = said[word]! / captions.length;
      if (usual === 0) continue;
      const here = (together[code * M + word]! + PRIOR_PICTURES * usual) / (shown[code]! + PRIOR_PICTURES);
      information[code * M + word] = here * Math.max(0, Math.log(here / usual));
    }
  }
  return information;
}

/**
 * The start of a code table [K, d]: row k is √(1 − s²) · r_k + s · Σ_w i_kw e_w / ‖i_k‖, with the table's random row r_k, the word
 * vectors e_w, the information i of `codeWords`, and s = ‖i_k‖ / (‖i_k‖ + 0.2): a code that tells nothing stays random. Rows keep
 * their size if words are as large as random rows.
 */
export function startFromWords(
  random: Float32Array,
  information: Float32Array,
  words: Float32Array,
  { codes, words: M }: Pick<CodeWordsShape, "codes" | "words">,
): Float32Array {
  const dim = random.length / codes;
  const table = Float32Array.from(random);
  for (let code = 0; code < codes; code++) {
    const told = information.subarray(code * M, (code + 1) * M);
    const norm = Math.sqrt(told.reduce((sum, x) => sum + x * x, 0));
    if (norm === 0) continue;
    const share = norm / (norm + HALF_INFORMATION);
    const row = table.subarray(code * dim, (code + 1) * dim);
    for (let i = 0; i < dim; i++) row[i]! *= Math.sqrt(1 - share * share);
    told.forEach((x, word) => {
      if (x === 0) return;
      for (let i = 0; i < dim; i++) row[i]! += ((share * x) / norm) * words[word * dim + i]!;
    });
  }
  return table;
}

/**
 * Sets the decoder's code table from the codes of the training pictures [n · S] and their captions, if it still has its random start:
 * a table that came with other weights stays. Throws a `UserError` if the decoder has no tables of codes and words of one width.
 */
export async function startCodesFromWords(
  { captioner, dataset }: Pick<StageContext, "captioner" | "dataset">,
  codes: Uint32Array,
): Promise<void> {
  const { decoder, tokenizer, positions } = captioner;
  const named = (last: string) => decoder.parameters().find(({ name }) => name.split(".").at(-1) === last);
  const [ofCodes, ofWords] = [named("codeTable"), named("tokens")];
  if (!ofCodes || !ofWords || ofCodes.tensor.shape[1] !== ofWords.tensor.shape[1])
    throw new UserError(
      "decoder.conditionEmbedding=words needs a decoder that reads codes and words from tables of one width: choose codes or vectors",
    );
  const table = ofCodes.tensor as Tensor;
  const random = ofCodes.initialiser(table.shape, captioner.config.seed, ofCodes.name);
  const before = await table.read();
  if (before.some((value, i) => value !== random[i])) return;
  const shape = { positions, codes: table.shape[0]!, words: tokenizer.vocabularySize };
  const train = dataset.splits.train!;
  const variants = codes.length / positions / train.length;
  const captions = train.flatMap((record) => {
    const ids = dataset.records[record]!.captions.map((caption) => tokenizer.encode(caption));
    return Array.from({ length: variants }, () => ids);
  });
  const words = await (ofWords.tensor as Tensor).read();
  table.write(startFromWords(random, codeWords(codes, captions, shape), words, shape));
}
