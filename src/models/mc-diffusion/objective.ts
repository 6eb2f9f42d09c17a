/** One micro-batch of the paper's Algorithm 1: draws t, x_t and the condition's mask, and computes the loss. */

import { type TransitionTable, transitionTable } from "../../diffusion/coefficients.js";
import { qSample, sampleTimesteps } from "../../diffusion/forward.js";
import { ImportanceSampler } from "../../diffusion/importance.js";
import { diffusionLoss, type KlResult } from "../../diffusion/loss.js";
import type { Schedule } from "../../diffusion/schedule.js";
import { add, scale } from "../../engine/ops/elementwise.js";
import { mean } from "../../engine/ops/reduce.js";
import type { Rng } from "../../engine/ops/rng.js";
import type { Tensor } from "../../engine/tensor/tensor.js";
import type { CaptionBatch } from "../caption-decoder.js";
import type { BatchLoss, Objective } from "../objective.js";
import { type ConditionMasking, maskedForTraining } from "./condition-masking.js";
import type { Decoder } from "./decoder.js";
import { type BatchReferents, Grounding, oneHotRows } from "./grounding.js";
import type { McDiffusionSettings } from "./settings.js";

/** The settings of `decoder` that the objective depends on. */
export type DiffusionSettings = ConditionMasking &
  Pick<McDiffusionSettings, "lambda" | "adaptiveAuxiliary" | "importanceSampling" | "checkpointing"> & {
    readonly grounding?: number;
  };

/** The draws of Algorithm 1 for a batch. */
export interface Drawn {
  x0: Tensor<"u32">;
  xt: Tensor<"u32">;
  t: Tensor<"u32">;
  y: Tensor<"u32">;
  /** Weights of the captions' losses if t is not drawn uniformly. */
  weights: Tensor | null;
  /** What to look at; null: wherever it serves. */
  referents: BatchReferents | null;
}

/**
 * Algorithm 1 from x_0 and y on: t ~ U{1 … T}, x_t ~ q(x_t | x_0), y masked with P_cond and P_mask, then L of loss.ts for the
 * network's p̃_θ(x_0 | x_t, y). With `grounding` its weight times the loss of grounding.ts is added.
 */
export class DiffusionObjective implements Objective<CaptionBatch> {
  /** The moving averages of importance sampling, which learn from losses even if no weight moves. */
  readonly state: ReadonlyMap<string, Tensor>;
  protected readonly decoder: Decoder;
  protected readonly settings: DiffusionSettings;
  protected readonly random: Rng;
  protected readonly table: TransitionTable;
  private readonly importance: ImportanceSampler | null;
  /** One-hot rows for grounding. */
  private readonly rows: Tensor | null;

  constructor(decoder: Decoder, schedule: Schedule, settings: DiffusionSettings, random: Rng) {
    this.decoder = decoder;
    this.settings = settings;
    this.random = random;
    this.table = transitionTable(decoder.gpu, schedule);
    this.importance = settings.importanceSampling ? new ImportanceSampler(random, schedule.steps) : null;
    this.rows = settings.grounding ? oneHotRows(decoder.shape, decoder.gpu) : null;
    this.state = new Map(this.importance ? [["importanceHistory", this.importance.history]] : []);
  }

  get grounded(): boolean {
    return this.rows !== null;
  }

  /** x_0 [B, L], y [P, S] of P pictures; grounded, the things of words [B, L] and places [P, S]. */
  loss(x0: Tensor<"u32">, codes: Tensor<"u32">, words?: Tensor<"u32">, places?: Tensor<"u32">): BatchLoss {
    const { decoder, settings, random, table, importance } = this;
    const [captions] = x0.shape as [number, number];
    const { t, weights } = importance?.draw(captions) ?? {
      t: sampleTimesteps(random, table, captions),
      weights: null,
    };
    const xt = qSample(random, table, x0, t);
    const y = maskedForTraining(random, codes, settings, decoder.shape.codes);
    const referents = words && places ? { words, places } : null;
    const { loss, terms, grounding } = this.lossOf({ x0, xt, t, y, weights, referents });
    importance?.update(t, terms);
    return {
      total: grounding ? add(loss, scale(grounding, settings.grounding!)) : loss,
      figures: [
        { tensor: mean(terms.detach(), [1]), names: ["kl", "auxiliary"] },
        ...(grounding ? [{ tensor: grounding.detach(), names: ["grounding"] }] : []),
      ],
    };
  }

  /** The loss of the noised tokens x_t [B, L] at t [B], given the remaining codes y. */
  protected lossOf({ x0, xt, t, y, weights, referents }: Drawn): KlResult & { grounding?: Tensor } {
    const { decoder, settings, random, table, rows } = this;
    const { checkpointing, lambda, adaptiveAuxiliary: adaptive } = settings;
    const condition = decoder.prepare(y, { keyValues: !checkpointing });
    const grounding = rows && referents ? new Grounding(rows, referents) : null;
    const watched = grounding ? { watch: grounding.watch } : {};
    const head = decoder.beforeHead(xt, t, condition, { random, checkpointing, ...watched });
    const result = diffusionLoss(table, { head, x0, xt, t }, { lambda, adaptive, weights });
    return grounding ? { ...result, grounding: grounding.loss() } : result;
  }

  dispose(): void {
    this.table.dispose();
    this.importance?.dispose();
    this.rows?.dispose();
  }
}
