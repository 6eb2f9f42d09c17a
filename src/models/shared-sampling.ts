/** Interface of drawing many captions of the same pictures at once, each picture's condition prepared once for all of them. */

import type { Tensor } from "../engine/tensor/tensor.js";
import type { CaptionDecoder } from "./caption-decoder.js";
import type { SamplingSettings } from "./sampling-settings.js";

/** One caption each for consecutive pictures, from the random numbers of one seed. */
export interface Draw {
  /** As the samplers take it. */
  readonly seed: number;
  /** The first picture, and how many. */
  readonly first: number;
  readonly count: number;
}

/** Pictures with their prepared conditions, for any number of draws. Whoever prepares them disposes of them. */
export interface SharedPictures {
  /**
   * Draws captions from x_T to x_0: tokens u32 [C, L], those of the first draw first; text for text those of
   * `CaptionDecoder.generate`. `penalty` [M] is added to all logits. The caller disposes of the tokens. Records work, reads
   * nothing back.
   */
  draw(draws: readonly Draw[], settings: SamplingSettings, penalty: Tensor | null): Tensor<"u32">;
  /** Frees the prepared conditions. */
  dispose(): void;
}

/** Shared sampling of one decoder. */
export interface SharedSampler {
  /** Whether captions with these settings can share work. */
  covers(settings: SamplingSettings): boolean;
  /** The number of captions to draw at once under this guidance: at least 1. */
  captionsAtOnce(guidance: Pick<SamplingSettings["guidance"], "method" | "hidden">): number;
  /** Prepares the conditions of codes u32 [P, S], which must live as long as the pictures. */
  prepare(codes: Tensor<"u32">): SharedPictures;
}

/** Shared sampling of a kind of decoder. */
export interface SharedSamplingKind {
  /** The name of the kind of decoder. */
  readonly name: string;
  /** The shared sampler of a decoder; null for one of another kind. */
  samplerOf(decoder: CaptionDecoder): SharedSampler | null;
}
