/** Fully connected layer. */

import type { Gpu } from "../gpu/gpu.js";
import { type LinearOptions, linear } from "../ops/matmul.js";
import type { Tensor } from "../tensor/tensor.js";
import { constant, fanIn, type Initialiser } from "./initialisers.js";
import { Module } from "./module.js";

/** y = activation(x·W + b) + residual, W [in, out]; one dispatch. */
export class Linear extends Module {
  readonly weight: Tensor;
  readonly bias: Tensor | null;

  constructor(
    gpu: Gpu,
    inputs: number,
    outputs: number,
    options: { bias?: boolean; initialiser?: Initialiser } = {},
  ) {
    super(gpu);
    this.weight = this.parameter("weight", [inputs, outputs], options.initialiser ?? fanIn());
    this.bias = options.bias === false ? null : this.parameter("bias", [outputs], constant(0));
  }

  /** x [..., in] → [..., out]. */
  forward(x: Tensor, options: LinearOptions = {}): Tensor {
    return linear(x, this.weight, this.bias, options);
  }
}
