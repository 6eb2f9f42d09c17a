/** The scales and shifts that the adaptive layer norms of a network take from the diffusion time. */

import type { Gpu } from "../gpu/gpu.js";
import { contiguous } from "../ops/copy.js";
import { embedding } from "../ops/embedding.js";
import { modulation } from "../ops/modulation.js";
import type { Tensor } from "../tensor/tensor.js";
import { constant, type Initialiser, normal } from "./initialisers.js";
import { Module } from "./module.js";

/**
 * For each of `layers` adaptive norms: a learned embedding of t, SiLU, and a linear map to scale and shift
 * (VQ-Diffusion's AdaLayerNorm). The layers' tables and maps lie side by side, so that all of them are computed in
 * two dispatches, regardless of their number.
 */
export class TimestepModulation extends Module {
  readonly #layers: number;
  readonly #channels: number;
  readonly #table: Tensor;
  readonly #weight: Tensor;
  readonly #bias: Tensor;

  /** `fixed`: the embedding of t, not trained, in place of a learned one; of the shape [timesteps + 1, layers · channels]. */
  constructor(gpu: Gpu, timesteps: number, layers: number, channels: number, fixed?: Initialiser) {
    super(gpu);
    this.#layers = layers;
    this.#channels = channels;
    // Row t is for time t; row 0, clean data, is never looked up.
    const options = { decay: false, trained: !fixed };
    this.#table = this.parameter("table", [timesteps + 1, layers * channels], fixed ?? normal(1), options);
    this.#weight = this.parameter("weight", [layers, channels, 2 * channels], normal(0.02));
    this.#bias = this.parameter("bias", [layers, 1, 2 * channels], constant(0), { decay: false });
  }

  /** t [B] in 1..T → for each layer [B, 2·channels]: scale, then shift. */
  forward(t: Tensor<"u32">): Tensor[] {
    const [layers, channels] = [this.#layers, this.#channels] as const;
    const batch = t.shape[0]!;
    const all = modulation(embedding(this.#table, t), this.#weight, this.#bias);
    // With small batches of narrow networks a layer's rows start at an offset that cannot be bound: those are copied.
    return Array.from({ length: layers }, (_, layer) =>
      contiguous(all.slice(0, layer, 1).reshape([batch, 2 * channels])),
    );
  }
}
