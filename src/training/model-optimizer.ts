/** AdamW for a whole model: packed parameters, learning-rate schedule, averaged weights, and all of it in a checkpoint. */

import type { Module } from "../engine/nn/module.js";
import { PackedParameters } from "../engine/nn/parameters.js";
import { AdamW } from "../engine/optim/adamw.js";
import { type LearningRateSchedule, learningRateAt } from "../engine/optim/learning-rate.js";
import type { Tensor } from "../engine/tensor/tensor.js";
import type { StoredTensor } from "../engine/weights/safetensors.js";
import { loadWeights, readWeights } from "../engine/weights/weights.js";
import { UserError } from "../platform/errors.js";
import type { Checkpoint } from "./checkpoint.js";

/** Options of `ModelOptimizer`. */
export interface ModelOptimizerOptions {
  learningRate: LearningRateSchedule;
  betas: readonly [number, number];
  weightDecay: number;
  /** Maximum global gradient norm; 0 = no clipping. */
  clip: number;
  average: Averaging;
}

/** Averaging of the weights: every `every` steps the average keeps `decay` of itself; decay 0 = no averaging. */
export interface Averaging {
  decay: number;
  every: number;
}

/**
 * The weight (1 − d) / (1 − dⁿ) with which step `step` (from 1) enters the averaged weights as their n-th update; 0 = not at all.
 * The first update has weight 1, so nothing of the initial weights remains: after n updates the average is Σ dⁿ⁻ⁱ wᵢ / Σ dⁿ⁻ⁱ,
 * the moving average with bias correction as in Adam. Before the first update the average follows the weights.
 */
export function averageWeight(step: number, { decay, every }: Averaging): number {
  if (decay === 0) return 0;
  if (step < every) return 1;
  if (step % every !== 0) return 0;
  return (1 - decay) / (1 - decay ** (step / every));
}

/**
 * AdamW over all trained parameters of a model, with its learning-rate schedule and averaged weights.
 */
export class ModelOptimizer {
  private readonly model: Module;
  private readonly options: ModelOptimizerOptions;
  private readonly packs: readonly PackedParameters[];
  private readonly adamw: AdamW;
  /** The model's tensors in a checkpoint: every parameter in float32, so that a resumed run continues from identical values. */
  private readonly exact = {
    parameters: () =>
      this.model.parameters().map((parameter) => {
        const master = this.packs.map(({ masters }) => masters.get(parameter.name)).find(Boolean);
        return { ...parameter, tensor: master ?? parameter.tensor };
      }),
  };

  /** The model must have its initial weights already: the averages start from them. */
  constructor(model: Module, options: ModelOptimizerOptions) {
    this.model = model;
    this.options = options;
    this.packs = PackedParameters.of(model);
    const { betas, weightDecay, clip } = options;
    this.adamw = new AdamW({ gpu: model.gpu, packs: this.packs, betas, weightDecay, clip });
  }

  /** Writes the inputs of step `step` (from 1) beside its batch, and returns its learning rate. */
  prepare(step: number): number {
    const { learningRate: schedule, average } = this.options;
    const learningRate = learningRateAt(step, schedule);
    this.adamw.setSchedule({ learningRate, step, averageWeight: averageWeight(step, average) });
    return learningRate;
  }

  /** Makes the next backward pass start from zero gradients. */
  zeroGrad(): void {
    for (const pack of this.packs) pack.zeroGrad();
  }

  /** Records the end of the backward pass; after it `gradients` are complete. */
  completeGradients(): void {
    for (const pack of this.packs) pack.completeGradients();
  }

  /** The packed gradients, float32, the same tensors at every step. */
  get gradients(): readonly Tensor[] {
    return this.packs.map(({ gradients }) => gradients);
  }

  /** Records the update from the complete gradients. */
  step(): void {
    this.adamw.step();
  }

  /** Global norm of the last step's gradient before clipping; NaN or infinite if the step was skipped because of it. */
  async gradientNorm(): Promise<number> {
    return (await this.adamw.norm.read())[0]!;
  }

  /** Runs `body` with the averaged weights in place of the trained ones, then restores these. */
  async withAverages<T>(body: () => Promise<T>): Promise<T> {
    if (this.options.average.decay === 0) return body();
    const { gpu } = this.model;
    const trained = this.packs.map(({ values }) => {
      const aside = gpu.allocate(values.size * 4, "trained weights, set aside");
      gpu.copyBuffer(values.storage, 0, aside, 0, values.size * 4);
      return aside;
    });
    this.useAverages();
    try {
      return await body();
    } finally {
      this.packs.forEach(({ values }, i) => {
        gpu.copyBuffer(trained[i]!, 0, values.storage, 0, values.size * 4);
        trained[i]!.release();
      });
      this.round();
    }
  }

  /** Replaces the trained weights with the averaged ones for good. */
  useAverages(): void {
    if (this.options.average.decay === 0) return;
    this.packs.forEach(({ values }, i) => {
      const { average } = this.adamw.states[i]!;
      this.model.gpu.copyBuffer(average.storage, 0, values.storage, 0, values.size * 4);
    });
    this.round();
  }

  private round(): void {
    for (const pack of this.packs) pack.round();
  }

  /** Weights and moments, for a checkpoint. */
  async save(): Promise<Pick<Checkpoint, "model" | "optimizer">> {
    const optimizer = new Map<string, StoredTensor>();
    for (const [name, tensors] of this.moments()) {
      const data = new Float32Array(tensors.reduce((sum, { size }) => sum + size, 0));
      let at = 0;
      for (const tensor of tensors) {
        data.set(await tensor.read(), at);
        at += tensor.size;
      }
      optimizer.set(name, { dtype: "F32", shape: [data.length], data });
    }
    return { model: await readWeights(this.exact), optimizer };
  }

  /**
   * Loads weights and moments of a checkpoint; `path` names it in errors. Throws a `UserError` if
   * its sizes differ.
   */
  load(checkpoint: Checkpoint, path: string): void {
    loadWeights(this.exact, checkpoint.model, `${path}/model.safetensors`);
    this.round();
    for (const [name, tensors] of this.moments()) {
      const stored = checkpoint.optimizer.get(name);
      const size = tensors.reduce((sum, tensor) => sum + tensor.size, 0);
      if (!(stored?.data instanceof Float32Array) || stored.data.length !== size) {
        throw new UserError(
          `${path}/optimizer.safetensors: ${name} does not fit this model; it belongs to another one`,
        );
      }
      let at = 0;
      for (const tensor of tensors) {
        tensor.write(stored.data.subarray(at, at + tensor.size));
        at += tensor.size;
      }
    }
  }

  /** The optimiser's moments in a checkpoint, pack by pack; stored as one tensor, however many packs there are. */
  private moments(): [name: string, packs: Tensor[]][] {
    const names = ["firstMoment", "secondMoment", "average"] as const;
    return names.map((name) => [name, this.adamw.states.map((state) => state[name])]);
  }

  /** Frees the optimiser and the packed parameters. */
  dispose(): void {
    this.adamw.dispose();
    for (const pack of this.packs) pack.dispose();
  }
}
