/** Stochastic gradient descent with momentum (shaders/optim/optimizers.wgsl). */

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

/** Options of `Sgd`. */
export interface SgdOptions extends OptimizerOptions {
  /** μ; default 0. */
  momentum?: number;
  /** Looks ahead along the momentum (Nesterov 1983; Sutskever et al. 2013). Default false. */
  nesterov?: boolean;
}

/**
 * v ← μ v + g + decay·w, w ← w − lr·v; with `nesterov` w ← w − lr·(g + decay·w + μ v), and without momentum
 * w ← w − lr·(g + decay·w). One dispatch per step, and no allocation.
 */
export class Sgd extends Optimizer {
  /** [n] for each buffer of parameters; null without momentum. */
  readonly velocities: readonly Tensor[] | null;
  readonly #momentum: number;
  readonly #nesterov: boolean;

  constructor(trained: Trained, options: SgdOptions) {
    checkOptions("Sgd", options);
    const { momentum = 0, nesterov = false } = options;
    if (!(momentum >= 0 && momentum < 1))
      throw new ArgumentError("Sgd", `momentum ${momentum} is not at least 0 and below 1`);
    if (nesterov && momentum === 0) throw new ArgumentError("Sgd", "nesterov needs a momentum above 0");
    super("Sgd", trained, options);
    this.#momentum = momentum;
    this.#nesterov = nesterov;
    this.velocities = momentum > 0 ? this.moments("velocities") : null;
  }

  protected override run(pack: number, bindings: PackBindings): void {
    const { gpu } = this;
    const { sgd, sgdMomentum } = kernels.optimizers;
    const params = { momentum: this.#momentum, beta1: 0, beta2: 0, epsilon: 0 };
    if (this.velocities) {
      const { count, groups } = this.grid(pack, gpu.tunables(sgdMomentum).WORKGROUP);
      const all = { ...bindings, velocity: this.velocities[pack]! };
      gpu.run(sgdMomentum, all, { ...params, count }, { groups, variant: { NESTEROV: this.#nesterov } });
    } else {
      const { count, groups } = this.grid(pack, gpu.tunables(sgd).WORKGROUP);
      gpu.run(sgd, bindings, { ...params, count }, { groups });
    }
  }

  override dispose(): void {
    for (const tensor of this.velocities ?? []) tensor.dispose();
    super.dispose();
  }
}
