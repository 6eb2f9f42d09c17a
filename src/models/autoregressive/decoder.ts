/**
 * What autoregressive caption decoders share: p(x | y) = Π_i p(x_i | x_0 … x_{i-1}, y), trained with all words known (teacher
 * forcing) and generated one word at a time. A network adds `prepare`, `logits`, `start` and `step`.
 */

import { drawsMasks, mixBranches } from "../../diffusion/guidance.js";
import type { Rng } from "../../engine/ops/rng.js";
import { noGrad } from "../../engine/tensor/tape.js";
import { type Tensor, untracked } from "../../engine/tensor/tensor.js";
import type { CaptionDecoder, GeneratedStep, GenerateOptions, Likelihood } from "../caption-decoder.js";
import type { SamplingSettings } from "../sampling-settings.js";
import { generate } from "./generate.js";
import { captionNats } from "./likelihood.js";
import { AutoregressiveNetwork } from "./network.js";
import { TeacherForcing } from "./objective.js";
import type { AutoregressiveSettings } from "./settings.js";

export abstract class AutoregressiveDecoder extends AutoregressiveNetwork implements CaptionDecoder {
  readonly shows = { alternatives: true, attention: false };

  /** L: each step adds a word. */
  get steps(): number {
    return this.shape.length;
  }

  generate(
    codes: Tensor<"u32">,
    settings: SamplingSettings,
    options: GenerateOptions,
  ): Generator<GeneratedStep, void> {
    return generate(this, codes, settings, options);
  }

  dependsOnSeed({ guidance, beam = this.options.search.beam }: SamplingSettings): boolean {
    // Masks of the weak condition are drawn, whatever the search.
    return beam === 0 || drawsMasks(guidance);
  }

  planStep(pictures: number, { guidance, beam = this.options.search.beam }: SamplingSettings): void {
    const { side, length, vocabulary } = this.shape;
    const rows = 2 * pictures * Math.max(1, beam);
    const of = (shape: number[], label: string): Tensor<"u32"> => untracked(this.gpu, shape, "u32", label);
    noGrad(() => {
      const prepared = this.prepare(of([2 * pictures, side * side], "codes"));
      const { logits } = this.step(this.start(prepared, rows), of([rows], "words"), length - 1, prepared);
      mixBranches(logits.reshape([rows, vocabulary]), guidance.scale);
    });
  }

  /** The exact −log p of captions: no step of a chain is estimated. */
  get likelihood(): Likelihood {
    return {
      prior: 0,
      steps: 1,
      bound: (captions, codes, { onBatch }) => captionNats(this, captions, codes, onBatch),
    };
  }

  objective(settings: AutoregressiveSettings, random: Rng): TeacherForcing {
    return new TeacherForcing(this, settings, random);
  }
}
