/** Options of drawing captions, the same whether for one picture step by step or for many. */

import type { GivenWords } from "../models/caption-decoder.js";
import type { SamplingOptions } from "../models/sampling-settings.js";
import { parseTemplate, parseWords } from "../text/template.js";
import type { CaptionModel } from "./model.js";
import type { PictureFit } from "./picture-tensor.js";

/** How a caption is drawn. What is left out is as in the model's configuration. */
export interface CaptionOptions extends SamplingOptions {
  /**
   * Infilling: words that stay and gaps to fill, as a text ("a _ _ cat", see `parseTemplate`), or as one entry a position: a word,
   * "[END]", or null for a gap.
   */
  words?: string | readonly (string | null)[] | undefined;
}

/** How the captions of many pictures are drawn. */
export interface BatchOptions extends CaptionOptions {
  /** Called after each batch of pictures with how many are done. */
  onBatch?: ((done: number) => void) | undefined;
  /** Called after each denoising step with the tokens [n, L] reached. */
  onStep?: ((step: { t: number; tokens: Uint32Array }) => void) | undefined;
}

/** How the caption of one picture is drawn and shown. */
export interface DenoiseOptions extends CaptionOptions {
  /** Go on from a noisier state: the step t and its L tokens, id M for [MASK]. */
  from?: { t: number; tokens: ArrayLike<number> } | undefined;
  /** How many of the most probable words to tell of each position; default 0. */
  alternatives?: number | undefined;
  /** Tells where the words look; default false. */
  attention?: boolean | undefined;
  /** How a picture that is not square is fitted. */
  fit?: PictureFit | undefined;
  signal?: AbortSignal | undefined;
  /**
   * Cuts the GPU's work so that a page's own frames wait about this long for it; see `Gpu.sliceMilliseconds`. Recording a
   * step on the CPU is not cut, and neither is a single dispatch: docs/architecture.md has the measured lengths.
   */
  slice?: { milliseconds: number } | undefined;
}

/** A caption as text and as tokens. */
export interface Caption {
  text: string;
  /** The L token ids. */
  tokens: number[];
}

/** Pixels as `ImageData` holds them. */
export interface RgbaPicture {
  width: number;
  height: number;
  /** RGBA, rows from the top. */
  data: Uint8ClampedArray<ArrayBuffer>;
}

/** The given words as the decoder takes them; null if there are none. Throws a `UserError` for those that the model does not know. */
export function givenWords(
  { tokenizer, decoder }: CaptionModel,
  words: CaptionOptions["words"],
): GivenWords | null {
  if (words === undefined) return null;
  const { length } = decoder.shape;
  return typeof words === "string"
    ? parseTemplate(words, tokenizer, length)
    : parseWords(words, tokenizer, length);
}

/** Tokens that captions may not hold. */
export function bannedTokens({ tokenizer }: CaptionModel, allowUnknown: boolean): number[] {
  return allowUnknown || tokenizer.unknownId === null ? [] : [tokenizer.unknownId];
}
