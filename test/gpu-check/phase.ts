/** What a phase of the check is given and what it gives back; the same in Node's processes and in a page's workers. Types only. */

import type { Dataset } from "../../dist/data/dataset.js";
import type { Gpu } from "../../dist/engine/gpu/gpu.js";
import type { Platform } from "../../dist/platform/platform.js";
import type { PhaseName } from "./plan.js";

/** What a process or worker is started for. */
export interface Order {
  readonly phase: PhaseName;
  /** Time that the phase should keep to. */
  readonly seconds: number;
  /** Only test files whose path has this text. */
  readonly tests?: string | undefined;
}

/** What a process or worker tells while it works. */
export type News =
  /** `share` of the work from 0 to 1. */
  | { type: "progress"; share: number; text: string }
  /** Kernels that were submitted, if they are others than before. */
  | { type: "submitted"; kernels: readonly string[] }
  | { type: "outcome"; outcome: Outcome };

export interface Outcome {
  /** What is wrong, a sentence each. With any, the phase is red. */
  readonly problems: readonly string[];
  /** What was left out for want of time or memory. */
  readonly cut: readonly string[];
  /** Why nothing ran; absent where something did. */
  readonly skipped?: string;
  /** Results for people, by name. */
  readonly facts: Readonly<Record<string, string>>;
  readonly tables: readonly Table[];
  /** Results for programs. */
  readonly data?: unknown;
}

export interface Table {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** A device as the runtime opens it. */
export interface Opened {
  readonly device: GPUDevice;
  readonly description?: string;
  readonly software?: boolean;
  readonly rest?: ((promise: Promise<unknown>) => void) | undefined;
}

export type TextFile = "fma.wgsl" | "copy.wgsl" | "quick-losses.json";

/** The runtime that a phase works in. */
export interface Host {
  readonly platform: Platform;
  /** Opens a new device. */
  open(): Promise<Opened>;
  text(file: TextFile): Promise<string>;
  /** The 512 training pictures of the preset quick. */
  dataset(): Promise<Dataset>;
  /** The test modules that run here, by their paths in `test/`. */
  modules(): Promise<readonly string[]>;
  /** Loads one of them, which declares its tests in `mcdTests`. */
  load(module: string): Promise<unknown>;
  /** Milliseconds of processor time so far, all threads; absent where the platform does not tell it. */
  readonly cpuTime?: () => number;
  say(news: News): void;
}

/** What a phase works with. */
export interface Context {
  readonly host: Host;
  readonly order: Order;
  /** A new device each time, with its `Gpu`. Its tuning is the package's own, or none with `untuned`. */
  gpu(options?: { untuned?: boolean }): Promise<Gpu>;
  /** A new device alone. */
  device(): Promise<GPUDevice>;
  /** Time by `performance.now()` at which the phase should end. */
  readonly until: number;
  /** Whether that time has come. */
  over(): boolean;
  progress(share: number, text: string): void;
  /** Throws if a device of the phase was lost. */
  throwIfLost(): void;
}

export type RunPhase = (context: Context) => Promise<Outcome>;
