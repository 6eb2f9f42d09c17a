/** How captions are sampled: the settings of `sampling`, the options of callers, and the one conversion between them. */

import { type ConfigOf, choice, flag, integer, name, number } from "../config/schema.js";
import { type GuidanceMethod, guidanceMethods } from "../diffusion/guidance.js";
import { maskShapes } from "../diffusion/masking.js";
import { samplers } from "../diffusion/samplers.js";

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
  maskShape: choice(
    "random",
    maskShapes,
    "what mcs masks: positions anywhere, or one rectangle of the code grid of nearly that share",
  ),
  allowUnknown: flag(false, "captions may contain [UNK], for words that were too rare (data.minCount)"),
  sampler: name(
    "ancestral",
    samplers,
    "how words are drawn from step to step (docs/samplers.md); others than ancestral and confidence need mc-diffusion/samplers, which commands have",
  ),
  remask: number(0.1, 0, 1, "share of the words that the sampler remask takes back at each step"),
  candidates: integer(
    1,
    1,
    64,
    "captions drawn of a picture; the one that agrees most with the others is taken; 1 = no choice",
  ),
} as const;

/** The section `sampling` of a configuration. */
export type SamplingConfig = ConfigOf<typeof samplingSettings>;

/** Guidance options of a caller; omitted ones are taken from the model's configuration. */
export interface GuidanceOptions {
  method?: GuidanceMethod | undefined;
  /** ω */
  scale?: number | undefined;
  /** Share of condition positions masked in the partial branch of mcs. */
  maskRate?: number | undefined;
  /** Draws the mask once per picture, or again at every step. */
  maskMode?: SamplingConfig["maskMode"] | undefined;
  /** Masks positions anywhere, or one rectangle of the code grid. */
  maskShape?: SamplingConfig["maskShape"] | undefined;
  /** [S], 1 = a code position hidden from the partial branch of mcs, instead of a random mask. */
  hidden?: ArrayLike<number> | undefined;
}

/** Sampling options of a caller; omitted ones are taken from the model's configuration. */
export interface SamplingOptions {
  /** Denoising steps, at most T. */
  steps?: number | undefined;
  /** A method, or a method with its numbers. */
  guidance?: GuidanceMethod | GuidanceOptions | undefined;
  /** Keeps the most likely words up to this probability mass; 1 = all. */
  topR?: number | undefined;
  /** 0 = always the most likely word. */
  temperature?: number | undefined;
  /** The last step takes the most likely word of each position, or draws it. */
  last?: SamplingConfig["last"] | undefined;
  /** Captions may contain [UNK], which stands for any word missing from the vocabulary. */
  allowUnknown?: boolean | undefined;
  /**
   * Of autoregressive decoders: width of the beam search; 1 = always the likeliest next word, 0 = draw words. Default: 0 if
   * `temperature` or `topR` is given, else the model's.
   */
  beam?: number | undefined;
  /** A name of the registry `samplers`. */
  sampler?: string | undefined;
  /** Share of the words that the sampler `remask` takes back at each step. */
  remask?: number | undefined;
  /** Captions drawn of each picture, of which one is taken; for many pictures only, not for the steps of one. */
  candidates?: number | undefined;
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
    maskShape: SamplingConfig["maskShape"];
    hidden?: ArrayLike<number>;
  };
  topR: number;
  temperature: number;
  last: SamplingConfig["last"];
  allowUnknown: boolean;
  /** Undefined: the model's own. */
  beam?: number | undefined;
  sampler: string;
  remask: number;
  candidates: number;
  seed: number;
}

/** Merges the options with the model's configuration. */
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
      maskShape: guidance.maskShape ?? sampling.maskShape,
      ...(hidden ? { hidden } : {}),
    },
    topR: given.topR ?? sampling.topR,
    temperature: given.temperature ?? sampling.temperature,
    last: given.last ?? sampling.last,
    allowUnknown: given.allowUnknown ?? sampling.allowUnknown,
    beam: given.beam ?? (given.temperature === undefined && given.topR === undefined ? undefined : 0),
    sampler: given.sampler ?? sampling.sampler,
    remask: given.remask ?? sampling.remask,
    candidates: given.candidates ?? sampling.candidates,
    seed: given.seed ?? seed,
  };
}

/** Converts a method or options to options. */
export function guidanceOptions(guidance: SamplingOptions["guidance"] = {}): GuidanceOptions {
  return typeof guidance === "string" ? { method: guidance } : guidance;
}
