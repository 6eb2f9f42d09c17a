/** References of the diffusion ops in float64, from explicit (M+1)×(M+1) matrices. */

import type { Schedule } from "../../dist/diffusion/schedule.js";
import {
  cumulativeMatrices,
  type Matrix,
  posterior,
  transitionMatrix,
} from "../../dist/diffusion/transition.js";

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
