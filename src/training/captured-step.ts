/** A training step of constant shape: captured once and replayed, or run op by op while checking for non-finite values. */

import type { CapturedWork, Gpu } from "../engine/gpu/gpu.js";
import type { Tensor } from "../engine/tensor/tensor.js";
import { cutWork, type WorkPart } from "./cut-work.js";

/**
 * Records `body` and discards the recording: ops check their shapes and their memory is counted, but nothing is allocated and
 * nothing runs. Errors of ops are thrown.
 */
export function planned(gpu: Gpu, body: () => void): void {
  // The checker forbids captures: it watches kernels as they run.
  if (gpu.checker) return;
  const enough = new Error("planned");
  try {
    gpu.capture(() => {
      body();
      throw enough;
    });
  } catch (error) {
    if (error !== enough) throw error;
  }
}

/** The two phases of a step. Numbers that change from step to step must be read from tensors made outside of the phases. */
export interface Phases<A, B> {
  /** Forward and backward. The result (plain objects and arrays of tensors) is valid until the next step. */
  gradients(): A;
  /** The update from the gradients. */
  update(gradients: A): B;
  /** What follows once the hook between has changed values of the update. */
  settle?(updated: B): void;
}

/** Called between the phases. */
export interface Between<A, B> {
  gradients(gradients: A): void | Promise<void>;
  /** Tensors of the first phase to give away early. It is then submitted in parts. */
  early?(): readonly Tensor[];
  /** Called with each of them when the last command that changes it is submitted, while others follow. */
  complete?(tensor: Tensor): void;
  /** Returns whether `Phases.settle` follows: at every step or never. */
  update?(updated: B): Promise<boolean>;
}

interface Phase<R> {
  result: R;
  work: CapturedWork | null;
  /** The work in parts, where tensors are given away early. */
  parts?: readonly WorkPart[];
}

/**
 * A step in phases with optional hooks between them. Without hooks the first two phases form one capture, submitted once. With
 * `checkFinite` on, nothing is captured: each kernel is checked, at the cost of running through the ops every time. The numbers
 * are the same.
 */
export class CapturedStep<A, B> {
  private readonly gpu: Gpu;
  private readonly phases: Phases<A, B>;
  private readonly between: Between<A, B> | null;
  private whole: Phase<{ first: A; second: B }> | null = null;
  private first: Phase<A> | null = null;
  private second: Phase<B> | null = null;
  private third: Phase<void> | null = null;

  constructor(gpu: Gpu, phases: Phases<A, B>, between: Between<A, B> | null = null) {
    this.gpu = gpu;
    this.phases = phases;
    this.between = between;
  }

  /** Submits the step and returns the results of both phases, which the next run overwrites. */
  async run(): Promise<{ first: A; second: B }> {
    const { phases } = this;
    if (!this.between) {
      this.whole = this.runPhase(this.whole, () => this.record());
      return this.whole.result;
    }
    this.first = this.runPhase(this.first, () => phases.gradients(), this.between);
    const { result } = this.first;
    await this.between.gradients(result);
    this.second = this.runPhase(this.second, () => phases.update(result));
    const { result: second } = this.second;
    if (await this.between.update?.(second))
      this.third = this.runPhase(this.third, () => phases.settle?.(second));
    return { first: result, second };
  }

  /** Dry run of the step; see `planned`. */
  plan(): void {
    planned(this.gpu, () => this.record());
  }

  private record(): { first: A; second: B } {
    const first = this.phases.gradients();
    return { first, second: this.phases.update(first) };
  }

  private runPhase<R>(phase: Phase<R> | null, body: () => R, giving: Between<A, B> | null = null): Phase<R> {
    if (phase?.work && !this.gpu.checker) return submitted(phase, giving);
    free(phase);
    if (this.gpu.checker) {
      const result = this.gpu.scope(body);
      this.gpu.flush();
      return { result, work: null };
    }
    const captured: Phase<R> = this.gpu.capture(body);
    const early = giving?.early?.() ?? [];
    if (early.length > 0) captured.parts = cutWork(captured.work!, early);
    return submitted(captured, giving);
  }

  dispose(): void {
    for (const phase of [this.third, this.second, this.first, this.whole]) free(phase);
    this.whole = this.first = this.second = this.third = null;
  }
}

/** Submits the work of a phase, whole or in its parts. */
function submitted<R>(phase: Phase<R>, giving: Pick<Between<never, never>, "complete"> | null): Phase<R> {
  const { work, parts } = phase;
  if (!parts) work!.run();
  for (const { part, complete } of parts ?? []) {
    work!.run(part);
    for (const tensor of complete) giving?.complete?.(tensor);
  }
  return phase;
}

/** Frees the tensors of a phase's result and its capture. */
function free(phase: Phase<unknown> | null): void {
  if (!phase) return;
  const walk = (value: unknown): void => {
    if (typeof value !== "object" || value === null) return;
    if (Array.isArray(value)) for (const item of value) walk(item);
    else if (Object.getPrototypeOf(value) === Object.prototype)
      for (const item of Object.values(value)) walk(item);
    else if ("dispose" in value && typeof value.dispose === "function") value.dispose();
  };
  walk(phase.result);
  phase.work?.dispose();
}
