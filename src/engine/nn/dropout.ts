/** Dropout as a module. */

import type { Gpu } from "../gpu/gpu.js";
import { dropout } from "../ops/dropout.js";
import type { Rng } from "../ops/rng.js";
import { passedOn } from "../tensor/tape.js";
import type { Tensor } from "../tensor/tensor.js";
import { Module } from "./module.js";

/** Sets elements to 0 with probability `rate` and scales the others by 1 / (1 − rate), while training. */
export class Dropout extends Module {
  readonly rate: number;

  constructor(gpu: Gpu, rate: number) {
    super(gpu);
    this.rate = rate;
  }

  /** Takes one stream of `rng`. Without `rng`, as in evaluation, returns `x` itself. */
  forward(x: Tensor, rng: Rng | null = null): Tensor {
    return rng ? dropout(x, this.rate, rng) : passedOn(x);
  }
}
