/** The state shared by the parts of a `Gpu`: the device, and the listeners and debug modes that are set from outside. */

import type { KernelSpec, Specialisation } from "./kernel.js";
import type { Bindable, Bound } from "./kernel-arguments.js";
import type { BoundRange, Observer } from "./recording.js";
import type { Region } from "./region.js";
import type { Replay } from "./replay.js";
import type { Tuning } from "./tuning/tuning.js";

export interface GpuContext {
  readonly device: GPUDevice;
  readonly limits: GPUSupportedLimits;
  readonly tuning: Tuning;
  /** Receives events while it is set; for profilers. */
  observer: Observer | null;
  /** The profile being taken, see profiler.ts. */
  profiler: GpuProfiler | null;
  /** The active debug mode, see finite-check.ts. */
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
  /** The number of cached bind groups, without those of captured work: at most `mostKeptGroups`. */
  keptBindGroups: number;
}

/** Encodes submissions while a profile is taken, and returns the functions to be called after each. */
export interface GpuProfiler {
  encode(encoder: GPUCommandEncoder, work: Replay): (() => void)[];
}

/** Checks results in debug modes. */
export interface Checker {
  /**
   * Called after each dispatch with the arguments, their buffer ranges in the order of the kernel's bindings, and the bytes
   * written in a storage that is bound as a whole (undefined = all).
   */
  ran(
    kernel: KernelSpec,
    bound: Bound,
    specialisation: Specialisation,
    ranges: readonly BoundRange[],
    writes: Region | undefined,
  ): void;
  /**
   * Called by ops: makes the next read-back throw if `valid` refuses an element of `ids`, which should be `range` (in words).
   * `valid` receives the content of `table` at this point of the work.
   */
  ids(
    op: string,
    ids: Bindable<"u32">,
    range: string,
    valid: (id: number, table: Float32Array) => boolean,
    table?: Bindable,
  ): void;
  /** Called at each read-back: throws the error that was found. */
  report(): Promise<void>;
  dispose(): void;
}
