/** Settings of the D3PM decoder and of the stage that trains a caption decoder: the section `decoder`. */

import { type ConfigOf, choice, DECAYS, flag, integer, MANY, number, text } from "../../config/schema.js";
import { maskRateKinds, maskShapes } from "../../diffusion/masking.js";
import { schedulePresets } from "../../diffusion/schedule.js";

export const mcDiffusionSettings = {
  dim: integer(128, 8, 4096, "width d (paper: 512)"),
  blocks: integer(4, 1, 64, "transformer blocks (paper: 18)"),
  heads: integer(4, 1, 64, "attention heads; must divide decoder.dim"),
  mlpRatio: number(4, 0.25, 16, "hidden width of the MLP over decoder.dim"),
  conditionConvs: integer(
    0,
    0,
    16,
    "residual 3×3 convolutions over the code grid, before conditionBlocks (paper: 0)",
  ),
  conditionBlocks: integer(0, 0, 64, "blocks of self-attention over the codes (paper: 0)"),
  summaryTokens: integer(8, 0, 1024, "entries that sum up the whole code grid (paper: 0)"),
  dropout: number(0, 0, 0.9, "dropout in training"),
  precision: choice(
    "float32",
    ["float32", "float16"],
    "storage of the weights of large products and of the values between them (float16 needs the WebGPU feature shader-f16)",
  ),
  conditionEmbedding: choice(
    "vectors",
    ["codes", "vectors", "words"],
    "the decoder's input for a code: a learned table, the VQ-VAE's frozen code vector, or a learned table that starts from the words that each code comes with",
  ),
  codePositions: choice(
    "grid",
    ["grid", "each", "waves"],
    "vectors of the places of the code grid: for row and column; for each place; or as grid, and sinusoids of both after the convolutions",
  ),
  tokenEmbedding: choice(
    "learned",
    ["learned", "clip", "tied"],
    "the decoder's table of tokens: learned; CLIP's, frozen, from decoder.clipWeights (paper); or learned and shared with the last layer",
  ),
  clipWeights: text(
    "",
    "file of CLIP's weights, for decoder.tokenEmbedding=clip: OpenAI's or Hugging Face's layout",
  ),
  timeEmbedding: choice(
    "learned",
    ["learned", "sinusoidal"],
    "the embedding of t in the adaptive norms: a learned table for each, or VQ-Diffusion's sinusoids",
  ),
  schedule: choice(
    "vq-diffusion-paper",
    schedulePresets,
    "how words are noised: masked and replaced (cumulative mask rate 0 → 0.9), the public code's end points (0.99999), masked only, replaced only",
  ),
  timesteps: integer(100, 2, 10000, "diffusion steps T (paper: 100)"),
  lambda: number(
    0.5,
    0,
    100,
    "weight λ of the auxiliary loss −log p(x0|xt) (VQ-Diffusion: 5e-4, for 200 passes over the data)",
  ),
  adaptiveAuxiliary: flag(true, "λ falls with t: from 2λ at t = 1 towards λ"),
  pCond: number(
    0.1,
    0,
    1,
    "share of the captions, or pictures if captionsPerImage is above 1, whose condition is masked (paper: 0.1)",
  ),
  pMask: number(
    0.1,
    0,
    1,
    "of those, share of the positions masked (paper: 0.1); 1 = classifier-free training",
  ),
  maskRates: choice(
    "same",
    maskRateKinds,
    "that share for every masked caption (paper), or one drawn between 0 and pMask: with pMask=1 one training serves guidance with every share",
  ),
  maskShape: choice(
    "random",
    maskShapes,
    "what is masked in training: positions anywhere (paper), or one rectangle of nearly that share",
  ),
  pDrop: number(
    0,
    0,
    1,
    "share of the captions (as for pCond) that lose the whole condition (paper: 0): with it, cfg works on a model trained for mcs",
  ),
  filler: choice("learned", ["learned", "zeros"], "content of a masked position"),
  grounding: number(
    0,
    0,
    100,
    "weight of the loss that makes words look at what they are about, for data that tell it (scenes); paper: 0",
  ),
  steps: integer(6000, 1, MANY, "training steps"),
  batch: integer(64, 1, 65535, "captions a step (paper: 128)"),
  captionsPerImage: integer(
    1,
    1,
    MANY,
    "captions of a picture in a batch: more save work on the condition, but share its mask (paper: 1). Must divide decoder.batch",
  ),
  microBatches: integer(
    1,
    1,
    65535,
    "parts of a batch whose gradients are added up: less memory. Must divide decoder.batch / decoder.captionsPerImage",
  ),
  checkpointing: flag(
    false,
    "keep only each block's input and run it again for its gradient: less memory, a third more work",
  ),
  learningRate: number(1e-3, 0, 1, "peak learning rate of AdamW (paper: 4.5e-4)"),
  warmup: integer(150, 0, MANY, "steps of linear warm-up (paper: 1000)"),
  learningRateDecay: choice(
    "cosine",
    DECAYS,
    "the learning rate after the warm-up (paper: constant); the last two end at 0",
  ),
  warmupFrom: number(1e-6, 0, 1, "learning rate at the first step of the warm-up (paper: 1e-6)"),
  beta1: number(0.9, 0, 0.99999, "AdamW β1"),
  beta2: number(0.96, 0, 0.99999, "AdamW β2"),
  weightDecay: number(0.045, 0, 10, "AdamW weight decay of the matrices alone"),
  clip: number(0.5, 0, MANY, "largest global gradient norm; 0 = no limit"),
  emaDecay: number(0.99, 0, 0.999999, "decay of the averaged weights that sampling uses; 0 = none"),
  emaEvery: integer(5, 1, MANY, "steps between two updates of the averaged weights"),
  importanceSampling: flag(
    false,
    "draw t by its KL (paper: uniformly), once each was trained more than 10 times; the loss is weighted to make up for it",
  ),
} as const;

/** The section `decoder` of a configuration. */
export type McDiffusionSettings = ConfigOf<typeof mcDiffusionSettings>;
