/** One micro-batch of the paper's Algorithm 1: draws t, x_t and the condition's mask, and computes the loss. */

import { type TransitionTable, transitionTable } from "../../diffusion/coefficients.js";
import { qSample, sampleTimesteps } from "../../diffusion/forward.js";
import { ImportanceSampler } from "../../diffusion/importance.js";
import { diffusionLoss, type KlResult } from "../../diffusion/loss.js";
import type { Schedule } from "../../diffusion/schedule.js";
import { mean } from "../../engine/ops/reduce.js";
import type { Rng } from "../../engine/ops/rng.js";
import type { Tensor } from "../../engine/tensor/tensor.js";
import type { BatchLoss, Objective } from "../objective.js";
import { type ConditionMasking, maskedForTraining } from "./condition-masking.js";
import type { Decoder } from "./decoder.js";
import type { McDiffusionSettings } from "./settings.js";

/** The settings of `decoder` that the objective depends on. */
export type DiffusionSettings = ConditionMasking &
  Pick<McDiffusionSettings, "lambda" | "adaptiveAuxiliary" | "importanceSampling" | "checkpointing">;

/** The draws of Algorithm 1 for a batch. */
export interface Drawn {
  x0: Tensor<"u32">;
  xt: Tensor<"u32">;
  t: Tensor<"u32">;
  y: Tensor<"u32">;
  /** Weights of the captions' losses if t is not drawn uniformly. */
  weights: Tensor | null;
}

/**
 * Algorithm 1 from x_0 and y on: t ~ U{1 … T}, x_t ~ q(x_t | x_0), y masked with P_cond and P_mask, then L of loss.ts for the
 * network's p̃_θ(x_0 | x_t, y).
 */
export class DiffusionObjective implements Objective<[tokens: Tensor<"u32">, codes: Tensor<"u32">]> {
  /** The moving averages of importance sampling, which learn from losses even if no weight moves. */
  readonly state: ReadonlyMap<string, Tensor>;
  protected readonly decoder: Decoder;
  protected readonly settings: DiffusionSettings;
  protected readonly random: Rng;
  protected readonly table: TransitionTable;
  private readonly importance: ImportanceSampler | null;

  constructor(decoder: Decoder, schedule: Schedule, settings: DiffusionSettings, random: Rng) {
    this.decoder = decoder;
    this.settings = settings;
    this.random = random;
    this.table = transitionTable(decoder.gpu, schedule);
    this.importance = settings.importanceSampling ? new ImportanceSampler(random, schedule.steps) : null;
    this.state = new Map(this.importance ? [["importanceHistory", this.importance.history]] : []);
  }

  /** x_0 [B, L], y [P, S] of P pictures. */
  loss(x0: Tensor<"u32">, codes: Tensor<"u32">): BatchLoss {
    const { decoder, settings, random, table, importance } = this;
    const [captions] = x0.shape as [number, number];
    const { t, weights } = importance?.draw(captions) ?? {
      t: sampleTimesteps(random, table, captions),
      weights: null,
    };
    const xt = qSample(random, table, x0, t);
    const y = maskedForTraining(random, codes, settings, decoder.shape.codes);
    const { loss, terms } = this.lossOf({ x0, xt, t, y, weights });
    importance?.update(t, terms);
    return {
      total: loss,
      figures: [{ tensor: mean(terms.detach(), [1]), names: ["kl", "auxiliary"] }],
    };
  }

  /** The loss of the noised tokens x_t [B, L] at t [B], given the remaining codes y. */
  protected lossOf({ x0, xt, t, y, weights }: Drawn): KlResult {
    const { decoder, settings, random, table } = this;
    const { checkpointing, lambda, adaptiveAuxiliary: adaptive } = settings;
    const condition = decoder.prepare(y, { keyValues: !checkpointing });
    const head = decoder.beforeHead(xt, t, condition, { random, checkpointing });
    return diffusionLoss(table, { head, x0, xt, t }, { lambda, adaptive, weights });
  }

  dispose(): void {
    this.table.dispose();
    this.importance?.dispose();
  }
}
