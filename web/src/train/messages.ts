/** What the Train tab and its worker tell each other. */

import type { LogEntry } from "../../../dist/report.js";

export type Pictures =
  /** The prepared emoji that the page brings along. */
  | { kind: "emoji" }
  /** A folder of the person's own: files by their paths, which begin with the folder's name. */
  | { kind: "folder"; name: string; files: ReadonlyMap<string, File>; skipBad: boolean };

export type Order =
  /** A new run; one that is kept from before is removed. `set` as in `--set key=value`. */
  | { type: "start"; preset: string; pictures: Pictures; set: readonly string[] }
  /** Goes on with the run that is kept. */
  | { type: "resume" }
  /** Ends after the step that is being done, and keeps all that is needed to go on. */
  | { type: "pause" }
  /** Asks for the captioner as it is now. */
  | { type: "export" }
  /** Removes the run that is kept. */
  | { type: "discard" };

/** A captioner as Node's commands read it: the two files of `weights/`. */
export interface Trained {
  config: Blob;
  model: Blob;
  /** Steps done of each stage. */
  steps: Readonly<Record<Stage, number>>;
}

export type Stage = "vqvae" | "decoder";

export interface RunFacts {
  adapter: string;
  data: string;
  pictures: number;
  words: number;
  parameters: Readonly<Record<Stage, number>>;
  steps: Readonly<Record<Stage, number>>;
}

export type Phase = "opening" | "pictures" | Stage | "codes" | "saving";

/** Bytes of the engine's buffers before the training, and after it gave back its own. */
export interface MemoryReturned {
  before: number;
  after: number;
}

export type News =
  | { type: "phase"; phase: Phase; done?: number; total?: number }
  | { type: "facts"; facts: RunFacts }
  /** Steps that were done, in their order; after a resumption the first may have been told before. */
  | { type: "steps"; entries: readonly LogEntry[] }
  | { type: "note"; text: string }
  | { type: "sample"; stage: Stage; step: number; picture: Blob }
  | { type: "trained"; trained: Trained }
  | { type: "ended"; outcome: "finished" | "paused"; memory: MemoryReturned }
  | { type: "failed"; order: Order["type"]; message: string }
  | { type: "discarded" };
