/**
 * AdamW over modules or tensors, with groups of parameters (shaders/optim/optimizers.wgsl). The version in ../adamw.ts works on
 * buffers that the caller has packed, and averages weights.
 */

import * as kernels from "../../gpu/more-kernels.generated.js";
import { ArgumentError } from "../../tensor/errors.js";
import type { Tensor } from "../../tensor/tensor.js";
import {
  checkOptions,
  Optimizer,
  type OptimizerOptions,
  type PackBindings,
  type Trained,
} from "./optimizer.js";

/** Options of `AdamW`. */
export interface AdamWGroupsOptions extends OptimizerOptions {
  /** Default [0.9, 0.999]. */
  betas?: readonly [number, number];
  /** Default 1e-8. */
  epsilon?: number;
}

/**
 * Adam with decoupled weight decay (Loshchilov & Hutter 2019): m ← β1 m + (1−β1) g, v ← β2 v + (1−β2) g²,
 * w ← w − lr·(m / (1−β1ⁿ) / (√(v / (1−β2ⁿ)) + ε) + decay·w). With weight decay 0 it is Adam. One dispatch per step, and no
 * allocation.
 */
export class AdamW extends Optimizer {
  /** [n] for each buffer of parameters. */
  readonly firstMoments: readonly Tensor[];
  readonly secondMoments: readonly Tensor[];
  readonly #betas: readonly [number, number];
  readonly #epsilon: number;

  constructor(trained: Trained, options: AdamWGroupsOptions) {
    checkOptions("AdamW", options);
    const { betas = [0.9, 0.999], epsilon = 1e-8 } = options;
    if (!betas.every((beta) => beta >= 0 && beta < 1))
      throw new ArgumentError("AdamW", `betas [${betas.join(", ")}] are not at least 0 and below 1`);
    super("AdamW", trained, options);
    this.#betas = betas;
    this.#epsilon = epsilon;
    this.firstMoments = this.moments("first moments");
    this.secondMoments = this.moments("second moments");
  }

  protected override corrections(step: number): readonly [number, number] {
    const [beta1, beta2] = this.#betas;
    return [1 / (1 - beta1 ** step), 1 / (1 - beta2 ** step)];
  }

  protected override run(pack: number, bindings: PackBindings): void {
    const { gpu } = this;
    const kernel = kernels.optimizers.adamw;
    const { count, groups } = this.grid(pack, gpu.tunables(kernel).WORKGROUP);
    const [beta1, beta2] = this.#betas;
    gpu.run(
      kernel,
      {
        ...bindings,
        first_moment: this.firstMoments[pack]!,
        second_moment: this.secondMoments[pack]!,
      },
      { count, momentum: 0, beta1, beta2, epsilon: this.#epsilon },
      { groups },
    );
  }

  override dispose(): void {
    for (const tensor of [...this.firstMoments, ...this.secondMoments]) tensor.dispose();
    super.dispose();
  }
}
