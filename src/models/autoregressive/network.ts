/** What an autoregressive network is to those that train it, generate with it and measure it. */

import type { Gpu } from "../../engine/gpu/gpu.js";
import { Module } from "../../engine/nn/module.js";
import type { Rng } from "../../engine/ops/rng.js";
import type { Tensor } from "../../engine/tensor/tensor.js";
import type { CaptionDecoder } from "../caption-decoder.js";
import type { ConditionMasking } from "../mc-diffusion/condition-masking.js";
import { picturesAtOnce } from "../pictures-at-once.js";
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

/** p(x_i | x_0 … x_{i-1}, y), for all places at once or one after the other. */
export abstract class AutoregressiveNetwork extends Module {
  readonly shape: CaptionDecoder["shape"];
  readonly options: AutoregressiveOptions;

  constructor(gpu: Gpu, shape: CaptionDecoder["shape"], options: AutoregressiveOptions) {
    super(gpu);
    this.shape = shape;
    this.options = options;
  }

  /** See `CaptionDecoder.wordAxes`. */
  abstract readonly wordAxes: Readonly<Record<string, number>>;

  /** See `CaptionDecoder`. Here the logits [L, M] alone count; a network that keeps much of a picture counts that, too. */
  get picturesAtOnce(): number {
    const { length, vocabulary } = this.shape;
    return picturesAtOnce({ kept: 1, largest: length * vocabulary });
  }

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
}
