/** Layer normalisation with a learned scale and shift. */

import type { Gpu } from "../gpu/gpu.js";
import type { Float } from "../gpu/kernel.js";
import { type LayerNormOptions, layerNorm } from "../ops/layer-norm.js";
import type { Tensor } from "../tensor/tensor.js";
import { constant } from "./initialisers.js";
import { Module } from "./module.js";

/** Layer norm over the last axis with `weight` and `bias`, `[C]` each: see `layerNorm`. */
export class LayerNorm extends Module {
  readonly weight: Tensor;
  readonly bias: Tensor;

  /** `scale`: the initial weight. */
  constructor(gpu: Gpu, channels: number, scale = 1) {
    super(gpu);
    this.weight = this.parameter("weight", [channels], constant(scale));
    this.bias = this.parameter("bias", [channels], constant(0));
  }

  /** x [..., channels], normalised over the last axis. */
  forward<D extends Float = "f32">(x: Tensor, options: LayerNormOptions<D> = {}): Tensor<D> {
    return layerNorm(x, this.weight, this.bias, options);
  }
}
