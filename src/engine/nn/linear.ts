/** Fully connected layer. */

import type { Gpu } from "../gpu/gpu.js";
import type { Float } from "../gpu/kernel.js";
import { type LinearOptions, linear } from "../ops/matmul.js";
import type { Tensor } from "../tensor/tensor.js";
import { constant, fanIn, type Initialiser } from "./initialisers.js";
import { Module } from "./module.js";

/** y = activation(x·W + b) + residual, W [in, out] of element type `dtype`, b float32; one dispatch. */
export class Linear<D extends Float = "f32"> extends Module {
  readonly weight: Tensor<D>;
  readonly bias: Tensor | null;

  constructor(
    gpu: Gpu,
    inputs: number,
    outputs: number,
    options: { bias?: boolean; initialiser?: Initialiser; dtype?: D } = {},
  ) {
    super(gpu);
    const { initialiser = fanIn(), dtype } = options;
    this.weight = this.parameter("weight", [inputs, outputs], initialiser, { dtype });
    this.bias = options.bias === false ? null : this.parameter("bias", [outputs], constant(0));
  }

  /** x [..., in] → [..., out]. */
  forward<R extends Float = "f32">(x: Tensor<Float>, options: LinearOptions<R> = {}): Tensor<R> {
    return linear(x, this.weight, this.bias, options);
  }
}
