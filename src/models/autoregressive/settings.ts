/** Settings that every autoregressive decoder has, in the section of its kind. */

import { type ConfigOf, integer, MANY, number } from "../../config/schema.js";

export const autoregressiveSettings = {
  labelSmoothing: number(
    0.1,
    0,
    0.9,
    "ε of label smoothing: share of the target that is spread over all words; 0 = none",
  ),
  scheduledSampling: number(
    0,
    0,
    1,
    "share of the words read in training that the model itself drew, from a first pass without gradient, instead of the caption's; 0 = teacher forcing, without that pass",
  ),
  scheduledSamplingRamp: integer(0, 0, MANY, "steps over which scheduledSampling rises from 0; 0 = none"),
  beam: integer(
    3,
    0,
    64,
    "width of the beam search that captions pictures; 1 = always the likeliest next word, 0 = draw words with sampling.temperature and sampling.topR",
  ),
  lengthPower: number(
    0.7,
    0,
    4,
    "α of the beam search: it ranks captions by log p / (number of words)^α; 0 = by log p, which prefers short captions",
  ),
} as const;

export type AutoregressiveSettings = ConfigOf<typeof autoregressiveSettings>;
