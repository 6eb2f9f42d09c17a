/** Messages between the Train tab and its worker. */

import type { LogEntry } from "../../../dist/report.js";

export type Pictures =
  /** The prepared emoji that ship with the page. */
  | { kind: "emoji" }
  /** A folder of the user's: files by their paths, which begin with the folder's name. */
  | { kind: "folder"; name: string; files: ReadonlyMap<string, File>; skipBad: boolean };

export type Order =
  /** Starts a new run of that name. `set` as in `--set key=value`. */
  | { type: "start"; run: string; preset: string; pictures: Pictures; set: readonly string[] }
  /** Resumes a stored run. */
  | { type: "resume"; run: string }
  /** Stops after the current step, and stores everything needed to resume. */
  | { type: "pause" }
  /** Requests the captioner of a run as trained so far. */
  | { type: "export"; run: string }
  /** Removes a stored run. */
  | { type: "discard"; run: string };

/** A captioner in the format that Node's commands read: the two files of `weights/`. */
export interface Trained {
  config: Blob;
  model: Blob;
  /** Completed steps of each stage. */
  steps: Readonly<Record<Stage, number>>;
}

export type Stage = "vqvae" | "decoder";

export interface RunFacts {
  adapter: string;
  data: string;
  pictures: number;
  /** Its size: "1724 words". */
  vocabulary: string;
  parameters: Readonly<Record<Stage, number>>;
  steps: Readonly<Record<Stage, number>>;
  /** Steps between measures on held-out pictures; 0: only at the end of a stage. */
  evaluateEvery: number;
}

export type Phase = "opening" | "pictures" | Stage | "codes" | "measures" | "samples" | "saving";

/** Bytes of the engine's buffers before the training, and after the training released its own. */
export interface MemoryReturned {
  before: number;
  after: number;
}

export type News =
  | { type: "phase"; phase: Phase; done?: number; total?: number }
  | { type: "facts"; facts: RunFacts }
  /** Completed steps, in order. After a resumption the first may have been reported before. */
  | { type: "steps"; entries: readonly LogEntry[] }
  | { type: "note"; text: string }
  | { type: "sample"; stage: Stage; step: number; picture: Blob }
  | { type: "trained"; trained: Trained }
  | { type: "ended"; outcome: "finished" | "paused"; memory: MemoryReturned }
  | { type: "failed"; order: Order["type"]; message: string }
  | { type: "discarded"; run: string }
  /** Sent every `heartbeat` milliseconds: the worker is alive. */
  | { type: "alive" };

/** Milliseconds between two signs of life of the worker. */
export const heartbeat = 2000;
