/** Interface of caption decoders, which generate captions from the codes of pictures: the second half of a captioner. */

import type { Gpu } from "../engine/gpu/gpu.js";
import type { Module } from "../engine/nn/module.js";
import type { Rng } from "../engine/ops/rng.js";
import type { Tensor } from "../engine/tensor/tensor.js";
import type { ImageTokenizer } from "./image-tokenizer.js";
import type { ModelKind } from "./model-kind.js";
import type { Objective } from "./objective.js";
import type { SamplingSettings } from "./sampling-settings.js";

export interface CaptionDecoder extends Module {
  readonly shape: {
    /** M: ordinary tokens. Id M is [MASK]. */
    readonly vocabulary: number;
    /** L: tokens of a caption. */
    readonly length: number;
    /** K: image codes. Id K is a masked position of the condition. */
    readonly codes: number;
    /** S = side² codes per picture. */
    readonly side: number;
  };
  /** T: the maximum number of steps for generating a caption. */
  readonly steps: number;
  /** Pictures for which captions are generated, or measured, at once: it bounds the memory. Default: 64. */
  readonly picturesAtOnce?: number;
  /** Outputs that `generate` can provide for a step beside its tokens. */
  readonly shows: { readonly alternatives: boolean; readonly attention: boolean };
  /**
   * Generates captions for codes [B, S], step by step. The codes must live until the generator ends; the tokens of a step are
   * freed when the next one is requested. Records work, reads nothing back.
   */
  generate(
    codes: Tensor<"u32">,
    settings: SamplingSettings,
    options: GenerateOptions,
  ): Generator<GeneratedStep, void>;
  /** Whether captions with these settings depend on their seed. If not, one candidate is enough. Absent: they do. */
  dependsOnSeed?(settings: SamplingSettings): boolean;
  /**
   * Records the ops of a step for `pictures` captions, as `generate` runs them under guidance, to check that the device can run
   * them.
   */
  planStep(pictures: number, settings: SamplingSettings): void;
  /** Attention of caption ids [1, L] (M for [MASK]) to codes [1, S] at step t [1]: [L, S]. Absent: not available. */
  attention?(tokens: Tensor<"u32">, t: Tensor<"u32">, codes: Tensor<"u32">): Tensor;
  /** Likelihood of given captions. Absent: not available. */
  readonly likelihood?: Likelihood;
  /**
   * The objective for captions x_0 [B, L] and codes y [P, S] of P pictures, B / P captions each; `settings` are those of its
   * kind. A grounded one also takes the thing of each word [B, L] and of each place [P, S].
   */
  objective(settings: object, random: Rng): Objective<CaptionBatch>;
  /**
   * Multiply-adds of a caption's forward pass, with `captionsPerImage` captions sharing the work on a picture; for estimates.
   * Absent: unknown.
   */
  multiplyAdds?(captionsPerImage: number): number;
  /**
   * Parameters with an entry for each word, by name, and the axis of the words: weights of another vocabulary are then taken word
   * by word. Entries beyond M stay last. Absent: such weights fit only the same vocabulary.
   */
  readonly wordAxes?: Readonly<Record<string, number>>;
}

/** x_0, y, and for a grounded objective the things of words and places. */
export type CaptionBatch = [tokens: Tensor<"u32">, codes: Tensor<"u32">, ...referents: Tensor<"u32">[]];

/** A bound on −log p of captions, in nats. */
export interface Likelihood {
  /** The part of the bound that no network can change, nats per caption. */
  readonly prior: number;
  /** Number of steps at which the network can be evaluated for a caption: the exact sum. */
  readonly steps: number;
  /** The bound of each caption [L] given its codes [S]. `steps` below `Likelihood.steps`: an unbiased estimate. */
  bound(
    captions: readonly Uint32Array[],
    codes: readonly Uint32Array[],
    options: {
      steps: number;
      seed: number;
      /**
       * The number of the first of the captions among all that are measured, a multiple of `picturesAtOnce`: their draws are those
       * of a call with all. Default: 0.
       */
      first?: number | undefined;
      onBatch?: ((done: number) => void) | undefined;
    },
  ): Promise<Float64Array>;
}

/** Given tokens by position (`at` 1), and positions that need a word and cannot end the caption (`gap` 1): [L] each. */
export interface GivenWords {
  at: Uint32Array;
  words: Uint32Array;
  gap: Uint32Array;
  /**
   * Positions [L] where a word must end (`at` 1), and the tokens that do not end one. Absent where every token is a word.
   */
  ending?: { at: Uint32Array; unfinished: readonly number[] };
}

/** Options of `CaptionDecoder.generate`. */
export interface GenerateOptions {
  /** The token that ends a caption. */
  endId: number;
  /** Tokens excluded from captions. */
  banned?: readonly number[];
  words?: GivenWords | null;
  /** Continues from x_t: the step, and its L tokens with M for [MASK]. */
  from?: { t: number; tokens: ArrayLike<number> } | undefined;
  /** Requests the attention of each step. */
  attention?: boolean;
  /**
   * Called within each step with the scores from which its tokens were drawn, [B, L, M] (logits or log-probabilities), with the
   * tokens, and with the attention [L, S] of the first caption if requested. mc-diffusion adds the logits before guidance, of
   * which the first B rows are those of the full condition.
   */
  watch?: (scores: Tensor, tokens: Tensor<"u32">, attention: Tensor | null, logits?: Tensor) => void;
}

/** One step of `CaptionDecoder.generate`. */
export interface GeneratedStep {
  /** The step just left, from `CaptionDecoder.steps` down. */
  readonly t: number;
  /** The step reached; 0 at the end. */
  readonly u: number;
  /** u32 [B', L]; the first B rows are the captions. */
  readonly tokens: Tensor<"u32">;
}

/** A kind of caption decoder, as `model` names it. */
export interface CaptionDecoderKind extends ModelKind {
  /**
   * Creates a decoder with undefined weights: `initialise` or a file sets them. `images` provides the size of the code grid, and
   * code vectors; `endId` is the token that ends a caption.
   */
  create(
    gpu: Gpu,
    config: Readonly<Record<string, unknown>>,
    given: { vocabulary: number; endId: number; images: ImageTokenizer },
  ): CaptionDecoder;
}
