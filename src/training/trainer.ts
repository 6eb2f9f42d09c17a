/** What the training loop asks of a stage, and what a stage is made from. */

import type { Captioner } from "../captioner/captioner.js";
import type { Config } from "../config/config.js";
import type { Dataset } from "../data/dataset.js";
import type { Gpu } from "../engine/gpu/gpu.js";
import type { RunFolder } from "../io/run-folder.js";
import type { Platform } from "../platform/platform.js";
import type { Checkpoint } from "./checkpoint.js";

/**
 * The stages of a run, which name its log entries and checkpoints: `vqvae` trains the image tokenizer, whichever it is, `decoder` the
 * caption decoder.
 */
export type Stage = "vqvae" | "decoder";

/** What the stages of a run share. */
export interface StageContext {
  platform: Platform;
  config: Config;
  captioner: Captioner;
  dataset: Dataset;
  run: RunFolder;
  /** Records of held-out pictures that are measured and shown while training. */
  heldOut: readonly number[];
}

/** The numbers of one training step, as the log has them. */
export interface StepResult {
  /** `total` and its parts. */
  losses: Record<string, number>;
  learningRate: number;
  /** Global L2 norm of the gradient before clipping. */
  gradNorm: number;
}

/** What a stage trains, one step at a time. Everything random in step n depends on the seed and n alone. */
export interface Trainer {
  readonly gpu: Gpu;
  readonly stage: Stage;
  /** How many there are to be. Another number once `StageOptions.pace` has corrected it. */
  readonly steps: number;
  /** What a step works through, for throughput. */
  readonly perStep: { count: number; unit: "images" | "tokens" };
  /** Step `step` (from 1). Resolves when its numbers have been read back. */
  step(step: number): Promise<StepResult>;
  /** Takes back all that a step has changed whose gradient was not finite, so that it moved no weight. */
  undo(): void;
  /** Settings that the memory of a step grows with, as the message says that tells of too little: "vqvae.batch, …". */
  readonly memorySettings: string;
  /** Measures on held-out data. Calls `onBatch`, which may throw, after each batch of pictures or captions. */
  evaluate(onBatch?: () => void): Promise<Record<string, number>>;
  /** Writes samples under a name that contains the step; returns their path. `onBatch` as above. */
  sample(step: number, onBatch?: () => void): Promise<string>;
  /** Runs `body` while the model has the weights that it would be used with if training ended here. */
  withUsedWeights<T>(body: () => Promise<T>): Promise<T>;
  /** Weights and optimiser state, for a checkpoint. */
  save(): Promise<Pick<Checkpoint, "model" | "optimizer">>;
  /** Takes up the state of a checkpoint; `path` names it in errors. */
  load(checkpoint: Checkpoint, path: string): void;
  /** Called once training is over: from now on the model has the weights that it is used with. */
  finish?(): void;
  /** Frees all but the model. */
  dispose(): void;
}
