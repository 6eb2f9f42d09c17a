/** What the parts of a `Gpu` share: the device, and the listeners and debug modes that are set on it from outside. */

import type { KernelSpec, Specialisation } from "./kernel.js";
import type { Bindable, Bound } from "./kernel-arguments.js";
import type { BoundRange, Observer } from "./recording.js";
import type { Replay } from "./replay.js";
import type { Tuning } from "./tuning/tuning.js";

export interface GpuContext {
  readonly device: GPUDevice;
  readonly limits: GPUSupportedLimits;
  readonly tuning: Tuning;
  /** Listens while it is set; for profilers. */
  observer: Observer | null;
  /** A profile being taken, see profiler.ts. */
  profiler: GpuProfiler | null;
  /** A debug mode at work, see finite-check.ts. */
  checker: Checker | null;
  /** Target length of one submission, see `Gpu.sliceMilliseconds`. */
  sliceMilliseconds: number;
}

/** Counts since the engine was made on its device. */
export interface Counters {
  dispatches: number;
  submits: number;
  pipelines: number;
  bindGroups: number;
  buffers: number;
  /** Of the bind groups, those that are kept for the next time, outside of captured work: never more than `mostKeptGroups`. */
  keptBindGroups: number;
}

/** Encodes submissions while a profile is taken, and returns what is to be called after each. */
export interface GpuProfiler {
  encode(encoder: GPUCommandEncoder, work: Replay): (() => void)[];
}

/** Looks at results in debug modes. */
export interface Checker {
  /** After each dispatch: what was bound, and the ranges of buffers that this came to, in the order of the kernel's bindings. */
  ran(kernel: KernelSpec, bound: Bound, specialisation: Specialisation, ranges: readonly BoundRange[]): void;
  /**
   * Called by ops: the next read-back shall throw if `valid` refuses an element of `ids`, which should be `range` (in words).
   * `valid` is given what `table` holds at this point of the work.
   */
  ids(
    op: string,
    ids: Bindable<"u32">,
    range: string,
    valid: (id: number, table: Float32Array) => boolean,
    table?: Bindable,
  ): void;
  /** At each read-back: throws what was found. */
  report(): Promise<void>;
  dispose(): void;
}
