/** What can be chosen when captions are drawn. */

import type { Config } from "../config/config.js";

/** How the captions of many pictures are drawn. What is left out is as in the model's configuration. */
export interface CaptionOptions {
  /** Denoising steps, at most T. */
  steps?: number;
  guidance?: Config["sampling"]["guidance"];
  /** ω */
  scale?: number;
  /** Keep the most likely words up to this probability mass; 1 = all. */
  topR?: number;
  /** 0 = always the most likely word. */
  temperature?: number;
  /** The last step takes the most likely word of each position, or draws it. */
  last?: Config["sampling"]["last"];
  maskMode?: Config["sampling"]["maskMode"];
  maskRate?: number;
  /** Captions may hold [UNK], which stands for any word that is not in the vocabulary. */
  allowUnknown?: boolean;
  seed?: number;
  /** Words that stay and gaps (`_`) to fill, for example "a _ _ cat". */
  template?: string;
  /** Called after each batch of pictures with how many are done. */
  onBatch?: (done: number) => void;
  /** Called after each denoising step with the tokens [n, L] reached. */
  onStep?: (step: { t: number; tokens: Uint32Array }) => void;
}

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
