/** Tiny networks on bits, with random weights, for the tests of Bit Diffusion. */

import type { Gpu } from "../../../dist/engine/gpu/gpu.js";
import { BitDiffusion } from "../../../dist/models/bit-diffusion/bit-diffusion.js";
import type { TrainingRates } from "../../../dist/models/bit-diffusion/objective.js";
import type { BitDiffusionSettings } from "../../../dist/models/bit-diffusion/settings.js";
import type { DecoderShape } from "../../../dist/models/mc-diffusion/decoder-shape.js";
import { randomArray } from "../../harness.js";
import * as reference from "../../reference/decoder.js";

/** 6 tokens in 3 bits: two code words are nobody's. */
export const shape: DecoderShape = {
  vocabulary: 6,
  length: 5,
  codes: 6,
  side: 3,
  timesteps: 10,
  dim: 12,
  heads: 3,
  blocks: 2,
  mlpRatio: 1.5,
  conditionBlocks: 0,
  summaryTokens: 2,
  dropout: 0,
  codeDim: null,
  filler: "learned",
};

export const settings: BitDiffusionSettings = {
  loss: "sigmoid-cross-entropy",
  schedule: "cosine",
  selfConditioning: 0.5,
  step: "ddim",
  timeDifference: 0,
  sameSize: false,
};

export const rates: TrainingRates = {
  pCond: 0.5,
  pMask: 0.5,
  maskRates: "same",
  maskShape: "random",
  pDrop: 0,
  checkpointing: false,
};

/** A network with random numbers in every parameter, and the same in float64: outputs [B, L, b] of inputs [B, L, 2b]. */
export function build(
  gpu: Gpu,
  changes: Partial<BitDiffusionSettings> = {},
  sizes: Partial<DecoderShape> = {},
) {
  const size = { ...shape, ...sizes };
  const decoder = new BitDiffusion(gpu, size, { settings: { ...settings, ...changes }, rates });
  const weights = new Map<string, Float64Array>();
  decoder.parameters().forEach(({ name, tensor }, i) => {
    const matrix = tensor.shape.length >= 2 && !/positions|code|table|bias/.test(name);
    const values = randomArray(500 + i, tensor.size, matrix ? 1.2 / Math.sqrt(tensor.shape.at(-2)!) : 0.5);
    // The reference has the same float32 numbers.
    const stored = Float64Array.from(Float32Array.from(values));
    weights.set(name, stored);
    tensor.write(stored);
  });
  const forward = (
    input: ArrayLike<number>,
    t: ArrayLike<number>,
    codes: ArrayLike<number>,
    changed: reference.Weights = weights,
  ) => reference.decoder(changed, size, input, t, codes);
  return { decoder, weights, forward };
}
