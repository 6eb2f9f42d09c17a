/** Options for generating captions, for one picture step by step and for many. */

import type { GenerateOptions, GivenWords } from "../models/caption-decoder.js";
import type { SamplingOptions } from "../models/sampling-settings.js";
import { parseTemplate, parseWords } from "../text/template.js";
import type { CaptionModel } from "./model.js";
import type { ImageFit } from "./picture-tensor.js";

/** How to sample a caption. Omitted options are taken from the model's configuration. */
export interface CaptionOptions extends SamplingOptions {
  /**
   * Infilling: fixed words and gaps to fill, as a text ("a _ _ cat", see `parseTemplate`) or as a list: a word (as many positions
   * as it has tokens), a token id, "[END]", or null for one position to fill.
   */
  words?: string | readonly (string | number | null)[] | undefined;
}

/** How to caption many pictures. */
export interface BatchOptions extends CaptionOptions {
  /** Called after each batch of pictures with the number done so far. */
  onBatch?: ((done: number) => void) | undefined;
  /** Called within each denoising step as `GenerateOptions.watch`, without attention. */
  watch?: GenerateOptions["watch"] | undefined;
  /** Called after each denoising step with the tokens [n, L] reached. */
  onStep?: ((step: { t: number; tokens: Uint32Array }) => void) | undefined;
}

/** How to generate and show the caption of one picture. */
export interface DenoiseOptions extends CaptionOptions {
  /** Continues from a noisier state: the step t and its L tokens, id M for [MASK]. */
  from?: { t: number; tokens: ArrayLike<number> } | undefined;
  /** Number of most probable words to report for each position; default 0. */
  alternatives?: number | undefined;
  /** Reports the attention of the words to the picture; default false. */
  attention?: boolean | undefined;
  /** How to fit a picture that is not square. */
  fit?: ImageFit | undefined;
  signal?: AbortSignal | undefined;
  /**
   * Splits the GPU's work so that a page's own frames wait about this long for it; see `Gpu.sliceMilliseconds`. Recording a step
   * on the CPU is not split, and neither is a single dispatch: docs/limits.md has the measured lengths.
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
export interface RgbaImage {
  width: number;
  height: number;
  /** RGBA, rows from the top. */
  data: Uint8ClampedArray<ArrayBuffer>;
}

/**
 * Converts given words to the decoder's input; null if there are none. Throws a `UserError` for words that the model does not
 * know.
 */
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

/** Tokens excluded from captions. */
export function bannedTokens({ tokenizer }: CaptionModel, allowUnknown: boolean): readonly number[] {
  const { unknownId, neverSaid = [] } = tokenizer;
  return allowUnknown || unknownId === null ? neverSaid : [...neverSaid, unknownId];
}
