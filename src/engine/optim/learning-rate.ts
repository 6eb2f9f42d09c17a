/** The learning rate as a function of the step alone. */

export interface LearningRateSchedule {
  /** The rate after the warm-up. */
  peak: number;
  /** Steps of linear warm-up. */
  warmup: number;
  /** The rate of step 1 if there is a warm-up; default peak / warmup, so that step n has peak · n / warmup. */
  from?: number;
  /** The course of the rate after the warm-up. Default: constant, as in the paper. */
  decay?: "constant" | "cosine" | "linear";
  /** Length of the run; with `cosine` and `linear`, its last step has the rate `end`. */
  steps: number;
  /** Default 0. */
  end?: number;
}

/** The rate of step `step`, counted from 1. */
export function learningRateAt(step: number, schedule: LearningRateSchedule): number {
  const { peak, warmup, from = peak / warmup, decay = "constant", steps, end = 0 } = schedule;
  if (step <= warmup) return warmup === 1 ? peak : from + ((peak - from) * (step - 1)) / (warmup - 1);
  if (decay === "constant") return peak;
  const progress = Math.min(1, (step - warmup) / Math.max(1, steps - warmup));
  const share = decay === "linear" ? 1 - progress : 0.5 * (1 + Math.cos(Math.PI * progress));
  return end + (peak - end) * share;
}
