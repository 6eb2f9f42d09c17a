/** The interface between the training loop and a stage, and the inputs of a stage. */

import type { Captioner } from "../captioner/captioner.js";
import type { Config } from "../config/config.js";
import type { Dataset } from "../data/dataset.js";
import type { Gpu } from "../engine/gpu/gpu.js";
import type { LogEntry, RunFolder } from "../io/run-folder.js";
import type { Collective } from "../platform/collective.js";
import type { Platform } from "../platform/platform.js";
import type { Checkpoint } from "./checkpoint.js";
import type { Transport } from "./half-sums.js";

/**
 * The stages of a run, which name its log entries and checkpoints: `vqvae` trains the image tokenizer of any kind, `decoder` the
 * caption decoder.
 */
export type Stage = "vqvae" | "decoder";

/** Context shared by the stages of a run. */
export interface StageContext {
  /** The processes that train together; default: this one alone. */
  collective?: Collective;
  /** How gradients travel between them; default: float32. */
  transport?: Transport;
  platform: Platform;
  config: Config;
  captioner: Captioner;
  dataset: Dataset;
  run: RunFolder;
  /** Records of held-out pictures that are measured and shown during training. */
  heldOut: readonly number[];
}

/** The logged numbers of one training step. */
export interface StepResult {
  /** `total` and its parts. */
  losses: Record<string, number>;
  learningRate: number;
  /** Global L2 norm of the gradient before clipping. */
  gradNorm: number;
  /** Of several processes that train together: their times, and the ranks whose own loss is NaN or infinite. */
  ranks?: NonNullable<LogEntry["ranks"]>;
  notFinite?: readonly number[];
}

/** How batches of pictures came to the steps so far, all in milliseconds. */
export interface Loading {
  /** Time that steps waited for their batch. */
  readonly waited: number;
  /** Time from the request of each batch until it was there, most of it while the GPU worked. */
  readonly loaded: number;
  readonly pictures: number;
}

/** Trains a stage one step at a time. All randomness in step n depends on the seed and n alone. `Name`: the stages of a captioner's run. */
export interface Trainer<Name extends string = Stage> {
  readonly gpu: Gpu;
  readonly stage: Name;
  /** Total number of steps. Changes when `StageOptions.pace` corrects it. */
  readonly steps: number;
  /** Units that a step processes, for throughput. */
  readonly perStep: { count: number; unit: "images" | "tokens" };
  /** Absent where a step reads no pictures. */
  readonly loading?: Loading;
  /** Runs step `step` (from 1). Resolves when its numbers have been read back. */
  step(step: number): Promise<StepResult>;
  /** Undoes a step whose gradient was not finite: restores everything it changed (it moved no weight). */
  undo(): void;
  /** Settings that the memory of a step grows with, as named in the message about a failed allocation: "vqvae.batch, …". */
  readonly memorySettings: string;
  /** Measures on held-out data. Calls `onBatch`, which may throw, after each batch of pictures or captions. */
  evaluate(onBatch?: () => void): Promise<Record<string, number>>;
  /** Writes samples under a name that contains the step; returns their path. `onBatch` as above. */
  sample(step: number, onBatch?: () => void): Promise<string>;
  /** Runs `body` while the model has the weights that would be used if training ended here. */
  withUsedWeights<T>(body: () => Promise<T>): Promise<T>;
  /** Weights and optimiser state, for a checkpoint. */
  save(): Promise<Pick<Checkpoint, "model" | "optimizer">>;
  /** Loads the state of a checkpoint; `path` names it in errors. */
  load(checkpoint: Checkpoint, path: string): void;
  /** Called once training is over: from now on the model has the weights for use. */
  finish?(): void;
  /** Frees everything except the model. */
  dispose(): void;
}
