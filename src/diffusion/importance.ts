/**
 * Importance sampling of the training step t, the option of VQ-Diffusion's code (shaders/diffusion/importance.wgsl). The paper's
 * Algorithm 1 draws t uniformly: `sampleTimesteps` is the faithful default.
 */

import * as kernels from "../engine/gpu/kernels.generated.js";
import type { Rng } from "../engine/ops/rng.js";
import { ShapeError } from "../engine/tensor/errors.js";
import { clear, empty, type Tensor, untracked } from "../engine/tensor/tensor.js";

/**
 * t ~ p(t) ∝ √e_t, e_t a moving average of the squared loss at step t; each sequence's loss is weighted by 1 / (T p(t)). Uniform
 * until every step was trained more than ten times.
 */
export class ImportanceSampler {
  /** T. */
  readonly steps: number;
  /** `[T+1, 2]`: moving average of the squared loss at each step, and how often it was trained; part of a checkpoint. */
  readonly history: Tensor;
  private readonly rng: Rng;

  constructor(rng: Rng, steps: number) {
    this.rng = rng;
    this.steps = steps;
    this.history = untracked(rng.gpu, [steps + 1, 2], "f32", "loss per step");
    clear(this.history);
  }

  /** Steps [batch] for a batch and the factor 1 / (T p(t)) of each sequence's loss [batch] (`KlOptions.weights`). */
  draw(batch: number): { t: Tensor<"u32">; weights: Tensor } {
    const t = empty(this.rng.gpu, [batch], "u32", "t");
    const weights = empty(this.rng.gpu, [batch], "f32", "t weights");
    this.rng.gpu.run(
      kernels.importance.draw,
      { rng: this.rng.state, history: this.history, time: t, weight: weights },
      { sequences: batch, length: 1, last: this.steps, stream: this.rng.nextStream() },
      { groups: [1] },
    );
    return { t, weights };
  }

  /** Updates the history from a batch: `t` [B] and the `terms` [3, B·L] of its loss. */
  update(t: Tensor<"u32">, terms: Tensor): void {
    const sequences = t.size;
    const rows = terms.shape[1]!;
    if (rows % sequences !== 0) {
      throw new ShapeError(
        "importance",
        `terms [${terms.shape.join(", ")}] are not divisible among t [${t.shape.join(", ")}]`,
      );
    }
    const { gpu } = this.rng;
    const kernel = kernels.importance.update;
    gpu.run(
      kernel,
      { terms, trained: t, updated: this.history },
      { sequences, length: rows / sequences, last: this.steps, stream: 0 },
      { groups: gpu.groups1d(this.steps, gpu.tunables(kernel).WORKGROUP) },
    );
  }

  dispose(): void {
    this.history.dispose();
  }
}
