/**
 * What the kernels need of a schedule, per step t of a run that goes from t to the step u visited next (u = t-1 in
 * training, further down in a sampler that skips steps). Computed in float64, uploaded once.
 *
 * With s_j = q(x_t | x_u = j), l_k = q(x_t | x_0 = k) and κ = β̄_t / (β̄_t + ᾱ_t), all likelihoods are scaled by β̄_t
 * (γ̄_t at [MASK]), so that nothing overflows however small β̄_t is:
 *   r̃_k = p_k at every token but x_t, κ p_k at x_t;  S̃ = Σ r̃_k;  out_j = (s_j / β̄_t) (ᾱ_u r̃_j + β̄_u S̃).
 */

import type { Gpu } from "../engine/gpu/gpu.js";
import { probabilityThreshold } from "../engine/ops/philox.js";
import { type Tensor, untracked } from "../engine/tensor/tensor.js";
import { UserError } from "../platform/errors.js";
import type { Schedule } from "./schedule.js";

/** Floats a step takes in `TransitionTable.coefficients`; the order is that of `Step` in shaders/diffusion/loss.wgsl. */
export const coefficientsPerStep = 20;
/** Words a step takes in `TransitionTable.thresholds`; the order is in shaders/diffusion/sample-step.wgsl. */
export const thresholdsPerStep = 8;

/** Stands for log 0: far below any log-probability, yet finite, so that sums and differences stay finite. */
export const logZero = -1e30;

const log = (x: number) => (x > 0 ? Math.log(x) : logZero);
const ratio = (a: number, b: number) => (b > 0 ? a / b : 0);

/** The tables of a schedule on the GPU. Row t, for t = 0 … T; rows of steps that are not visited are zero. */
export interface TransitionTable {
  readonly schedule: Schedule;
  /** Visited steps, falling, ending with 0. */
  readonly visits: readonly number[];
  /** [T+1, 20] logarithms and ratios for posterior and loss. */
  readonly coefficients: Tensor;
  /** [T+1, 8] probabilities in units of 2^-31 for drawing x_t from x_0 and x_u from (x_t, x_0). */
  readonly thresholds: Tensor<"u32">;
  /** Frees both tables. */
  dispose(): void;
}

/** One row of the coefficients: the jump from u to t seen backwards. */
export function stepCoefficients(schedule: Schedule, u: number, t: number): number[] {
  const { alpha, beta, gamma } = schedule.jump(u, t);
  const [alphaU, betaU, gammaU] = [schedule.alphaBar[u]!, schedule.betaBar[u]!, schedule.gammaBar[u]!];
  const [alphaT, betaT, gammaT] = [schedule.alphaBar[t]!, schedule.betaBar[t]!, schedule.gammaBar[t]!];
  const kappa = betaT / (betaT + alphaT);
  const masking = ratio(gamma, gammaT);
  const changing = ratio(beta, betaT);
  const staying = ratio(alpha + beta, betaT);
  return [
    log(alphaU),
    log(betaU),
    log(alphaU + betaU),
    log(kappa),

    ratio(alphaU, betaU),
    kappa,
    2 - (t - 1) / schedule.steps,
    betaT === 0 ? 1 : 0,

    // True posterior, x_t = [MASK]: at x_0, at any other token, all tokens together; the log-probability of [MASK].
    masking * (alphaU + betaU),
    masking * betaU,
    gammaT === 0 ? 0 : 1 - gammaU / gammaT,
    gammaT === 0 ? 0 : log(gammaU / gammaT),

    // x_t a token, not x_0: at x_0, at any other, at x_t. log s_j / γ̄_t for x_t = [MASK].
    changing * (alphaU + betaU),
    changing * betaU,
    staying * betaU,
    log(masking),

    // x_t = x_0: at x_0, at any other. log s_j / β̄_t at j ≠ x_t and at j = x_t.
    ((alpha + beta) * (alphaU + betaU)) / (betaT + alphaT),
    (beta * betaU) / (betaT + alphaT),
    log(changing),
    log(staying),
  ];
}

/**
 * One row of the thresholds. Drawing x_t from x_0: below the first [MASK], below the second a uniform token, else x_0.
 * Drawing x_u from (x_t, x_0): below the first x_t, below the second x_0, else a uniform token, with a pair each for
 * x_t = [MASK], for another token than x_0, for x_0.
 */
export function stepThresholds(schedule: Schedule, u: number, t: number): number[] {
  const { alpha, beta, gamma } = schedule.jump(u, t);
  const [alphaU, betaU, gammaU] = [schedule.alphaBar[u]!, schedule.betaBar[u]!, schedule.gammaBar[u]!];
  const [alphaT, betaT, gammaT] = [schedule.alphaBar[t]!, schedule.betaBar[t]!, schedule.gammaBar[t]!];
  const masked = gammaT > 0 ? [gammaU / gammaT, (gammaU + gamma * alphaU) / gammaT] : [1, 1];
  const other = betaT > 0 ? [(alpha * betaU) / betaT, (alpha * betaU + beta * alphaU) / betaT] : [1, 1];
  const same = 1 - (schedule.tokens * beta * betaU) / (betaT + alphaT);
  const uniform = schedule.uniformBar[t]!;
  return [gammaT, gammaT + uniform, ...masked, ...other, same, same].map(probabilityThreshold);
}

/**
 * Uploads the tables for a run over `visits`, a falling list of steps that ends with 0 (`schedule.visit(25)`); without
 * it every step, as training needs.
 */
export function transitionTable(
  gpu: Gpu,
  schedule: Schedule,
  visits: readonly number[] = schedule.visit(schedule.steps),
): TransitionTable {
  const falling = visits.every(
    (t, i) => Number.isInteger(t) && t >= 0 && t <= schedule.steps && (i === 0 || t < visits[i - 1]!),
  );
  if (visits.length < 2 || !falling || visits.at(-1) !== 0) {
    throw new UserError(
      `The steps to visit, ${visits.join(", ")}, must be whole numbers from at most ${schedule.steps} falling to 0.`,
    );
  }
  const rows = schedule.steps + 1;
  const coefficients = new Float32Array(rows * coefficientsPerStep);
  const thresholds = new Uint32Array(rows * thresholdsPerStep);
  for (let i = 0; i + 1 < visits.length; i++) {
    const [t, u] = [visits[i]!, visits[i + 1]!];
    coefficients.set(stepCoefficients(schedule, u, t), t * coefficientsPerStep);
    thresholds.set(stepThresholds(schedule, u, t), t * thresholdsPerStep);
  }
  const coefficientTensor = untracked(gpu, [rows, coefficientsPerStep], "f32", "diffusion coefficients");
  const thresholdTensor = untracked(gpu, [rows, thresholdsPerStep], "u32", "diffusion thresholds");
  coefficientTensor.write(coefficients);
  thresholdTensor.write(thresholds);
  return {
    schedule,
    visits,
    coefficients: coefficientTensor,
    thresholds: thresholdTensor,
    dispose() {
      coefficientTensor.dispose();
      thresholdTensor.dispose();
    },
  };
}
