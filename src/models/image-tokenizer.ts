/** Interface of image tokenizers, which turn pictures into discrete codes and back: the first half of a captioner. */

import type { Gpu } from "../engine/gpu/gpu.js";
import type { Module } from "../engine/nn/module.js";
import type { Rng } from "../engine/ops/rng.js";
import type { Tensor } from "../engine/tensor/tensor.js";
import type { StoredTensor } from "../engine/weights/safetensors.js";
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
   * frozen; `ImageTokenizerKind.weights` says where its weights come from. With `things` a batch also has what the places of the
   * grid show, [B, S]: see `Dataset.shown`.
   */
  objective?(settings: object, random: Rng): Objective<[images: Tensor, ...shown: Tensor<"u32">[]]>;
  /** Kinds of things that its codes learn to name; absent or 0: none. */
  readonly things?: number;
  /** Ids [B, S] → logits [B, S, things] of the thing that each place shows, if it shows one. */
  nameCodes?(ids: Tensor<"u32">): Tensor;
  /** Pictures of a batch that is encoded or decoded; default 64. */
  readonly picturesAtOnce?: number;
  /** Multiply-adds of a picture's forward pass through encoder and decoder; for estimates. Absent: unknown. */
  readonly multiplyAdds?: number;
}

/** How a frozen tokenizer's codes are mapped to the ids of those that a run uses. */
export interface MappedCodes {
  /** The keys of its section that hold the number of ids, 0 without a map, and the SHA-256 of a run's own map, or "". */
  readonly ids: string;
  readonly sha256: string;
  /** The map, [N], to the codes that occur; and the number of its ids. */
  mapOf(occurring: Iterable<number>, codes: number): { map: readonly number[]; ids: number };
  /** Adds the parameters of a map to those of a tokenizer without one. */
  apply(map: readonly number[], tensors: Map<string, StoredTensor>): void;
}

/** A kind of image tokenizer, as `imageTokenizer` names it. */
export interface ImageTokenizerKind extends ModelKind {
  /**
   * For a frozen tokenizer: the keys of its section that hold the folder of its weights (see `tokenizer-folder.ts`) and their
   * SHA-256. Absent: it has random weights.
   */
  readonly weights?: { readonly folder: string; readonly sha256: string; readonly codes?: MappedCodes };
  /** Creates a tokenizer with undefined weights: `initialise` or a file sets them. */
  create(gpu: Gpu, config: Readonly<Record<string, unknown>>): ImageTokenizer;
}
