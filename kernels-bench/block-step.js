#!/usr/bin/env node
/**
 * A training step of one transformer block, captured: adaptive-norm self-attention, adaptive-norm cross-attention to
 * a condition, MLP; mean square error; backward; global-norm clipping; AdamW.
 */

import { DecoderBlock } from "../dist/diffusion/decoder.js";
import { Module } from "../dist/nn/module.js";
import { TimestepModulation } from "../dist/nn/timestep-modulation.js";
import { mse } from "../dist/ops/reduce.js";
import { backward } from "../dist/tensor/autograd.js";
import { ModelOptimizer } from "../dist/training/model-optimizer.js";
import { input } from "./problem.js";
import { randomSource } from "./random.js";

/** @typedef {import("./types.js").Gpu} Gpu */

const timesteps = 100;
const mlpRatio = 4;
const optimizerOptions = {
  learningRate: { peak: 1e-3, warmup: 0, from: 0, decay: /** @type {const} */ ("constant"), steps: 1000 },
  betas: /** @type {const} */ ([0.9, 0.96]),
  weightDecay: 0.01,
  clip: 1,
  average: { decay: 0, every: 1 },
};

/** The block and where its adaptive norms take their scale and shift from. */
class BlockModel extends Module {
  /**
   * @param {Gpu} gpu
   * @param {{ dim: number, heads: number }} shape
   */
  constructor(gpu, { dim, heads }) {
    super(gpu);
    this.modulation = this.child("modulation", new TimestepModulation(gpu, timesteps, 2, dim));
    const shape = { dim, heads, mlpRatio, blocks: 1, dropout: 0 };
    this.block = this.child("block", new DecoderBlock(gpu, shape));
  }

  /**
   * x [B, L, d], t [B], condition [B, S, d] → [B, L, d].
   * @param {import("./types.js").Tensor} x
   * @param {import("./types.js").Tensor} t
   * @param {import("./types.js").Tensor} condition
   */
  forward(x, t, condition) {
    return this.gpu.scope(() => {
      const [first, second] = this.modulation.forward(t);
      return this.block.forward(x, first, second, this.block.keysAndValues(condition), null);
    });
  }
}

/**
 * The step on random data, recorded but not run yet. `run()` submits it; `loss` holds the last run's loss.
 * @param {Gpu} gpu
 * @param {{ batch?: number, length?: number, conditionLength?: number, dim?: number, heads?: number }} [shape]
 */
export function makeBlockStep(gpu, shape = {}) {
  const { batch = 16, length = 16, conditionLength = 64, dim = 128, heads = 4 } = shape;
  const random = randomSource(1);
  const x = input(gpu, random.floats(batch * length * dim), [batch, length, dim]);
  const condition = input(gpu, random.floats(batch * conditionLength * dim), [batch, conditionLength, dim]);
  const target = input(gpu, random.floats(batch * length * dim), [batch, length, dim]);
  const t = input(
    gpu,
    random.ids(batch, timesteps).map((id) => id + 1),
    [batch],
    "u32",
  );
  const model = new BlockModel(gpu, { dim, heads });
  model.initialise(1);
  const optimizer = new ModelOptimizer(model, optimizerOptions);
  let step = 0;
  optimizer.prepare(++step);
  const { work, result: loss } = gpu.capture(() => {
    optimizer.zeroGrad();
    const loss = mse(model.forward(x, t, condition), target);
    backward(loss);
    optimizer.record();
    return loss.detach();
  });
  return {
    model,
    optimizer,
    work,
    loss,
    /** Dispatches of a step; submits are 1 a run. */
    dispatches: work.dispatches,
    run: () => work.run(),
    /** Writes the next step's bias corrections and learning rate first, as in training. */
    next() {
      optimizer.prepare(++step);
      work.run();
    },
    dispose() {
      work.dispose();
      loss.dispose();
      optimizer.dispose();
      model.dispose();
      for (const tensor of [x, condition, target, t]) tensor.dispose();
    },
  };
}
