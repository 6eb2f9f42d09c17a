/**
 * The schedule's inputs to the kernels, per step t of a run that goes from t to the step u visited next (u = t-1 in training,
 * further down in a sampler that skips steps). Computed in float64, uploaded once.
 *
 * With s_j = q(x_t | x_u = j), l_k = q(x_t | x_0 = k) and κ = β̄_t / (β̄_t + ᾱ_t), all likelihoods are scaled by β̄_t
 * (γ̄_t at [MASK]), so that nothing overflows however small β̄_t is:
 *   r̃_k = p_k at every token but x_t, κ p_k at x_t;  S̃ = Σ r̃_k;  out_j = (s_j / β̄_t) (ᾱ_u r̃_j + β̄_u S̃).
 */

import type { Gpu } from "../engine/gpu/gpu.js";
import { type StructValues, writeStruct } from "../engine/gpu/struct-layout.js";
import * as structs from "../engine/gpu/structs.generated.js";
import { probabilityThreshold } from "../engine/ops/philox.js";
import { type Tensor, untracked } from "../engine/tensor/tensor.js";
import { UserError } from "../platform/errors.js";
import type { Schedule } from "./schedule.js";

/** Members of `Coefficients` in shaders/diffusion/loss.wgsl and posterior.wgsl, where each is explained. */
export type Coefficients = StructValues<typeof structs.coefficients>;
/** Members of `Thresholds` in shaders/diffusion/forward.wgsl and sample-step.wgsl, where each is explained. */
export type Thresholds = StructValues<typeof structs.thresholds>;

/** Stands for log 0: far below any log-probability, yet finite, so that sums and differences stay finite. */
export const logZero = -1e30;

const log = (x: number) => (x > 0 ? Math.log(x) : logZero);
const ratio = (a: number, b: number) => (b > 0 ? a / b : 0);

/** The tables of a schedule on the GPU. Row t, for t = 0 … T; rows of steps that are not visited are zero. */
export interface TransitionTable {
  readonly schedule: Schedule;
  /** Visited steps, descending, ending with 0. */
  readonly visits: readonly number[];
  /** [T+1, words of `Coefficients`]: logarithms and ratios for posterior and loss. */
  readonly coefficients: Tensor;
  /** [T+1, words of `Thresholds`]: probabilities for drawing x_t from x_0 and x_u from (x_t, x_0). */
  readonly thresholds: Tensor<"u32">;
  /** Frees both tables. */
  dispose(): void;
}

/** The coefficients of step t: the jump from u to t seen backwards. */
export function stepCoefficients(schedule: Schedule, u: number, t: number): Coefficients {
  const { alpha, beta, gamma } = schedule.jump(u, t);
  const [alphaU, betaU, gammaU] = [schedule.alphaBar[u]!, schedule.betaBar[u]!, schedule.gammaBar[u]!];
  const [alphaT, betaT, gammaT] = [schedule.alphaBar[t]!, schedule.betaBar[t]!, schedule.gammaBar[t]!];
  const kappa = betaT / (betaT + alphaT);
  const masking = ratio(gamma, gammaT);
  const changing = ratio(beta, betaT);
  const staying = ratio(alpha + beta, betaT);
  return {
    log_alpha: log(alphaU),
    log_beta: log(betaU),
    log_alpha_beta: log(alphaU + betaU),
    alpha_over_beta: ratio(alphaU, betaU),
    kappa,
    log_kappa: log(kappa),
    adaptive: 2 - (t - 1) / schedule.steps,
    frozen: betaT === 0 ? 1 : 0,
    masked_x0: masking * (alphaU + betaU),
    masked_other: masking * betaU,
    masked_total: gammaT === 0 ? 0 : 1 - gammaU / gammaT,
    other_x0: changing * (alphaU + betaU),
    other_other: changing * betaU,
    other_xt: staying * betaU,
    same_x0: ((alpha + beta) * (alphaU + betaU)) / (betaT + alphaT),
    same_other: (beta * betaU) / (betaT + alphaT),
    log_mask_stays: gammaT === 0 ? 0 : log(gammaU / gammaT),
    log_masking: log(masking),
    log_changing: log(changing),
    log_staying: log(staying),
  };
}

/** The thresholds of step t: q(x_t | x_0), and q(x_u | x_t, x_0) for each kind of x_t. */
export function stepThresholds(schedule: Schedule, u: number, t: number): Thresholds {
  const { alpha, beta, gamma } = schedule.jump(u, t);
  const [alphaU, betaU, gammaU] = [schedule.alphaBar[u]!, schedule.betaBar[u]!, schedule.gammaBar[u]!];
  const [alphaT, betaT, gammaT] = [schedule.alphaBar[t]!, schedule.betaBar[t]!, schedule.gammaBar[t]!];
  const same = probabilityThreshold(1 - (schedule.tokens * beta * betaU) / (betaT + alphaT));
  // If x_t cannot be [MASK], or only x_0 among the tokens, any threshold works.
  const masked = (mass: number) => probabilityThreshold(gammaT > 0 ? mass / gammaT : 1);
  const other = (mass: number) => probabilityThreshold(betaT > 0 ? mass / betaT : 1);
  return {
    noise_mask: probabilityThreshold(gammaT),
    noise_uniform: probabilityThreshold(gammaT + schedule.uniformBar[t]!),
    masked_stay: masked(gammaU),
    masked_x0: masked(gammaU + gamma * alphaU),
    other_stay: other(alpha * betaU),
    other_x0: other(alpha * betaU + beta * alphaU),
    same_stay: same,
    same_x0: same,
  };
}

/**
 * Uploads the tables for a run over `visits`, a descending list of steps that ends with 0 (`schedule.visit(25)`); without it
 * every step, as training needs.
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
  const coefficients = new Float32Array(rows * structs.coefficients.words);
  const thresholds = new Uint32Array(rows * structs.thresholds.words);
  for (let i = 0; i + 1 < visits.length; i++) {
    const [t, u] = [visits[i]!, visits[i + 1]!];
    writeStruct(structs.coefficients, coefficients, t, stepCoefficients(schedule, u, t));
    writeStruct(structs.thresholds, thresholds, t, stepThresholds(schedule, u, t));
  }
  const coefficientTensor = untracked(
    gpu,
    [rows, structs.coefficients.words],
    "f32",
    "diffusion coefficients",
  );
  const thresholdTensor = untracked(gpu, [rows, structs.thresholds.words], "u32", "diffusion thresholds");
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

/** Thresholds of the jump from each step t to 0, [T+1, words of `Thresholds`]: with them `pSample` draws x_0 itself. */
export function cleanThresholds(gpu: Gpu, schedule: Schedule): Tensor<"u32"> {
  const rows = schedule.steps + 1;
  const thresholds = new Uint32Array(rows * structs.thresholds.words);
  for (let t = 1; t < rows; t++)
    writeStruct(structs.thresholds, thresholds, t, stepThresholds(schedule, 0, t));
  const tensor = untracked(gpu, [rows, structs.thresholds.words], "u32", "thresholds of x_0");
  tensor.write(thresholds);
  return tensor;
}
