/** Sizes and variants of the caption decoder's network. */

import type { Float } from "../../engine/gpu/kernel.js";

/** Sizes of the caption decoder. */
export interface DecoderShape {
  /** M: ordinary tokens. Id M is the caption's [MASK], which the network reads but never predicts. */
  vocabulary: number;
  /** L: caption length in tokens. */
  length: number;
  /** K: image codes. Id K is the condition's [MASK]. */
  codes: number;
  /** The code grid is side × side, S = side² positions. */
  side: number;
  /** T */
  timesteps: number;
  /** d */
  dim: number;
  blocks: number;
  heads: number;
  mlpRatio: number;
  /** Residual 3×3 convolutions over the code grid, before those blocks and the summary; default 0, as in the paper. */
  conditionConvs?: number;
  /** Blocks of self-attention over the condition before the caption reads it; 0 as in the paper. */
  conditionBlocks: number;
  /** Entries that summarise the whole code grid, beside its positions; 0 as in the paper. */
  summaryTokens: number;
  dropout: number;
  /** Width of a code vector if the decoder uses the tokenizer's code vectors; null: it learns a separate table. */
  codeDim: number | null;
  /**
   * The table that the network reads tokens from: its own (default); its own, whose first M rows are the head's weights too; or
   * CLIP's, which is not trained and which `loadTokenTable` sets.
   */
  tokenEmbedding?: "learned" | "tied" | "clip";
  /** The embedding of t for the adaptive norms: a learned table for each (default), or sinusoids, which are not trained. */
  timeEmbedding?: "learned" | "sinusoidal";
  /**
   * What tells the places of the code grid apart: a vector for the row and one for the column (default), or one for each. With
   * `waves` it is the first, and `waves` of the place, not trained, are added to what comes out of the condition's encoder, of
   * hidden codes too: convolutions bury where a place is under what it shows.
   */
  codePositions?: "grid" | "each" | "waves";
  /** Content of a masked condition position: a learned vector at its place, or zeros. */
  filler: "learned" | "zeros";
  /**
   * Element type of the weights of large products, and of their inputs and the values passed between them; default float32. With
   * float16 these stay float32: convolutions, sums, softmax, statistics, the residual stream, embeddings, time modulation, logits, losses and
   * all gradients.
   */
  precision?: Float;
  /**
   * For captions of numbers instead of tokens: a position enters as `inputs` numbers and leaves as `outputs`, by linear maps in
   * place of the tables over the vocabulary.
   */
  vectors?: { inputs: number; outputs: number };
}
