/** Training of the decoder: Algorithm 1 of the paper as one GPU step, captured once and replayed. */

import type { Config } from "../config.js";
import type { Decoder } from "../diffusion/decoder.js";
import { addNoise, drawTimesteps } from "../diffusion/forward.js";
import { ImportanceSampler } from "../diffusion/importance.js";
import { diffusionLoss } from "../diffusion/loss.js";
import type { Schedule } from "../diffusion/schedule.js";
import { type TransitionTable, transitionTable } from "../diffusion/table.js";
import type { Gpu } from "../gpu/gpu.js";
import type { Checkpoint } from "../io/checkpoint.js";
import type { KlResult } from "../ops/kl.js";
import { maskCondition } from "../ops/noise.js";
import { mean } from "../ops/reduce.js";
import { Rng } from "../ops/rng.js";
import { UserError } from "../platform/errors.js";
import { backward } from "../tensor/autograd.js";
import { type Tensor, untracked } from "../tensor/tensor.js";
import { ModelOptimizer } from "./model-optimizer.js";
import type { StepResult } from "./stage.js";
import { StaticStep } from "./static-step.js";

/** The moving averages of importance sampling in a checkpoint. */
const historyName = "importanceHistory";

/** What batch n consists of: x_0, token ids [B·L], and y, code ids [P·S] of the P = B / captionsPerImage pictures. */
export type DecoderBatches = (step: number) => { tokens: Uint32Array; codes: Uint32Array };

export class DecoderTraining {
  readonly decoder: Decoder;
  readonly optimizer: ModelOptimizer;
  private readonly gpu: Gpu;
  private readonly config: Config["decoder"];
  private readonly table: TransitionTable;
  private readonly batches: DecoderBatches;
  private readonly random: Rng;
  private readonly importance: ImportanceSampler | null;
  /** x_0 [B, L] and y [P, S]: all that the CPU writes for a step, besides the step's number and learning rate. */
  private readonly tokens: Tensor<"u32">;
  private readonly codes: Tensor<"u32">;
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
    this.optimizer = new ModelOptimizer(decoder, {
      learningRate: {
        peak: config.learningRate,
        warmup: config.warmup,
        from: config.warmupFrom,
        decay: config.learningRateDecay,
        steps: config.steps,
      },
      betas: [config.beta1, config.beta2],
      weightDecay: config.weightDecay,
      clip: config.clip,
      average: { decay: config.emaDecay, every: config.emaEvery },
    });
    const { length, side } = decoder.shape;
    this.tokens = untracked(this.gpu, [config.batch, length], "u32", "x_0");
    this.codes = untracked(this.gpu, [config.batch / config.captionsPerImage, side * side], "u32", "codes");
    this.work = new StaticStep(this.gpu, () => this.record());
  }

  /** One step (from 1): draws t, x_t and the condition's mask, and moves the weights. */
  async step(step: number): Promise<StepResult> {
    const { tokens, codes } = this.batches(step - 1);
    this.tokens.write(tokens);
    this.codes.write(codes);
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

  private record(): { total: Tensor; terms: Tensor } {
    const { config, random, table, decoder, gpu } = this;
    const { codes: maskId } = decoder.shape;
    this.optimizer.zeroGrad();
    const { loss, terms } = gpu.scope(() => {
      const { t, weights } = this.importance?.draw(config.batch) ?? {
        t: drawTimesteps(random, table, config.batch),
        weights: null,
      };
      const xt = addNoise(random, table, this.tokens, t);
      const rates = { conditionRate: config.pCond, maskRate: config.pMask, dropRate: config.pDrop, maskId };
      const y = maskCondition(random, this.codes, rates);
      const result = this.loss({ xt, t, y, weights });
      this.importance?.update(t, result.terms);
      return result;
    });
    backward(loss);
    this.optimizer.record();
    return { total: loss.detach(), terms: mean(terms.detach(), [1]) };
  }

  /** What the noised tokens x_t [B, L] at t [B] cost, given the codes y that are left. */
  private loss(drawn: {
    xt: Tensor<"u32">;
    t: Tensor<"u32">;
    y: Tensor<"u32">;
    weights: Tensor | null;
  }): KlResult {
    const { config, random, table, decoder, tokens: x0 } = this;
    const { xt, t, y, weights } = drawn;
    const head = decoder.beforeHead(xt, t, decoder.prepare(y), { random });
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
    this.importance?.dispose();
    this.random.dispose();
    this.tokens.dispose();
    this.codes.dispose();
    this.optimizer.dispose();
  }
}
