/** AdamW on a whole model: packed parameters, learning-rate schedule, averaged weights, and all of it in a checkpoint. */

import type { Checkpoint } from "../io/checkpoint.js";
import type { StoredTensor } from "../io/safetensors.js";
import type { Module } from "../nn/module.js";
import { PackedParameters } from "../nn/parameters.js";
import { loadWeights, readWeights } from "../nn/weights.js";
import { AdamW } from "../optim/adamw.js";
import { type LearningRateSchedule, learningRateAt } from "../optim/learning-rate.js";
import { UserError } from "../platform/errors.js";

export interface ModelOptimizerOptions {
  learningRate: LearningRateSchedule;
  betas: readonly [number, number];
  weightDecay: number;
  /** Largest global gradient norm; 0 = no clipping. */
  clip: number;
  /** Averaged weights: every `every` steps they keep `decay` of themselves; decay 0 = no averaging. */
  average: { decay: number; every: number };
}

export class ModelOptimizer {
  private readonly model: Module;
  private readonly options: ModelOptimizerOptions;
  private readonly packed: PackedParameters;
  private readonly adamw: AdamW;

  /** The model must have its initial weights already: the averages start from them. */
  constructor(model: Module, options: ModelOptimizerOptions) {
    this.model = model;
    this.options = options;
    this.packed = new PackedParameters(model);
    const { gpu, values, gradients, blockDecay } = this.packed;
    const { betas, weightDecay, clip } = options;
    this.adamw = new AdamW({ gpu, parameters: values, gradients, blockDecay, betas, weightDecay, clip });
  }

  /** Writes what step `step` (from 1) needs beside its batch, and returns its learning rate. */
  prepare(step: number): number {
    const { learningRate: schedule, average } = this.options;
    const learningRate = learningRateAt(step, schedule);
    const averaging = average.decay > 0 && step % average.every === 0;
    this.adamw.setSchedule({ learningRate, step, averageWeight: averaging ? 1 - average.decay : 0 });
    return learningRate;
  }

  /** Makes the coming backward pass start from zero gradients. */
  zeroGrad(): void {
    this.packed.zeroGrad();
  }

  /** Records the update from the gradients of the backward pass. */
  record(): void {
    this.packed.completeGradients();
    this.adamw.step();
  }

  /** Global norm of the last step's gradient before clipping; NaN or infinite if the step was skipped for it. */
  async gradientNorm(): Promise<number> {
    return (await this.adamw.norm.read())[0]!;
  }

  /** Runs `body` with the averaged weights in place of the trained ones, then puts these back. */
  async withAverages<T>(body: () => Promise<T>): Promise<T> {
    if (this.options.average.decay === 0) return body();
    const { values, gpu } = this.packed;
    const { average } = this.adamw;
    const trained = gpu.allocate(values.size * 4, "trained weights, set aside");
    const bytes = values.size * 4;
    gpu.copyBuffer(values.storage, 0, trained, 0, bytes);
    gpu.copyBuffer(average.storage, 0, values.storage, 0, bytes);
    try {
      return await body();
    } finally {
      gpu.copyBuffer(trained, 0, values.storage, 0, bytes);
      trained.release();
    }
  }

  /** Puts the averaged weights in place of the trained ones for good. */
  useAverages(): void {
    if (this.options.average.decay === 0) return;
    const { values, gpu } = this.packed;
    gpu.copyBuffer(this.adamw.average.storage, 0, values.storage, 0, values.size * 4);
  }

  async save(): Promise<Pick<Checkpoint, "model" | "optimizer">> {
    const optimizer = new Map<string, StoredTensor>();
    const { firstMoment, secondMoment, average } = this.adamw;
    for (const [name, packed] of Object.entries({ firstMoment, secondMoment, average })) {
      optimizer.set(name, { dtype: "F32", shape: packed.shape, data: await packed.read() });
    }
    return { model: await readWeights(this.model), optimizer };
  }

  load(checkpoint: Checkpoint, path: string): void {
    loadWeights(this.model, checkpoint.model, `${path}/model.safetensors`);
    const { firstMoment, secondMoment, average } = this.adamw;
    for (const [name, tensor] of Object.entries({ firstMoment, secondMoment, average })) {
      const stored = checkpoint.optimizer.get(name);
      if (!(stored?.data instanceof Float32Array) || stored.data.length !== tensor.size) {
        throw new UserError(`${path}/optimizer.safetensors: ${name} does not fit this model; it belongs to another one`);
      }
      tensor.write(stored.data);
    }
  }

  dispose(): void {
    this.adamw.dispose();
    this.packed.dispose();
  }
}
