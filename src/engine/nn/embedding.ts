/** Learned vectors by index, optionally with learned positions. */

import type { Gpu } from "../gpu/gpu.js";
import { embedding } from "../ops/embedding.js";
import type { Tensor } from "../tensor/tensor.js";
import { type Initialiser, normal } from "./initialisers.js";
import { Module } from "./module.js";

/** Options of `Embedding`. */
export interface EmbeddingModuleOptions {
  /** Maximum sequence length: each place along the last axis of the ids also gets a learned vector. Default: no positions. */
  positions?: number;
  /** Initial values of the vectors and positions; default normal with deviation 0.02. */
  initialiser?: Initialiser;
}

/** ids u32 [..., L] → [..., L, channels]: rows of the weight [vocabulary, channels], plus those of the positions. */
export class Embedding extends Module {
  readonly weight: Tensor;
  readonly positions: Tensor | null;

  constructor(gpu: Gpu, vocabulary: number, channels: number, options: EmbeddingModuleOptions = {}) {
    super(gpu);
    const { positions, initialiser = normal(0.02) } = options;
    this.weight = this.parameter("weight", [vocabulary, channels], initialiser);
    this.positions = positions ? this.parameter("positions", [positions, channels], initialiser) : null;
  }

  /** Places with `zeroId` become zeros and pass no gradient: padding. */
  forward(ids: Tensor<"u32">, options: { zeroId?: number } = {}): Tensor {
    return embedding(this.weight, ids, {
      ...options,
      ...(this.positions ? { positions: this.positions } : {}),
    });
  }
}
