/** The steps of a judge's training in a given time. */

import type { JudgeConfig } from "./settings.js";

/** Steps of which the first few compile kernels and say nothing. */
const ignored = 3;
/** Steps between two corrections. */
const every = 10;
/** Smaller corrections, as a share, do not justify another learning-rate schedule. */
const smallest = 0.02;
/** Share of the time for measures and the last checkpoint. */
const closing = 0.08;

/** Chooses `judge.steps` by the time that the steps so far took. */
export class JudgePace {
  readonly #config: JudgeConfig;
  readonly #now: () => number;
  readonly #deadline: number;
  #since: { readonly step: number; readonly time: number } | null = null;

  /** `began`: when the command began, in milliseconds of `now`. */
  constructor(config: JudgeConfig, now: () => number, began: number) {
    this.#config = config;
    this.#now = now;
    this.#deadline = began + config.minutes * 60_000 * (1 - closing);
  }

  /** Called after each step. Returns whether `judge.steps` changed. */
  after(step: number, _ms: number): boolean {
    const time = this.#now();
    if (step === ignored) this.#since = { step, time };
    if (this.#since === null || step <= ignored || step % every !== 0) return false;
    // With all that came between the steps: measures and checkpoints.
    const each = (time - this.#since.time) / (step - this.#since.step);
    const { judge } = this.#config;
    const steps = step + Math.max(0, Math.floor((this.#deadline - time) / each));
    if (Math.abs(steps - judge.steps) <= smallest * judge.steps && time < this.#deadline) return false;
    judge.steps = steps;
    return true;
  }
}
