/** Training of the image tokenizer: one GPU step, captured once and replayed. */

import type { Config } from "../config/config.js";
import type { Gpu } from "../engine/gpu/gpu.js";
import { Rng } from "../engine/ops/rng.js";
import { backward } from "../engine/tensor/autograd.js";
import { noGrad } from "../engine/tensor/tape.js";
import { type Tensor, untracked } from "../engine/tensor/tensor.js";
import type { VqVae } from "../models/vqvae/vqvae.js";
import { planned, StaticStep } from "./captured-step.js";
import type { Checkpoint } from "./checkpoint.js";
import type { StepResult } from "./loop.js";
import { ModelOptimizer } from "./model-optimizer.js";
import { Snapshot } from "./snapshot.js";

/** Fills `images` [B, S, S, 3] with the pictures of batch n (from 0), bytes 0 … 255. */
export type ImageBatches = (step: number, images: Uint8Array) => void | Promise<void>;

export class VqVaeTraining {
  readonly vqvae: VqVae;
  readonly optimizer: ModelOptimizer;
  private readonly gpu: Gpu;
  private readonly config: Config["vqvae"];
  private readonly batches: ImageBatches;
  private readonly random: Rng;
  private readonly bytes: Uint8Array;
  private readonly values: Float32Array;
  /** The step whose batch `values` holds, or is going to. */
  private filled = 0;
  private filling: Promise<void> = Promise.resolve();
  private readonly images: Tensor;
  /** The codebook and its statistics, which follow the encoder also where no weight moves. */
  private readonly codebook: Snapshot;
  private readonly work: StaticStep<{
    total: Tensor;
    reconstruction: Tensor;
    commitment: Tensor;
    usage: Tensor;
  }>;

  constructor(vqvae: VqVae, config: Config["vqvae"], seed: number, batches: ImageBatches) {
    this.gpu = vqvae.gpu;
    this.vqvae = vqvae;
    this.config = config;
    this.batches = batches;
    this.random = new Rng(this.gpu, seed);
    this.optimizer = new ModelOptimizer(vqvae, {
      learningRate: {
        peak: config.learningRate,
        warmup: config.warmup,
        decay: config.learningRateDecay,
        // Read at each step: a run in a given time corrects it.
        get steps() {
          return config.steps;
        },
      },
      betas: [0.9, 0.99],
      weightDecay: 0,
      clip: 1,
      average: { decay: 0, every: 1 },
    });
    const { imageSize } = vqvae.shape;
    const elements = config.batch * imageSize ** 2 * 3;
    this.bytes = new Uint8Array(elements);
    this.values = new Float32Array(elements);
    this.images = untracked(this.gpu, [config.batch, imageSize, imageSize, 3], "f32", "images");
    const statistics = vqvae.parameters().filter(({ trained }) => !trained);
    this.codebook = new Snapshot(
      this.gpu,
      statistics.map(({ tensor }) => tensor),
    );
    this.work = new StaticStep(this.gpu, () => this.record());
  }

  /** Takes back a step whose gradient was not finite: the weights have not moved, the codebook moves back. */
  undo(): void {
    this.codebook.restore();
  }

  /** Puts the batch of a step into `values`, in [-1, 1]. */
  private fill(step: number): void {
    this.filled = step;
    this.filling = this.filling
      .catch(() => {})
      .then(async () => {
        await this.batches(step - 1, this.bytes);
        for (let i = 0; i < this.bytes.length; i++) this.values[i] = this.bytes[i]! / 127.5 - 1;
      });
    // Whoever takes the step is told.
    this.filling.catch(() => {});
  }

  /** One step (from 1). Step 1 first sets the codebook to encoder outputs of its batch. */
  async step(step: number): Promise<StepResult> {
    if (this.filled !== step) this.fill(step);
    await this.filling;
    this.images.write(this.values);
    this.random.setStep(step);
    if (step === 1) {
      noGrad(() => this.vqvae.startCodebook(this.images, this.random));
      // Back to the first stream: a run that starts at a later step must find its random numbers where this one does.
      this.random.setStep(step);
    }
    const learningRate = this.optimizer.prepare(step);
    const { total, reconstruction, commitment, usage } = this.work.run();
    // The GPU is busy with this step: the time to prepare the next batch.
    if (step < this.config.steps) this.fill(step + 1);
    const [loss, error, committed, [, perplexity, used], gradNorm] = await Promise.all([
      total.item(),
      reconstruction.item(),
      commitment.item(),
      usage.read() as Promise<unknown> as Promise<[number, number, number, number]>,
      this.optimizer.gradientNorm(),
    ]);
    return {
      losses: { total: loss, reconstruction: error, commitment: committed, perplexity, used },
      learningRate,
      gradNorm,
    };
  }

  /** Tries the first step without running it; see `planned`. */
  plan(): void {
    planned(this.gpu, () => noGrad(() => this.vqvae.startCodebook(this.images, this.random)));
    this.work.plan();
  }

  private record() {
    this.codebook.take();
    this.optimizer.zeroGrad();
    const { total, ...parts } = this.vqvae.loss(this.images, this.config, this.random);
    backward(total);
    this.optimizer.record();
    const { reconstruction, commitment, usage } = parts;
    // Results of ops are used up by the backward pass; copies of the handles live on.
    return {
      total: total.detach(),
      reconstruction: reconstruction.detach(),
      commitment: commitment.detach(),
      usage,
    };
  }

  save(): Promise<Pick<Checkpoint, "model" | "optimizer">> {
    return this.optimizer.save();
  }

  load(checkpoint: Checkpoint, path: string): void {
    this.optimizer.load(checkpoint, path);
  }

  dispose(): void {
    this.work.dispose();
    this.random.dispose();
    this.images.dispose();
    this.codebook.dispose();
    this.optimizer.dispose();
  }
}
