/** A training step of unchanging shape: recorded once and replayed, or run op by op when looking for a bad number. */

import type { CapturedWork, Gpu } from "../engine/gpu/gpu.js";
import type { Tensor } from "../engine/tensor/tensor.js";

/** The tensors that a step gives, by name. */
export type StepTensors = Record<string, Tensor>;

/**
 * Records `body` and throws the recording away: ops check their shapes and their memory is counted, but none is taken and
 * nothing runs. Throws what an op throws.
 */
export function planned(gpu: Gpu, body: () => void): void {
  // The checker lets nothing be captured: it watches kernels that run.
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

export class StaticStep<R extends StepTensors> {
  private readonly gpu: Gpu;
  private readonly record: () => R;
  private captured: { work: CapturedWork; result: R } | null = null;
  private uncaptured: R | null = null;

  /** `record` runs the ops of a step; what changes from step to step it must read from tensors made outside of it. */
  constructor(gpu: Gpu, record: () => R) {
    this.gpu = gpu;
    this.record = record;
  }

  /**
   * Submits the step and returns its results, which the next run overwrites. With `checkFinite` on, nothing is
   * captured: each kernel is watched, at the price of walking through the ops every time. The numbers are the same.
   */
  run(): R {
    this.release();
    if (this.gpu.checker) {
      this.uncaptured = this.gpu.scope(this.record);
      this.gpu.flush();
      return this.uncaptured;
    }
    this.captured ??= this.gpu.capture(this.record);
    this.captured.work.run();
    return this.captured.result;
  }

  /** Tries the step without running it; see `planned`. */
  plan(): void {
    planned(this.gpu, () => this.record());
  }

  private release(): void {
    for (const tensor of Object.values(this.uncaptured ?? {})) tensor.dispose();
    this.uncaptured = null;
  }

  dispose(): void {
    this.release();
    for (const tensor of Object.values(this.captured?.result ?? {})) tensor.dispose();
    this.captured?.work.dispose();
    this.captured = null;
  }
}
