/**
 * Bit Diffusion (arXiv 2208.04202) for captions, on mc-diffusion's network: Gaussian diffusion of analog bits, with
 * self-conditioning. Only the ends of the network differ: a position enters as 2b numbers, its noisy bits and the last estimate
 * of its clean bits, and leaves as b numbers. Time runs over T steps, t/T being the paper's t.
 */

import type { Gpu } from "../../engine/gpu/gpu.js";
import type { Rng } from "../../engine/ops/rng.js";
import { noGrad } from "../../engine/tensor/tape.js";
import { type Tensor, untracked } from "../../engine/tensor/tensor.js";
import type { CaptionDecoder, GeneratedStep, GenerateOptions } from "../caption-decoder.js";
import { AttentionReadout } from "../mc-diffusion/attention-readout.js";
import type { DecoderShape } from "../mc-diffusion/decoder-shape.js";
import type { SamplingSettings } from "../sampling-settings.js";
import { BitDecoder } from "./bit-decoder.js";
import { generate } from "./generate.js";
import { BitObjective, type TrainingRates } from "./objective.js";
import type { BitDiffusionSettings } from "./settings.js";

/** What `BitDiffusion` takes beside the sizes of its network. */
export interface BitDiffusionOptions {
  readonly settings: BitDiffusionSettings;
  /** How training masks the condition, and whether it recomputes blocks. */
  readonly rates: TrainingRates;
  /** `[K, codeDim]`: the tokenizer's frozen codebook, needed if `shape.codeDim` is set. */
  readonly codeVectors?: Tensor | null;
}

/** The caption decoder `model=bit-diffusion`. */
export class BitDiffusion extends BitDecoder implements CaptionDecoder {
  readonly shows = { alternatives: true, attention: true } as const;
  private readonly rates: TrainingRates;

  /** `shape` are the sizes of mc-diffusion's network. */
  constructor(gpu: Gpu, shape: DecoderShape, { settings, rates, codeVectors }: BitDiffusionOptions) {
    super(gpu, shape, settings, codeVectors);
    this.rates = rates;
  }

  /** T */
  get steps(): number {
    return this.shape.timesteps;
  }

  generate(
    codes: Tensor<"u32">,
    settings: SamplingSettings,
    options: GenerateOptions,
  ): Generator<GeneratedStep, void> {
    return generate(this, codes, settings, options);
  }

  planStep(pictures: number): void {
    const { length, side } = this.shape;
    // Twice as many, for guidance.
    const rows = 2 * pictures;
    noGrad(() => {
      const condition = this.prepare(untracked(this.gpu, [rows, side * side], "u32", "codes"));
      const bits = untracked(this.gpu, [rows, length, this.bits], "f32", "bits");
      const output = this.forward(
        this.inputOf(bits, null),
        untracked(this.gpu, [rows], "u32", "t"),
        condition,
      );
      this.scoresOf(output);
    });
  }

  attention(tokens: Tensor<"u32">, t: Tensor<"u32">, codes: Tensor<"u32">): Tensor {
    const readout = new AttentionReadout(this);
    this.forward(this.inputOf(this.bitsOf(tokens), null), t, this.prepare(codes), readout);
    return readout.mean();
  }

  /** The objective. `settings` are those of its kind; the rest of training is in the section `decoder`. */
  objective(settings: BitDiffusionSettings, random: Rng): BitObjective {
    return new BitObjective(this, settings, this.rates, random);
  }
}
