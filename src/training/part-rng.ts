/** Random numbers of a process's part of each batch: those that its samples would get in the whole batch. */

import type { Gpu } from "../engine/gpu/gpu.js";
import { seedWords } from "../engine/ops/philox.js";
import { Rng } from "../engine/ops/rng.js";
import type { Tensor } from "../engine/tensor/tensor.js";
import { UserError } from "../platform/errors.js";

/** A source for part `index` of several equal ones: kernels add its number to their counters (rng.wgsl). */
export class PartRng extends Rng {
  private readonly index: number;

  constructor(gpu: Gpu, seed: number, index: number) {
    super(gpu, seed);
    this.index = index;
    this.setStep(0);
  }

  override setStep(step: number): void {
    super.setStep(step);
    this.state.write([...seedWords(this.seed), step >>> 0, this.index]);
  }

  override uniform(shape: readonly number[], scale?: number): Tensor {
    whole(shape);
    return super.uniform(shape, scale);
  }

  override uniformSymmetric(shape: readonly number[], limit?: number): Tensor {
    whole(shape);
    return super.uniformSymmetric(shape, limit);
  }

  override normal(shape: readonly number[], deviation?: number): Tensor {
    whole(shape);
    return super.normal(shape, deviation);
  }

  override gumbel(shape: readonly number[], scale?: number): Tensor {
    whole(shape);
    return super.gumbel(shape, scale);
  }

  override bernoulli(shape: readonly number[], probability: number, value?: number): Tensor {
    whole(shape);
    return super.bernoulli(shape, probability, value);
  }
}

/** A fill draws four elements at a time: a part of another size would begin within four. */
function whole(shape: readonly number[]): void {
  if (shape.reduce((size, axis) => size * axis, 1) % 4 === 0) return;
  throw new UserError(
    `this model draws random numbers [${shape.join(", ")}] for each process's part of a micro-batch, which should be a multiple of 4; choose decoder.batch so that each process has a multiple of 4 captions`,
  );
}
