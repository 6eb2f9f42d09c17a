/** Settings to start from, by name. */

import type { Config, PartialConfig } from "./config.js";

export const PRESETS = {
  /**
   * Both stages in minutes on two processor cores: shows that everything works, not the quality it can reach. The few steps need
   * high learning rates. A network with this little training captions best without guidance, by the consensus of several captions, of few steps.
   */
  quick: {
    data: { imageSize: 32, subset: 512, maxLength: 12, augment: 2 },
    vqvae: {
      channels: 24,
      codes: 128,
      codeDim: 32,
      downsample: 2,
      decay: 0.95,
      steps: 250,
      batch: 16,
      learningRate: 4e-3,
      warmup: 30,
      restartAfter: 40,
    },
    decoder: {
      dim: 96,
      blocks: 2,
      steps: 1500,
      batch: 32,
      learningRate: 2e-3,
      warmup: 100,
      emaEvery: 5,
    },
    sampling: { guidance: "none", steps: 8, temperature: 0.7, candidates: 8 },
    log: { every: 20, sampleEvery: 0, evaluateEvery: 300, checkpointEvery: 300, keep: 1, scored: 24 },
  },
  /**
   * The model whose weights ship. It is trained for both guidance methods; cfg scored best on it (model card). The weights name
   * another sampler than this preset, which trains models of all kinds.
   */
  emoji: { decoder: { pDrop: 0.1 }, sampling: { guidance: "cfg", scale: 1.25 } },
  /**
   * Both stages on scenes of 48 usual things, in about 20 minutes on two cores: 48×48 pictures as 12×12 codes, which learn to name
   * what they are part of. Longer stages with these sizes made the shipped weights/scenes.
   */
  "scenes-quick": {
    data: { source: "scenes", imageSize: 48, things: 48, subset: 12_000, maxLength: 21, augment: 0 },
    vqvae: {
      channels: 32,
      codes: 512,
      codeDim: 32,
      downsample: 2,
      resBlocks: 2,
      naming: 0.2,
      decay: 0.98,
      steps: 1200,
      learningRate: 3e-3,
    },
    decoder: {
      blocks: 3,
      conditionConvs: 2,
      codePositions: "waves",
      summaryTokens: 0,
      pCond: 0.2,
      pMask: 1,
      maskRates: "drawn",
      pDrop: 0.05,
      steps: 1200,
      captionsPerImage: 4,
      learningRate: 1.5e-3,
    },
    sampling: { guidance: "none", temperature: 0.25, steps: 16 },
    log: { every: 20, sampleEvery: 0, evaluateEvery: 500, checkpointEvery: 500, keep: 1, scored: 24 },
  },
  /** All scenes, for hours or a GPU: 96×96 pictures as 12×12 codes. Scenes differ by themselves, so that nothing is augmented. */
  scenes: {
    data: { source: "scenes", imageSize: 96, things: 627, maxLength: 21, augment: 0 },
    vqvae: { channels: 32, codes: 1024, steps: 20_000, resBlocks: 2, naming: 0.2 },
    decoder: {
      dim: 224,
      blocks: 4,
      heads: 7,
      conditionConvs: 2,
      codePositions: "waves",
      grounding: 1,
      summaryTokens: 0,
      pDrop: 0.1,
      steps: 100_000,
      warmup: 1000,
      learningRate: 5e-4,
    },
    sampling: { guidance: "cfg", scale: 1.25 },
  },
  /**
   * The paper's settings (reference: 122 M parameters on CUB-200 at 256×256), for --data with a folder of photographs and a real
   * GPU. Settings that the paper leaves open are as in VQ-Diffusion; its VQGAN is a VQ-VAE here. 200 epochs of 88 550 captions.
   * With CLIP's files the decoder has 121.9 M trained parameters; see `OF_FILES` for what takes their place.
   */
  paper: {
    data: { imageSize: 256, augment: 0, maxLength: 32, tokenizer: "clip" },
    vqvae: { channels: 64, codes: 2886, codeDim: 256, downsample: 3, resBlocks: 2, steps: 50_000, batch: 16 },
    decoder: {
      dim: 512,
      blocks: 18,
      heads: 8,
      summaryTokens: 0,
      conditionEmbedding: "codes",
      codePositions: "each",
      tokenEmbedding: "clip",
      timeEmbedding: "sinusoidal",
      lambda: 5e-4,
      steps: 138_400,
      batch: 128,
      microBatches: 8,
      learningRate: 4.5e-4,
      warmup: 1000,
      learningRateDecay: "constant",
      emaEvery: 25,
    },
    sampling: { steps: 100 },
    log: { every: 100, sampleEvery: 5000, evaluateEvery: 5000, checkpointEvery: 2000 },
  },
} satisfies Record<string, PartialConfig<Config>>;

/** Sizes used instead if a run in a given time (`minutes`) would have fewer decoder steps than `below`. */
export const SMALLER: { [name in keyof typeof PRESETS]?: { below: number; sizes: PartialConfig<Config> } } = {
  quick: {
    below: 1200,
    sizes: {
      vqvae: { channels: 16, steps: 250 },
      decoder: { dim: 64, blocks: 1, batch: 16, captionsPerImage: 2, steps: 1400 },
    },
  },
};

/** Settings of presets that need a file of the user's, the key that names it, and the value in their place without it. */
export const OF_FILES = {
  "data.tokenizer": { value: "clip", file: "data.vocabulary", instead: "words" },
  "decoder.tokenEmbedding": { value: "clip", file: "decoder.clipWeights", instead: "learned" },
} as const;

/** The name of a preset. */
export type PresetName = keyof typeof PRESETS;
/** The presets by name: sizes and settings of a whole run. */
export const PRESET_NAMES = Object.keys(PRESETS) as PresetName[];
