/** References of the diffusion ops in float64, from explicit (M+1)×(M+1) matrices. */

import type { Schedule, Transition } from "../../dist/diffusion/schedule.js";
import {
  cumulativeMatrices,
  type Matrix,
  posterior,
  transitionMatrix,
} from "../../dist/diffusion/transition-matrix.js";

export function softmax(logits: ArrayLike<number>): Float64Array {
  const values = Float64Array.from(logits);
  const high = values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const exps = values.map((x) => Math.exp(x - high));
  const total = exps.reduce((a, b) => a + b, 0);
  return exps.map((x) => x / total);
}

/** The matrices that the posterior from step t to u needs. */
export class Process {
  readonly schedule: Schedule;
  private readonly bars: Matrix[];
  constructor(schedule: Schedule) {
    this.schedule = schedule;
    this.bars = cumulativeMatrices(schedule);
  }

  /** p_θ(x_u | x_t) from p̃. */
  posterior(p: ArrayLike<number>, xt: number, u: number, t: number): Float64Array {
    const jump = transitionMatrix(this.schedule.jump(u, t), this.schedule.tokens);
    return posterior(p, xt, jump, this.bars[u]!, this.bars[t]!);
  }

  /** q(x_t | x_0). */
  forward(x0: number, t: number): Float64Array {
    const { size, values } = this.bars[t]!;
    return values.slice(x0 * size, (x0 + 1) * size);
  }

  /** KL(q(x_{t-1}|x_t,x_0) ‖ p_θ(x_{t-1}|x_t)) over all M+1 states. */
  kl(logits: ArrayLike<number>, x0: number, xt: number, t: number): number {
    const onehot = new Float64Array(this.schedule.tokens);
    onehot[x0] = 1;
    const q = this.posterior(onehot, xt, t - 1, t);
    const p = this.posterior(softmax(logits), xt, t - 1, t);
    let sum = 0;
    for (let j = 0; j < q.length; j++) if (q[j]! > 0) sum += q[j]! * Math.log(q[j]! / p[j]!);
    return sum;
  }
}

/** One entry of a transition's matrix, for vocabularies whose matrices are too large to hold. */
function entry({ alpha, beta, gamma }: Transition, tokens: number, i: number, j: number): number {
  if (i === tokens) return j === tokens ? 1 : 0;
  return j === tokens ? gamma : beta + (i === j ? alpha : 0);
}

/**
 * KL(q(x_u|x_t,x_0) ‖ p_θ(x_u|x_t)) and its gradient by the logits, summed over all pairs (x_0, x_u) of the matrices'
 * entries: O(M²) time, O(M) memory. An unmasked token of a process that cannot replace is x_0: both are 0.
 */
export function explicitKl(
  schedule: Schedule,
  logits: ArrayLike<number>,
  x0: number,
  xt: number,
  u: number,
  t: number,
): { kl: number; gradient: Float64Array } {
  const { tokens } = schedule;
  const p = softmax(logits);
  const gradient = new Float64Array(tokens);
  const [toT, barU, barT] = [schedule.jump(u, t), schedule.cumulative(u), schedule.cumulative(t)];
  if (xt < tokens && barT.beta === 0) return { kl: 0, gradient };
  const arriving = Float64Array.from({ length: tokens + 1 }, (_, j) => entry(toT, tokens, j, xt));
  const posteriorOf = (k: number) => {
    const likelihood = entry(barT, tokens, k, xt);
    return (j: number) => (arriving[j]! * entry(barU, tokens, k, j)) / likelihood;
  };
  const model = new Float64Array(tokens + 1);
  for (let k = 0; k < tokens; k++) {
    const posterior = posteriorOf(k);
    for (let j = 0; j <= tokens; j++) model[j]! += p[k]! * posterior(j);
  }
  const truth = Float64Array.from(model, (_, j) => posteriorOf(x0)(j));
  const ratio = truth.map((q, j) => (q > 0 ? q / model[j]! : 0));
  const kl = truth.reduce((sum, q, j) => (q > 0 ? sum + q * Math.log(ratio[j]!) : sum), 0);
  for (let k = 0; k < tokens; k++) {
    const posterior = posteriorOf(k);
    for (let j = 0; j <= tokens; j++) gradient[k]! -= ratio[j]! * posterior(j);
  }
  const mean = gradient.reduce((sum, g, k) => sum + g * p[k]!, 0);
  return { kl, gradient: gradient.map((g, k) => p[k]! * (g - mean)) };
}
