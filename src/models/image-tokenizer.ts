/** Interface of image tokenizers, which turn pictures into discrete codes and back: the first half of a captioner. */

import type { Gpu } from "../engine/gpu/gpu.js";
import type { Module } from "../engine/nn/module.js";
import type { Rng } from "../engine/ops/rng.js";
import type { Tensor } from "../engine/tensor/tensor.js";
import type { ModelKind } from "./model-kind.js";
import type { Objective } from "./objective.js";

export interface ImageTokenizer extends Module {
  /** Pictures are imageSize × imageSize RGB. */
  readonly imageSize: number;
  /** Codes form a grid of side × side, S = side² per picture. */
  readonly side: number;
  /** K: ids are 0 … K−1. */
  readonly codeCount: number;
  /** The vectors of the codes, [K, D], for decoders that use them; null if there are none. */
  readonly codeVectors: Tensor | null;
  /** Images [B, imageSize, imageSize, 3] in [-1, 1] → ids [B, S], row by row. Not differentiable. */
  encode(images: Tensor): Tensor<"u32">;
  /** Ids [B, S] → images [B, imageSize, imageSize, 3], about in [-1, 1]. */
  decode(ids: Tensor<"u32">): Tensor;
  /**
   * The objective for images [B, imageSize, imageSize, 3] in [-1, 1]; `settings` are those of its kind. Absent: the tokenizer is
   * frozen; `ImageTokenizerKind.weights` says where its weights come from.
   */
  objective?(settings: object, random: Rng): Objective<[images: Tensor]>;
  /** Multiply-adds of a picture's forward pass through encoder and decoder; for estimates. Absent: unknown. */
  readonly multiplyAdds?: number;
}

/** A kind of image tokenizer, as `imageTokenizer` names it. */
export interface ImageTokenizerKind extends ModelKind {
  /**
   * For a frozen tokenizer: the keys of its section that hold the folder of its weights (see `tokenizer-folder.ts`) and their
   * SHA-256. Absent, or with an empty folder, it starts from random weights.
   */
  readonly weights?: { readonly folder: string; readonly sha256: string };
  /** Creates a tokenizer with undefined weights: `initialise` or a file sets them. */
  create(gpu: Gpu, config: Readonly<Record<string, unknown>>): ImageTokenizer;
}
