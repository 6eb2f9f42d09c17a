/** How captions are drawn: the settings of `sampling`, the options that people give, and the one way from these to those. */

import { type ConfigOf, choice, flag, integer, number } from "../config/schema.js";
import { type GuidanceMethod, guidanceMethods } from "../diffusion/guidance.js";

/** The section `sampling`. */
export const samplingSettings = {
  steps: integer(25, 1, 10000, "denoising steps; at most decoder.timesteps"),
  guidance: choice(
    "mcs",
    guidanceMethods,
    "none, classifier-free, masked condition with the scale on the full condition, or with it on the partial one as the paper prints it",
  ),
  scale: number(2, 0, 100, "guidance scale ω"),
  topR: number(0.86, 0.001, 1, "keep the most likely words up to this probability mass; 1 = all"),
  temperature: number(1, 0, 100, "temperature of the word probabilities; 0 = always the most likely word"),
  last: choice(
    "argmax",
    ["argmax", "sample"],
    "the last denoising step takes the most likely word of each position, or draws it",
  ),
  maskMode: choice("fixed", ["fixed", "redrawn"], "mask drawn once per picture, or again at every step"),
  maskRate: number(0.1, 0, 1, "share of condition positions masked in the partial branch of mcs"),
  allowUnknown: flag(
    false,
    "captions may hold [UNK], which stands for all words that were too rare (data.minCount)",
  ),
} as const;

export type SamplingConfig = ConfigOf<typeof samplingSettings>;

/** Guidance as people set it; what is left out is as in the model's configuration. */
export interface GuidanceOptions {
  method?: GuidanceMethod | undefined;
  /** ω */
  scale?: number | undefined;
  /** Share of condition positions masked in the partial branch of mcs. */
  maskRate?: number | undefined;
  /** Draws the mask once a picture, or again at every step. */
  maskMode?: SamplingConfig["maskMode"] | undefined;
  /** [S], 1 = a code position that the partial branch of mcs does not see, instead of a mask drawn at random. */
  hidden?: ArrayLike<number> | undefined;
}

/** How a caption is drawn, as people set it; what is left out is as in the model's configuration. */
export interface SamplingOptions {
  /** Denoising steps, at most T. */
  steps?: number | undefined;
  /** A method, or with its numbers. */
  guidance?: GuidanceMethod | GuidanceOptions | undefined;
  /** Keeps the most likely words up to this probability mass; 1 = all. */
  topR?: number | undefined;
  /** 0 = always the most likely word. */
  temperature?: number | undefined;
  /** The last step takes the most likely word of each position, or draws it. */
  last?: SamplingConfig["last"] | undefined;
  /** Captions may hold [UNK], which stands for any word that is not in the vocabulary. */
  allowUnknown?: boolean | undefined;
  seed?: number | undefined;
}

/** The same without gaps. */
export interface SamplingSettings {
  steps: number;
  guidance: {
    method: GuidanceMethod;
    scale: number;
    maskRate: number;
    maskMode: SamplingConfig["maskMode"];
    hidden?: ArrayLike<number>;
  };
  topR: number;
  temperature: number;
  last: SamplingConfig["last"];
  allowUnknown: boolean;
  seed: number;
}

/** The options over the model's configuration. */
export function samplingSettingsOf(
  { sampling, seed }: { readonly sampling: SamplingConfig; readonly seed: number },
  given: SamplingOptions,
): SamplingSettings {
  const guidance = guidanceOptions(given.guidance);
  const { hidden } = guidance;
  return {
    steps: given.steps ?? sampling.steps,
    guidance: {
      method: guidance.method ?? sampling.guidance,
      scale: guidance.scale ?? sampling.scale,
      maskRate: guidance.maskRate ?? sampling.maskRate,
      maskMode: guidance.maskMode ?? sampling.maskMode,
      ...(hidden ? { hidden } : {}),
    },
    topR: given.topR ?? sampling.topR,
    temperature: given.temperature ?? sampling.temperature,
    last: given.last ?? sampling.last,
    allowUnknown: given.allowUnknown ?? sampling.allowUnknown,
    seed: given.seed ?? seed,
  };
}

/** The method or the options as options. */
export function guidanceOptions(guidance: SamplingOptions["guidance"] = {}): GuidanceOptions {
  return typeof guidance === "string" ? { method: guidance } : guidance;
}
