#!/usr/bin/env node
/**
 * A training step of one transformer block, captured: adaptive-norm self-attention, adaptive-norm cross-attention to
 * a condition, MLP; mean square error; backward; global-norm clipping; AdamW.
 *
 * As a command it prints what the step takes: dispatches and memory, JavaScript time on Dawn's null backend, and the
 * cold start of a new process without a shader cache.
 */

import { spawnSync } from "node:child_process";
import { realpathSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { DecoderBlock } from "../dist/debug.js";
import { backward, Module, mse } from "../dist/engine/index.js";
import { TimestepModulation } from "../dist/index.js";
import { ModelOptimizer } from "../dist/training.js";
import { quantile } from "./measure.js";
import { at } from "./numbers.js";
import { input } from "./problem.js";
import { randomSource } from "./random.js";
import { bytes, significant } from "./report.js";

/** @import { Counters, Gpu, Tensor } from "../dist/engine/index.js" */

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
   * @param {Tensor} x
   * @param {Tensor<"u32">} t
   * @param {Tensor} condition
   */
  forward(x, t, condition) {
    return this.gpu.scope(() => {
      const scales = this.modulation.forward(t);
      return this.block.forward(x, at(scales, 0), at(scales, 1), this.block.keysAndValues(condition), null);
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
    optimizer.completeGradients();
    optimizer.step();
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

/**
 * What `gpu.counters` counted between two moments, a step.
 * @param {Counters} before
 * @param {Counters} after
 * @param {number} steps
 */
function perStep(before, after, steps) {
  /** @param {keyof Counters} name */
  const of = (name) => (after[name] - before[name]) / steps;
  return {
    dispatches: of("dispatches"),
    submits: of("submits"),
    buffers: of("buffers"),
    bindGroups: of("bindGroups"),
  };
}

const warmup = 3;
const encodings = 400;
/** Replays between two waits. */
const burst = 20;

/**
 * Counts, memory and JavaScript time of replays on a device that computes nothing.
 * @param {Gpu} gpu
 */
async function describeReplay(gpu) {
  const step = makeBlockStep(gpu);
  for (let i = 0; i < warmup; i++) step.next();
  await gpu.idle();
  const before = gpu.counters;
  const times = [];
  const processor = [];
  for (let i = 0; i < encodings / burst; i++) {
    const cpu = process.cpuUsage();
    for (let k = 0; k < burst; k++) {
      const began = performance.now();
      step.run();
      times.push(performance.now() - began);
    }
    const { user, system } = process.cpuUsage(cpu);
    processor.push((user + system) / 1000 / burst);
    await gpu.idle();
  }
  const { dispatches, submits, buffers, bindGroups } = perStep(before, gpu.counters, encodings);
  const { peakBytes, leastBytes, buffersCreated } = step.work.memory;
  console.log(
    `${dispatches} dispatches, ${submits} submit, ${buffers} buffers and ${bindGroups} bind groups created a step after the warm-up
${bytes(peakBytes)} in ${buffersCreated} buffers for what lives within a step; at least ${bytes(leastBytes)} are needed
${significant(quantile(times, 0.5))} ms in JavaScript a step, at best ${significant(Math.min(...times))} ms; ${significant(quantile(processor, 0.5))} ms of processor time (medians of ${encodings} replays on Dawn's null backend)`,
  );
  step.dispose();
}

/**
 * From an open device to the end of the first step, and what a step takes then.
 * @param {Gpu} gpu
 */
async function describeColdStart(gpu) {
  const cpu = process.cpuUsage();
  const began = performance.now();
  const step = makeBlockStep(gpu);
  const recorded = performance.now() - began;
  step.run();
  await step.loss.item();
  const first = performance.now() - began;
  const { user, system } = process.cpuUsage(cpu);
  const times = [];
  for (let i = 0; i < 15; i++) {
    const start = performance.now();
    step.next();
    await gpu.idle();
    times.push(performance.now() - start);
  }
  console.log(
    `cold start ${significant(first / 1000)} s (${significant((user + system) / 1e6)} s of processor time), of it ${significant(recorded / 1000)} s recording; ${gpu.counters.pipelines} pipelines
${significant(quantile(times, 0.5))} ms a step then, at best ${significant(Math.min(...times))} ms (${gpu.description})`,
  );
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const { openGpu, runCommand } = await import("../dist/cli.js");
  const coldStart = "--cold-start";
  await runCommand(async () => {
    if (process.argv[2] === coldStart) {
      await describeColdStart(await openGpu(undefined, true));
      return;
    }
    await describeReplay(await openGpu("null", true));
    if (process.argv[2] === "--replay") return;
    // A process of its own, since Mesa reads the variable once. MCD_ADAPTER chooses the adapter.
    const options = { env: { ...process.env, MESA_SHADER_CACHE_DISABLE: "true" } };
    const child = spawnSync(process.execPath, [fileURLToPath(import.meta.url), coldStart], options);
    process.stdout.write(child.stdout);
    if (child.status !== 0) throw new Error(String(child.stderr));
  });
  process.exit();
}
