/** Group normalisation with a learned scale and shift. */

import type { Gpu } from "../gpu/gpu.js";
import { type GroupNormOptions, groupNorm } from "../ops/group-norm.js";
import type { Tensor } from "../tensor/tensor.js";
import { constant } from "./initialisers.js";
import { Module } from "./module.js";

export class GroupNorm extends Module {
  readonly weight: Tensor;
  readonly bias: Tensor;
  readonly groups: number;

  /** `groups` has to divide `channels`. */
  constructor(gpu: Gpu, groups: number, channels: number) {
    super(gpu);
    this.groups = groups;
    this.weight = this.parameter("weight", [channels], constant(1));
    this.bias = this.parameter("bias", [channels], constant(0));
  }

  /** x [B, …, channels], normalised over an image's pixels and the channels of each group. */
  forward(x: Tensor, options: GroupNormOptions = {}): Tensor {
    return groupNorm(x, this.groups, this.weight, this.bias, options);
  }
}
