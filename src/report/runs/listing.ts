/** What the server of `runs.js` tells its page, as JSON. */

import type { LogEntry } from "../../io/run-folder.js";
import type { JsonRecord } from "../../platform/json.js";

/** Whether a step is of images or of tokens. */
export type LogUnit = LogEntry["unit"];

/** `running`: a process holds the folder. `finished`: its report is written. `stopped`: neither; the run can be resumed. */
export type RunState = "running" | "finished" | "stopped";

/** How far a stage is. */
export interface StageListing {
  readonly stage: string;
  /** Completed steps, and those that the settings ask for; null where they say nothing. */
  readonly step: number;
  readonly steps: number | null;
  /** Time in steps. */
  readonly seconds: number;
  readonly unit: LogUnit;
  /** Of the last step; null where a number is not finite. */
  readonly losses: Readonly<Record<string, number | null>>;
  /** The last value of each held-out measure. */
  readonly metrics: Readonly<Record<string, number | null>>;
}

/** A score with its interval; null where it is undefined. */
export interface ListedScore {
  readonly mean: number | null;
  readonly low: number | null;
  readonly high: number | null;
}

/** Scores of one method on one split, from a result of an evaluation. */
export interface ScoreRow {
  /** The file below the run's folder. */
  readonly file: string;
  readonly split: string;
  readonly pictures: number;
  /** The compared setting or the baseline, as `evaluate.js` names it. */
  readonly method: string;
  readonly isModel: boolean;
  readonly scores: Readonly<Record<string, ListedScore>>;
}

/** A picture that training wrote. */
export interface SampleListing {
  readonly name: string;
  /** `vqvae` or `decoder`, and the step; null for the pictures of the end. */
  readonly stage: string | null;
  readonly step: number | null;
  /** Changes with the file. */
  readonly version: number;
}

/** The pictures and words that a run learned from, from its data.json. */
export interface DataListing {
  readonly pictures: Readonly<Record<string, number>>;
  /** Equal for equal pictures, captions, splits and words. */
  readonly fingerprint: string;
}

/** The text that people keep beside a run. `version` changes with the file; null if there is none. */
export interface NoteListing {
  readonly text: string;
  readonly version: string | null;
}

/** One run. */
export interface RunListing {
  /** Path below the folder that is served; "." for that folder itself. */
  readonly id: string;
  readonly state: RunState;
  readonly config: JsonRecord;
  readonly stages: readonly StageListing[];
  /** Whether the log has been read to its present end. */
  readonly isRead: boolean;
  /** Complete lines of the log. */
  readonly lines: number;
  /** What is wrong with the run's files, one sentence each. */
  readonly problems: readonly string[];
  readonly scores: readonly ScoreRow[];
  readonly samples: readonly SampleListing[];
  readonly data: DataListing | null;
  readonly note: NoteListing;
  readonly hasReport: boolean;
  /** Milliseconds since 1970 of the last change. */
  readonly changed: number;
  /** Grows with each change that this listing shows. */
  readonly revision: number;
}

/** Answer to `runs?since=REVISION`: the runs that changed since, and the ids of all. */
export interface RunsAnswer {
  readonly folder: string;
  readonly revision: number;
  readonly ids: readonly string[];
  readonly changed: readonly RunListing[];
}

/** Points of one quantity. `smooth` is the moving average at these points, over all values; absent for what is not noisy. */
export interface CurvePoints {
  readonly name: string;
  readonly x: readonly number[];
  readonly y: readonly (number | null)[];
  readonly smooth?: readonly (number | null)[];
}

/** The curves of one stage. */
export interface StageCurves {
  readonly stage: string;
  readonly unit: LogUnit;
  readonly quantities: readonly CurvePoints[];
}

/** Answer to `curves?run=ID`. */
export interface CurvesAnswer {
  readonly id: string;
  readonly revision: number;
  readonly stages: readonly StageCurves[];
}

/** What the curves are drawn over: completed steps, or hours of the stage's steps. */
export const X_AXES = ["step", "time"] as const;
export type XAxis = (typeof X_AXES)[number];
