/** Two-dimensional convolution, channels last. */

import type { Gpu } from "../gpu/gpu.js";
import { conv2d, type Padding } from "../ops/conv2d.js";
import { conv2dGroups } from "../ops/conv2d-groups.js";
import type { Pair } from "../ops/window2d.js";
import { ArgumentError } from "../tensor/errors.js";
import type { Tensor } from "../tensor/tensor.js";
import { constant, fanIn, type Initialiser } from "./initialisers.js";
import { Module } from "./module.js";

/** Options of `Conv2d`. */
export interface Conv2dModuleOptions {
  /** Height and width of the kernel. */
  kernel: Pair;
  /** Step between output pixels; default 1. */
  stride?: Pair;
  /** One number for all sides, or one per side; default 0. */
  padding?: number | Partial<Padding>;
  /** Runs of channels that are convolved separately; with as many as inputs, a depthwise convolution. Default 1. */
  groups?: number;
  /** Default true. */
  bias?: boolean;
  /** Initial values of the weight. */
  initialiser?: Initialiser;
}

/** x [B, H, W, inputs] → [B, OH, OW, outputs]; weight [KH, KW, inputs / groups, outputs], bias [outputs]. */
export class Conv2d extends Module {
  readonly weight: Tensor;
  readonly bias: Tensor | null;
  readonly groups: number;
  readonly #stride: readonly [number, number];
  readonly #padding: number | Partial<Padding>;

  constructor(gpu: Gpu, inputs: number, outputs: number, options: Conv2dModuleOptions) {
    super(gpu);
    const { kernel, stride = 1, padding = 0, groups = 1, bias = true, initialiser = fanIn() } = options;
    if (!Number.isInteger(groups) || groups < 1 || inputs % groups !== 0 || outputs % groups !== 0)
      throw new ArgumentError(
        "Conv2d",
        `${groups} groups do not divide ${inputs} inputs and ${outputs} outputs`,
      );
    const [height, width] = typeof kernel === "number" ? [kernel, kernel] : kernel;
    this.groups = groups;
    this.#stride = typeof stride === "number" ? [stride, stride] : stride;
    this.#padding = padding;
    this.weight = this.parameter("weight", [height, width, inputs / groups, outputs], initialiser);
    this.bias = bias ? this.parameter("bias", [outputs], constant(0)) : null;
  }

  /** x `[B, H, W, inputs]` → `[B, H', W', outputs]`, as `conv2d`. */
  forward(x: Tensor): Tensor {
    const [down, right] = this.#stride;
    const options = { padding: this.#padding, bias: this.bias };
    // The kernels of `conv2d` are tuned, and have one stride for both directions.
    return this.groups === 1 && down === right
      ? conv2d(x, this.weight, { ...options, stride: down })
      : conv2dGroups(x, this.weight, this.groups, { ...options, stride: this.#stride });
  }
}
