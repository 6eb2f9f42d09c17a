/** Results of phases for programs, as the JSON file holds them. Types only. */

import type { Report } from "#bench/report.js";
import type { TuningTable } from "../../dist/engine/index.js";
import type { Stage } from "../../dist/training/trainer.js";

export interface BenchData {
  /** As `kernels-bench/run.js --json` writes it. */
  readonly report: Report;
}

export interface TuningData {
  /** What won: a tuning table for `--tuning`, or to be shipped. */
  readonly table: TuningTable;
  /** Kernels and choices at their shapes that were tuned. */
  readonly tried: number;
}

export interface TrainingData {
  /** On what the stored losses were recorded. */
  readonly recorded: string;
  readonly stages: Readonly<Record<Stage, TrainedStage>>;
}

/** By step. */
export interface TrainedStage {
  readonly losses: readonly number[];
  readonly stored: readonly number[];
  /** Relative difference that is allowed. */
  readonly tolerance: readonly number[];
  /** The largest difference in units of its tolerance. */
  readonly share: number;
}
