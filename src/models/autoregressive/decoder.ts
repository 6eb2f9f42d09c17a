/**
 * What autoregressive caption decoders share: p(x | y) = Π_i p(x_i | x_0 … x_{i-1}, y), trained with all words known (teacher
 * forcing) and generated one word at a time. A network adds `prepare`, `logits`, `start` and `step`.
 */

import { mixBranches } from "../../diffusion/guidance.js";
import type { Gpu } from "../../engine/gpu/gpu.js";
import { Module } from "../../engine/nn/module.js";
import type { Rng } from "../../engine/ops/rng.js";
import { noGrad } from "../../engine/tensor/tape.js";
import { type Tensor, untracked } from "../../engine/tensor/tensor.js";
import type { CaptionDecoder, GeneratedStep, GenerateOptions, Likelihood } from "../caption-decoder.js";
import type { SamplingSettings } from "../sampling-settings.js";
import { generate } from "./generate.js";
import { captionNats } from "./likelihood.js";
import { type ConditionMasking, TeacherForcing } from "./objective.js";
import type { AutoregressiveSettings } from "./settings.js";

/** What every autoregressive decoder is made with. */
export interface AutoregressiveOptions {
  /** The id of [END]. */
  endId: number;
  /** How captions are generated unless a caller says otherwise. */
  search: Pick<AutoregressiveSettings, "beam" | "lengthPower">;
  /** Masking of the condition in training, as for mc-diffusion: without it guidance has nothing to compare with. */
  masking: ConditionMasking;
  /** Keeps less for the gradient and computes it again. */
  checkpointing: boolean;
}

/** A forward pass of training. */
export interface LogitsCall {
  /** Switches dropout on. */
  random?: Rng | null;
  checkpointing?: boolean;
}

export abstract class AutoregressiveDecoder extends Module implements CaptionDecoder {
  readonly shape: CaptionDecoder["shape"];
  readonly options: AutoregressiveOptions;
  readonly shows = { alternatives: true, attention: false };

  constructor(gpu: Gpu, shape: CaptionDecoder["shape"], options: AutoregressiveOptions) {
    super(gpu);
    this.shape = shape;
    this.options = options;
  }

  /** L: each step adds a word. */
  get steps(): number {
    return this.shape.length;
  }

  abstract readonly wordAxes: Readonly<Record<string, number>>;

  /** What a network computes of the codes [P, S] of P pictures once, K for a masked position. */
  abstract prepare(codes: Tensor<"u32">): Tensor[];

  /**
   * Logits [B, L', M] of the next word after each of the inputs [B, L'], M for the start, L' ≤ L. B = R·P captions, those of a
   * picture consecutive.
   */
  abstract logits(inputs: Tensor<"u32">, prepared: readonly Tensor[], call?: LogitsCall): Tensor;

  /** The memory of `rows` captions without a word: tensors whose first axis is the caption. */
  abstract start(prepared: readonly Tensor[], rows: number): Tensor[];

  /**
   * Logits [rows, M] of the word at `place`, after the `words` [rows] (M at the start), with the memory of the words before. A
   * tensor of the memory may be changed in place and returned.
   */
  abstract step(
    memory: readonly Tensor[],
    words: Tensor<"u32">,
    place: number,
    prepared: readonly Tensor[],
  ): { logits: Tensor; memory: Tensor[] };

  generate(
    codes: Tensor<"u32">,
    settings: SamplingSettings,
    options: GenerateOptions,
  ): Generator<GeneratedStep, void> {
    return generate(this, codes, settings, options);
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
