/**
 * The Gaussian process of Bit Diffusion in float64, by a signal level γ(t) that falls from 1 at t = 0 towards 0 at t = 1:
 *
 *   q(x_t | x_0) = N(√γ(t) x_0, 1 − γ(t))
 *
 * and its steps x_t → x_s, s < t, given an estimate x̂_0 of the network:
 *
 *   DDIM   x_s = √γ_s x̂_0 + √(1 − γ_s) ε̂,  ε̂ = (x_t − √γ_t x̂_0) / √(1 − γ_t)
 *   DDPM   x_s ~ q(x_s | x_t, x_0 = x̂_0) = N(√(γ_t/γ_s) (1 − γ_s)/(1 − γ_t) x_t + √γ_s c x̂_0, (1 − γ_s) c),
 *          c = 1 − γ_t (1 − γ_s) / ((1 − γ_t) γ_s)
 */

/** The signal levels by name. */
export const gammaSchedules = ["cosine", "linear", "sigmoid"] as const;
/** A signal level γ(t) by name. */
export type GammaSchedule = (typeof gammaSchedules)[number];

/** The ways to take a step. */
export const bitSteps = ["ddim", "ddpm"] as const;
/** A way to take a step by name; the header of gaussian.ts has the equations. */
export type BitStep = (typeof bitSteps)[number];

/** Least signal level, so that a step from t = 1 is defined. */
const least = 1e-9;
/** The sigmoid schedule runs from here to its negative. */
const sigmoidStart = -3;

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

/**
 * γ(t), t in [0, 1]; exactly 1 at 0, never below 1e-9.
 *
 *   cosine   cos²((t + 0.0002) / 1.00025 · π/2)
 *   linear   1 − t
 *   sigmoid  (σ(3) − σ(6t − 3)) / (σ(3) − σ(−3))
 */
export function gamma(schedule: GammaSchedule, t: number): number {
  if (t <= 0) return 1;
  const levels: Record<GammaSchedule, () => number> = {
    cosine: () => Math.cos((((t + 0.0002) / 1.00025) * Math.PI) / 2) ** 2,
    linear: () => 1 - t,
    sigmoid: () => {
      const [first, last] = [sigmoid(sigmoidStart), sigmoid(-sigmoidStart)];
      return (last - sigmoid(sigmoidStart * (1 - 2 * t))) / (last - first);
    },
  };
  return Math.min(1, Math.max(least, levels[schedule]()));
}

/** A step as numbers: x_s = estimate · x̂_0 + state · x_t + noise · ε, ε ~ N(0, 1). */
export interface StepWeights {
  readonly estimate: number;
  readonly state: number;
  readonly noise: number;
}

/** The weights of a step from the signal level γ_t to γ_s; at γ_s = 1 the result is the estimate. */
export function stepWeights(step: BitStep, gammaT: number, gammaS: number): StepWeights {
  if (step === "ddim") {
    const state = Math.sqrt((1 - gammaS) / (1 - gammaT));
    return { estimate: Math.sqrt(gammaS) - Math.sqrt(gammaT) * state, state, noise: 0 };
  }
  const c = 1 - (gammaT * (1 - gammaS)) / ((1 - gammaT) * gammaS);
  return {
    estimate: Math.sqrt(gammaS) * c,
    state: (Math.sqrt(gammaT / gammaS) * (1 - gammaS)) / (1 - gammaT),
    noise: Math.sqrt((1 - gammaS) * c),
  };
}

/**
 * The steps of a sampler that visits some of T steps: times from and to, as shares of T. With asymmetric intervals each step aims
 * `timeDifference` of its N steps further than the next one starts: s = max(u/T − timeDifference/N, 0).
 */
export function timePairs(
  visits: readonly number[],
  steps: number,
  timeDifference: number,
): { from: number; to: number }[] {
  const count = visits.length - 1;
  return visits.slice(0, -1).map((t, i) => ({
    from: t / steps,
    to: Math.max(visits[i + 1]! / steps - timeDifference / count, 0),
  }));
}
