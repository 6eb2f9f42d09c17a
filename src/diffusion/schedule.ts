/**
 * The mask-and-replace process over M tokens and [MASK] (index M), in float64.
 *
 * One step t keeps a token with α_t, redraws it uniformly over all M tokens with M·β_t and masks it with γ_t
 * (α_t + M β_t + γ_t = 1); [MASK] stays. The products of steps have the same form, so a whole process is three numbers
 * ᾱ_t, β̄_t, γ̄_t for t = 0 … T, and so is the jump from any u to any later t.
 *
 * Time runs from t = 0, clean data, to t = T.
 */

import { UserError } from "../platform/errors.js";

/** Probabilities of one step or jump for a token: keep it, change it to one given token (any of M, itself too), mask it. */
export interface Transition {
  readonly alpha: number;
  readonly beta: number;
  readonly gamma: number;
}

/** A noise schedule by name. */
export type SchedulePreset = "vq-diffusion-paper" | "vq-diffusion-code" | "absorbing" | "uniform";

/** Cumulative probabilities at t = 1 and t = T; linear in t between. The rest beyond ᾱ and γ̄ is redrawn uniformly. */
export interface ScheduleEnds {
  readonly alphaFirst: number;
  readonly alphaLast: number;
  readonly gammaFirst: number;
  readonly gammaLast: number;
}

/**
 * `vq-diffusion-paper`  γ̄ to 0.9, uniform mass to 0.1: tokens are masked and also replaced by wrong ones.
 * `vq-diffusion-code`   the end points of the public code: γ̄ to 0.99999 and a uniform mass of 1e-6 throughout, so that
 *                       in practice tokens are only masked.
 * `absorbing`           β = 0 exactly.
 * `uniform`             γ = 0: no [MASK].
 */
const presets: Readonly<Record<SchedulePreset, ScheduleEnds>> = {
  "vq-diffusion-paper": { alphaFirst: 0.99999, alphaLast: 0.000009, gammaFirst: 0.000009, gammaLast: 0.9 },
  "vq-diffusion-code": { alphaFirst: 0.99999, alphaLast: 0.000009, gammaFirst: 0.000009, gammaLast: 0.99999 },
  absorbing: { alphaFirst: 0.99999, alphaLast: 0.000009, gammaFirst: 0.00001, gammaLast: 0.999991 },
  uniform: { alphaFirst: 0.99999, alphaLast: 0.000009, gammaFirst: 0, gammaLast: 0 },
};

/**
 * The default schedule. The paper prints no end points. It calls its process mask-and-replace and claims that wrong tokens are
 * corrected on the way. A network learns to correct only if training shows it wrong tokens, which the end points of the public
 * code practically never do (one token in a million).
 */
export const defaultPreset: SchedulePreset = "vq-diffusion-paper";

/** All schedules by name. */
export const schedulePresets = Object.keys(presets) as readonly SchedulePreset[];

/** Differences this small are rounding: 1 - α - γ of two decimal fractions is not exactly 0. */
const rounding = 1e-12;

/**
 * Cumulative probabilities ᾱ_t, β̄_t and γ̄_t of the forward process in float64, for t = 0 … T. The
 * constructor throws a `UserError` for end points that are not probabilities.
 */
export class Schedule {
  readonly name: string;
  /** T, the number of steps. */
  readonly steps: number;
  /** M, the number of tokens without [MASK]; also the index of [MASK]. */
  readonly tokens: number;
  /** ᾱ_t, t = 0 … T. */
  readonly alphaBar: Float64Array;
  /** β̄_t, t = 0 … T: the share of each single token. */
  readonly betaBar: Float64Array;
  /** γ̄_t, t = 0 … T. */
  readonly gammaBar: Float64Array;
  /** M·β̄_t, the mass that is redrawn uniformly. */
  readonly uniformBar: Float64Array;

  /** Throws a `UserError` that names the first broken condition. */
  constructor(options: { tokens: number; steps?: number; ends?: SchedulePreset | ScheduleEnds }) {
    const { tokens, steps = 100, ends = defaultPreset } = options;
    const chosen = typeof ends === "string" ? presets[ends] : ends;
    if (!chosen)
      throw new UserError(
        `There is no schedule "${String(ends)}"; choose one of ${schedulePresets.join(", ")}.`,
      );
    if (!Number.isInteger(tokens) || tokens < 2)
      throw new UserError(`The schedule needs a vocabulary of at least 2 tokens, not ${tokens}.`);
    if (!Number.isInteger(steps) || steps < 2) {
      throw new UserError(
        `The schedule needs at least 2 steps, not ${steps}: its probabilities run from the first to the last.`,
      );
    }
    this.name = typeof ends === "string" ? ends : "custom";
    this.steps = steps;
    this.tokens = tokens;
    this.alphaBar = new Float64Array(steps + 1);
    this.betaBar = new Float64Array(steps + 1);
    this.gammaBar = new Float64Array(steps + 1);
    this.uniformBar = new Float64Array(steps + 1);
    this.alphaBar[0] = 1;
    for (let t = 1; t <= steps; t++) {
      const f = (t - 1) / (steps - 1);
      const alpha = chosen.alphaFirst + f * (chosen.alphaLast - chosen.alphaFirst);
      const gamma = chosen.gammaFirst + f * (chosen.gammaLast - chosen.gammaFirst);
      const left = 1 - alpha - gamma;
      this.alphaBar[t] = alpha;
      this.uniformBar[t] = Math.abs(left) < rounding ? 0 : left;
      this.gammaBar[t] = this.uniformBar[t] === 0 ? 1 - alpha : gamma;
      this.betaBar[t] = this.uniformBar[t]! / tokens;
    }
    this.validate();
  }

  private validate(): void {
    const complain = (t: number, what: string): never => {
      throw new UserError(
        `The schedule "${this.name}" is not possible: at step ${t} of ${this.steps} ${what}.`,
      );
    };
    for (let t = 1; t <= this.steps; t++) {
      const [alpha, gamma, uniform] = [this.alphaBar[t]!, this.gammaBar[t]!, this.uniformBar[t]!];
      if (![alpha, gamma].every(Number.isFinite)) complain(t, "a probability is not a number");
      if (!(alpha > 0)) complain(t, `the probability to be unchanged is ${alpha}; it must stay above 0`);
      if (gamma < 0) complain(t, `the probability of [MASK] is ${gamma}, below 0`);
      if (uniform < 0)
        complain(
          t,
          `the probabilities to be unchanged (${alpha}) and to be [MASK] (${gamma}) exceed 1 together`,
        );
      if (alpha > this.alphaBar[t - 1]!)
        complain(t, "the probability to be unchanged rises; it must fall with time");
      if (gamma < this.gammaBar[t - 1]!)
        complain(t, "the probability of [MASK] falls; it must rise with time");
      // β_t >= 0: the uniform share must not fall against the share kept.
      if (uniform * this.alphaBar[t - 1]! < alpha * this.uniformBar[t - 1]! - rounding) {
        complain(t, "a token would have to be replaced with a negative probability (beta < 0)");
      }
    }
    if (this.alphaBar[this.steps]! >= this.alphaBar[1]!)
      complain(this.steps, "nothing has been lost; the probability to be unchanged must fall");
  }

  /** q(x_t | x_{t-1}): α_t, β_t, γ_t, t = 1 … T. */
  step(t: number): Transition {
    return this.jump(t - 1, t);
  }

  /** q(x_t | x_0): ᾱ_t, β̄_t, γ̄_t, t = 0 … T. */
  cumulative(t: number): Transition {
    return this.jump(0, t);
  }

  /** q(x_t | x_u) for 0 <= u <= t <= T: α = ᾱ_t/ᾱ_u, γ = 1 - (1-γ̄_t)/(1-γ̄_u), β the rest divided by M. */
  jump(u: number, t: number): Transition {
    if (!(Number.isInteger(u) && Number.isInteger(t) && u >= 0 && u <= t && t <= this.steps)) {
      throw new UserError(
        `There is no jump from step ${u} to step ${t}: the schedule has the steps 0 to ${this.steps}, in rising order.`,
      );
    }
    const [alphaU, alphaT] = [this.alphaBar[u]!, this.alphaBar[t]!];
    const [uniformU, uniformT] = [this.uniformBar[u]!, this.uniformBar[t]!];
    const keptU = alphaU + uniformU;
    const gamma = (this.gammaBar[t]! - this.gammaBar[u]!) / keptU;
    // (1-γ̄_t)/(1-γ̄_u) - ᾱ_t/ᾱ_u with 1-γ̄ = ᾱ + Mβ̄, arranged so that β = 0 gives exactly 0.
    const uniform = (uniformT * alphaU - alphaT * uniformU) / (keptU * alphaU);
    return { alpha: alphaT / alphaU, beta: Math.max(0, uniform) / this.tokens, gamma };
  }

  /**
   * KL(q(x_T|x_0) ‖ p(x_T)) of one token in nats, with the prior p(x_T) = ((1-γ̄_T)/M, …, γ̄_T) from which sampling starts. It
   * has no parameters: it is part of the reported bound, not of the loss.
   */
  priorKl(): number {
    const [alpha, beta, gamma] = [
      this.alphaBar[this.steps]!,
      this.betaBar[this.steps]!,
      this.gammaBar[this.steps]!,
    ];
    const prior = (1 - gamma) / this.tokens;
    const term = (q: number) => (q > 0 ? q * Math.log(q / prior) : 0);
    return term(alpha + beta) + (this.tokens - 1) * term(beta);
  }

  /** See `visitedSteps`. */
  visit(count: number): number[] {
    return visitedSteps(this.steps, count);
  }
}

/**
 * The steps that a sampler visits: `count` of them, from `steps` down to 0 (excluded from the count), as evenly spaced as
 * possible.
 */
export function visitedSteps(steps: number, count: number): number[] {
  if (!Number.isInteger(count) || count < 1 || count > steps) {
    throw new UserError(
      `Sampling in ${count} steps is not possible; choose a whole number from 1 to ${steps}.`,
    );
  }
  return Array.from({ length: count + 1 }, (_, i) => Math.round((steps * (count - i)) / count));
}
