/** Trains any network by its objective: gradients of the parts of a batch, then the optimiser, with a hook between. */

import type { Gpu } from "../engine/gpu/gpu.js";
import type { Module } from "../engine/nn/module.js";
import { add, scale } from "../engine/ops/elementwise.js";
import { Rng } from "../engine/ops/rng.js";
import { backward } from "../engine/tensor/autograd.js";
import type { Tensor } from "../engine/tensor/tensor.js";
import type { BatchLoss, Figures, Objective, Part, Shared } from "../models/objective.js";
import { UserError } from "../platform/errors.js";
import { CapturedStep } from "./captured-step.js";
import type { Checkpoint } from "./checkpoint.js";
import { ModelOptimizer, type ModelOptimizerOptions } from "./model-optimizer.js";
import { PartRng } from "./part-rng.js";
import { Snapshot } from "./snapshot.js";
import type { StepResult } from "./trainer.js";

/** Runs between the phases of every step, for example where several processes train one network together. */
export interface StepHook {
  /** Number of processes whose gradients and sums are added up, each with an equal part of the batch; 1 = this one alone. */
  readonly processes: number;
  /** The number of this process among them, from 0; it decides which samples of each batch are its own. Default: 0. */
  readonly rank?: number;
  /**
   * Receives the packed gradients of the mean over this process's batch and turns them into those of the mean over all processes;
   * turns the objective's sums (`BatchLoss.sums`) into the sums over all processes. The tensors are the same at every step.
   */
  reduce(gradients: readonly Tensor[], sums: readonly Tensor[]): void | Promise<void>;
  /**
   * Parts of the packed gradients that `reduce` takes one after the other. The step is submitted in pieces, and `complete` is called
   * with each part while the rest of the backward pass runs. Called once. Absent: the step is submitted whole.
   */
  early?(gradients: readonly Tensor[]): readonly Tensor[];
  /** Receives a part of `early` that no later command of the backward pass changes: reading it now waits for nothing else. */
  complete?(part: Tensor): void;
}

/** Results of the first phase. */
type Gradients = Pick<BatchLoss, "total" | "figures" | "sums" | "kept" | "apply" | "share">;

/** Results of the second phase. */
interface Updated {
  figures: Figures;
  shared: Shared | null;
}

/** The part of a process with this hook. */
export function partOf(hook: StepHook | null): Part {
  return { index: hook?.rank ?? 0, count: hook?.processes ?? 1 };
}

/** The random numbers of training: those of its part of each batch, where a process has but a part. */
export function randomOf(gpu: Gpu, seed: number, hook: StepHook | null): Rng {
  const part = partOf(hook);
  return part.count === 1 ? new Rng(gpu, seed) : new PartRng(gpu, seed, part.index);
}

/** Training of a network by an objective: one captured step, replayed for each batch. */
export class ModelTraining<Inputs extends readonly Pick<Tensor, "dispose">[]> {
  readonly optimizer: ModelOptimizer;
  protected readonly gpu: Gpu;
  protected readonly objective: Objective<Inputs>;
  protected readonly random: Rng;
  protected readonly parts: readonly Inputs[];
  protected readonly hook: StepHook | null;
  private readonly state: readonly [name: string, tensor: Tensor][];
  /** Snapshot of statistics and the objective's state, which change even if no weight moves. */
  private readonly snapshot: Snapshot;
  private readonly work: CapturedStep<Gradients, Updated>;

  /** Owns all that it is given except the model: `parts`, the tensors of each micro-batch, are written before `step`. */
  constructor(
    model: Module,
    objective: Objective<Inputs>,
    random: Rng,
    parts: readonly Inputs[],
    optimizer: ModelOptimizerOptions,
    hook: StepHook | null = null,
  ) {
    this.gpu = model.gpu;
    this.objective = objective;
    this.random = random;
    this.parts = parts;
    this.hook = hook;
    this.state = [...(objective.state ?? [])];
    const statistics = model.parameters().flatMap(({ trained, tensor }) => (trained ? [] : [tensor]));
    this.snapshot = new Snapshot(this.gpu, [...statistics, ...this.state.map(([, tensor]) => tensor)]);
    this.optimizer = new ModelOptimizer(model, optimizer);
    this.work = new CapturedStep(
      this.gpu,
      {
        gradients: () => this.gradients(),
        update: (gradients) => this.update(gradients),
        settle: ({ shared }) => shared?.apply(),
      },
      hook && {
        gradients: ({ sums = [] }) => hook.reduce(this.optimizer.gradients, sums),
        early: () => hook.early?.(this.optimizer.gradients) ?? [],
        complete: (part) => hook.complete?.(part),
        update: async ({ shared }) => {
          if (shared) await hook.reduce([], shared.sums);
          return shared !== null;
        },
      },
    );
  }

  /** Runs step `step` (from 1) on the batch in the parts. `submitted` is called while the GPU works on it. */
  async step(step: number, submitted?: () => void): Promise<StepResult> {
    this.random.setStep(step);
    const learningRate = this.optimizer.prepare(step);
    const { first, second } = await this.work.run();
    submitted?.();
    const figures = [...first.figures, ...second.figures];
    const [[total], gradNorm, ...values] = await Promise.all([
      first.total.read(),
      this.optimizer.gradientNorm(),
      ...figures.map(({ tensor }) => tensor.read()),
    ]);
    const losses: Record<string, number> = { total: total! };
    figures.forEach(({ names }, i) => {
      names.forEach((name, k) => {
        if (name !== null) losses[name] = values[i]![k]!;
      });
    });
    return { losses, learningRate, gradNorm };
  }

  /**
   * Undoes a step whose gradient was not finite: the weights have not moved; statistics and the objective's state are restored.
   */
  undo(): void {
    this.snapshot.restore();
  }

  /** Dry run of a step; see `planned`. */
  plan(): void {
    this.work.plan();
  }

  /** The first phase. */
  private gradients(): Gradients {
    this.snapshot.take();
    this.optimizer.zeroGrad();
    const [first, ...others] = this.parts.map((part) => this.gpu.scope(() => this.accumulate(part)));
    const sum = others.reduce(joined, first!);
    this.optimizer.completeGradients();
    return sum;
  }

  /** Adds a part's gradients. Returns its share of the batch's mean loss and of the figures. */
  private accumulate(part: Inputs): Gradients {
    const share = 1 / this.parts.length;
    const {
      loss,
      total: _,
      ...rest
    } = this.gpu.scope(() => {
      const loss = this.objective.loss(...part);
      return { ...loss, loss: share === 1 ? loss.total : scale(loss.total, share) };
    });
    backward(loss);
    const figures = rest.figures.map(({ tensor, names }) => ({
      tensor: share === 1 ? tensor : scale(tensor, share),
      names,
    }));
    return { ...rest, total: loss.detach(), figures };
  }

  /** The second phase. */
  private update({ apply, share }: Gradients): Updated {
    this.optimizer.step();
    const part = partOf(this.hook);
    const figures = apply?.(part.count) ?? [];
    return { figures, shared: (part.count > 1 && share?.(part)) || null };
  }

  /** The network's weights, the optimiser's moments and the objective's state. */
  async save(): Promise<Pick<Checkpoint, "model" | "optimizer">> {
    const saved = await this.optimizer.save();
    for (const [name, tensor] of this.state)
      saved.optimizer.set(name, { dtype: "F32", shape: tensor.shape, data: await tensor.read() });
    return saved;
  }

  /**
   * Loads the state of a checkpoint; `path` names it in errors. Throws a `UserError` if its
   * sizes or settings differ.
   */
  load(checkpoint: Checkpoint, path: string): void {
    this.optimizer.load(checkpoint, path);
    for (const [name, tensor] of this.state) {
      const stored = checkpoint.optimizer.get(name);
      if (!(stored?.data instanceof Float32Array) || stored.data.length !== tensor.size) {
        throw new UserError(
          `${path}/optimizer.safetensors has no ${name} of ${tensor.size} numbers; it was trained with other settings`,
        );
      }
      tensor.write(stored.data);
    }
  }

  /** Frees everything except the network, which stays. */
  dispose(): void {
    this.work.dispose();
    this.snapshot.dispose();
    this.objective.dispose?.();
    this.optimizer.dispose();
    for (const part of this.parts) for (const tensor of part) tensor.dispose();
    this.random.dispose();
  }
}

/** Combines two parts of a batch. */
function joined(a: Gradients, b: Gradients): Gradients {
  // Changes applied after the gradients belong to a whole batch.
  if (a.apply || b.apply) throw new Error("an objective that changes statistics takes its batch whole");
  return {
    total: add(a.total, b.total),
    figures: a.figures.map(({ tensor, names }, i) => ({ tensor: add(tensor, b.figures[i]!.tensor), names })),
  };
}
