/** Training of the decoder: Algorithm 1 of the paper as one GPU step, captured once and replayed. */

import type { Config } from "../config/config.js";
import { type TransitionTable, transitionTable } from "../diffusion/coefficients.js";
import { qSample, sampleTimesteps } from "../diffusion/forward.js";
import { ImportanceSampler } from "../diffusion/importance.js";
import type { KlResult } from "../diffusion/loss.js";
import { diffusionLoss } from "../diffusion/loss.js";
import { maskCondition } from "../diffusion/masking.js";
import type { Schedule } from "../diffusion/schedule.js";
import type { Gpu } from "../engine/gpu/gpu.js";
import { add, scale } from "../engine/ops/elementwise.js";
import { mean } from "../engine/ops/reduce.js";
import { Rng } from "../engine/ops/rng.js";
import { backward } from "../engine/tensor/autograd.js";
import { type Tensor, untracked } from "../engine/tensor/tensor.js";
import type { Decoder } from "../models/mc-diffusion/decoder.js";
import { UserError } from "../platform/errors.js";
import { StaticStep } from "./captured-step.js";
import type { Checkpoint } from "./checkpoint.js";
import type { StepResult } from "./loop.js";
import { ModelOptimizer } from "./model-optimizer.js";
import { Snapshot } from "./snapshot.js";

/** The moving averages of importance sampling in a checkpoint. */
const historyName = "importanceHistory";

/** What batch n consists of: x_0, token ids [B·L], and y, code ids [P·S] of the P = B / captionsPerImage pictures. */
export type DecoderBatches = (step: number) => { tokens: Uint32Array; codes: Uint32Array };

/** x_0 [B/n, L] and y [P/n, S] of one of the n parts of a batch. */
interface MicroBatch {
  tokens: Tensor<"u32">;
  codes: Tensor<"u32">;
}

export class DecoderTraining {
  readonly decoder: Decoder;
  readonly optimizer: ModelOptimizer;
  private readonly gpu: Gpu;
  private readonly config: Config["decoder"];
  private readonly table: TransitionTable;
  private readonly batches: DecoderBatches;
  private readonly random: Rng;
  private readonly importance: ImportanceSampler | null;
  /** Its history, which learns from losses also where no weight moves. */
  private readonly history: Snapshot;
  /** The micro-batches of a step: all that the CPU writes for it, besides the step's number and learning rate. */
  private readonly parts: readonly MicroBatch[];
  private readonly work: StaticStep<{ total: Tensor; terms: Tensor }>;

  constructor(
    decoder: Decoder,
    schedule: Schedule,
    config: Config["decoder"],
    seed: number,
    batches: DecoderBatches,
  ) {
    this.gpu = decoder.gpu;
    this.decoder = decoder;
    this.config = config;
    this.batches = batches;
    this.table = transitionTable(this.gpu, schedule);
    this.random = new Rng(this.gpu, seed);
    this.importance = config.importanceSampling ? new ImportanceSampler(this.random, schedule.steps) : null;
    this.history = new Snapshot(this.gpu, this.importance ? [this.importance.history] : []);
    this.optimizer = new ModelOptimizer(decoder, {
      learningRate: {
        peak: config.learningRate,
        warmup: config.warmup,
        from: config.warmupFrom,
        decay: config.learningRateDecay,
        // Read at each step: a run in a given time corrects it.
        get steps() {
          return config.steps;
        },
      },
      betas: [config.beta1, config.beta2],
      weightDecay: config.weightDecay,
      clip: config.clip,
      average: { decay: config.emaDecay, every: config.emaEvery },
    });
    const { length, side } = decoder.shape;
    const captions = config.batch / config.microBatches;
    this.parts = Array.from({ length: config.microBatches }, () => ({
      tokens: untracked(this.gpu, [captions, length], "u32", "x_0"),
      codes: untracked(this.gpu, [captions / config.captionsPerImage, side * side], "u32", "codes"),
    }));
    this.work = new StaticStep(this.gpu, () => this.record());
  }

  /** One step (from 1): draws t, x_t and the condition's mask, and moves the weights. */
  async step(step: number): Promise<StepResult> {
    const { tokens, codes } = this.batches(step - 1);
    this.parts.forEach((part, i) => {
      for (const [target, all] of [
        [part.tokens, tokens],
        [part.codes, codes],
      ] as const) {
        target.write(all.subarray(i * target.size, (i + 1) * target.size));
      }
    });
    this.random.setStep(step);
    const learningRate = this.optimizer.prepare(step);
    const { total, terms } = this.work.run();
    const [[loss], [kl, auxiliary], gradNorm] = await Promise.all([
      total.read(),
      terms.read(),
      this.optimizer.gradientNorm(),
    ]);
    return { losses: { total: loss!, kl: kl!, auxiliary: auxiliary! }, learningRate, gradNorm };
  }

  /** Takes back a step whose gradient was not finite: the weights have not moved, what importance sampling learned goes. */
  undo(): void {
    this.history.restore();
  }

  /** Tries a step without running it; see `planned`. */
  plan(): void {
    this.work.plan();
  }

  private record(): { total: Tensor; terms: Tensor } {
    this.history.take();
    this.optimizer.zeroGrad();
    const sums = this.parts
      .map((part) => this.gpu.scope(() => this.accumulate(part)))
      .reduce((sum, part) => ({ total: add(sum.total, part.total), terms: add(sum.terms, part.terms) }));
    this.optimizer.record();
    return sums;
  }

  /** Adds a part's share to the gradients; returns its share of the batch's mean loss, and of the loss's terms. */
  private accumulate({ tokens, codes }: MicroBatch): { total: Tensor; terms: Tensor } {
    const { config, random, table, decoder } = this;
    const share = 1 / this.parts.length;
    const [captions] = tokens.shape as [number, number];
    const { loss, terms } = this.gpu.scope(() => {
      const { t, weights } = this.importance?.draw(captions) ?? {
        t: sampleTimesteps(random, table, captions),
        weights: null,
      };
      const xt = qSample(random, table, tokens, t);
      const { pCond, pMask, pDrop } = config;
      const rates = { conditionRate: pCond, maskRate: pMask, dropRate: pDrop, maskId: decoder.shape.codes };
      const y = maskCondition(random, codes, rates);
      const result = this.loss({ x0: tokens, xt, t, y, weights });
      this.importance?.update(t, result.terms);
      return { loss: share === 1 ? result.loss : scale(result.loss, share), terms: result.terms };
    });
    backward(loss);
    const means = mean(terms.detach(), [1]);
    return { total: loss.detach(), terms: share === 1 ? means : scale(means, share) };
  }

  /** What the noised tokens x_t [B, L] at t [B] cost, given the codes y that are left. */
  private loss(drawn: {
    x0: Tensor<"u32">;
    xt: Tensor<"u32">;
    t: Tensor<"u32">;
    y: Tensor<"u32">;
    weights: Tensor | null;
  }): KlResult {
    const { config, random, table, decoder } = this;
    const { x0, xt, t, y, weights } = drawn;
    const { checkpointing } = config;
    const condition = decoder.prepare(y, { keyValues: !checkpointing });
    const head = decoder.beforeHead(xt, t, condition, { random, checkpointing });
    const options = { lambda: config.lambda, adaptive: config.adaptiveAuxiliary, weights };
    return diffusionLoss(table, { head, x0, xt, t }, options);
  }

  async save(): Promise<Pick<Checkpoint, "model" | "optimizer">> {
    const saved = await this.optimizer.save();
    const history = this.importance?.history;
    if (history)
      saved.optimizer.set(historyName, { dtype: "F32", shape: history.shape, data: await history.read() });
    return saved;
  }

  load(checkpoint: Checkpoint, path: string): void {
    this.optimizer.load(checkpoint, path);
    if (!this.importance) return;
    const stored = checkpoint.optimizer.get(historyName);
    if (!(stored?.data instanceof Float32Array) || stored.data.length !== this.importance.history.size) {
      throw new UserError(
        `${path}/optimizer.safetensors has no ${historyName}; it was trained without importance sampling`,
      );
    }
    this.importance.history.write(stored.data);
  }

  dispose(): void {
    this.work.dispose();
    this.table.dispose();
    this.history.dispose();
    this.importance?.dispose();
    this.random.dispose();
    for (const { tokens, codes } of this.parts) {
      tokens.dispose();
      codes.dispose();
    }
    this.optimizer.dispose();
  }
}
