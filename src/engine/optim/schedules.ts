/** Learning rates as functions of the step number, counted from 1. */

export type Schedule = (step: number) => number;

/** A constant rate. */
export function constantRate(rate: number): Schedule {
  return () => rate;
}

/** The progress of step `step` from the first step to the last of `steps`, 0 to 1. */
function progress(step: number, steps: number): number {
  return steps <= 1 ? 1 : Math.min(1, Math.max(0, (step - 1) / (steps - 1)));
}

/** Linear from `from` at step 1 to `to` at step `steps`, and `to` from there on. */
export function linearRate(from: number, to: number, steps: number): Schedule {
  return (step) => from + (to - from) * progress(step, steps);
}

/** From `from` at step 1 along half a cosine to `to` at step `steps`, and `to` from there on (Loshchilov & Hutter 2017). */
export function cosineRate(from: number, to: number, steps: number): Schedule {
  return (step) => to + (from - to) * 0.5 * (1 + Math.cos(Math.PI * progress(step, steps)));
}

/** `rate`, multiplied by `factor` after every `every` steps. */
export function stepRate(rate: number, factor: number, every: number): Schedule {
  return (step) => rate * factor ** Math.floor((step - 1) / every);
}

/**
 * Grows linearly to the first rate of `then` at step `steps`, and continues with `then`, whose step 1 is step `steps`.
 */
export function warmUp(steps: number, then: Schedule): Schedule {
  return (step) => (step < steps ? (then(1) * step) / steps : then(step - Math.max(1, steps) + 1));
}
