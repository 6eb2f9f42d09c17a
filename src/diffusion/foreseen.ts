/**
 * What a run of ancestral sampling does that does not depend on the network. A step draws its decision (stay, go to x_0, go to a
 * uniform token) before x_0 is known, from a number of its own (shaders/diffusion/sample-step.wgsl), and [MASK] is left by a
 * decision, never entered. So the random numbers alone tell which positions change at a step and which of them need p̃(x_0):
 *
 *   x_t = [MASK]      stays below masked_stay, x_0 below masked_x0, else a uniform token
 *   another token     stays below both stays whatever x_0 is, is uniform from both ends of x_0 on, else needs x_0
 *
 * This is no approximation: the chain that skips the other positions is the same, number by number.
 */

import { philox, seedWords } from "../engine/ops/philox.js";
import { stepThresholds } from "./coefficients.js";
import { streams } from "./sampler.js";
import type { Schedule } from "./schedule.js";

/** Positions (caption · L + place) that a step may change, ascending. */
export interface ForeseenStep {
  /** Those that need p̃(x_0 | x_t). */
  readonly scored: readonly number[];
  /** Those that become a uniform token whatever x_0 is. */
  readonly redrawn: readonly number[];
}

/** The steps of a run from x_T ~ p(x_T) over `visits`, for `rows` = B · L positions; `seed` is that of `denoise`. */
export function foreseeSteps(
  schedule: Schedule,
  visits: readonly number[],
  seed: number | bigint,
  rows: number,
): ForeseenStep[] {
  const key = seedWords(BigInt.asUintN(64, BigInt(seed)));
  const draw = (row: number, stream: number, kind: number) => philox([row, stream, 0, kind], key)[0] >>> 1;
  const thresholds = visits.slice(0, -1).map((t, i) => stepThresholds(schedule, visits[i + 1]!, t));
  const masked = Array.from({ length: rows }, (_, row) => draw(row, 0, 0) < thresholds[0]!.noise_mask);
  return thresholds.map((limits, i) => {
    const scored: number[] = [];
    const redrawn: number[] = [];
    const { masked_stay, masked_x0, other_stay, other_x0, same_stay, same_x0 } = limits;
    const [tokenStays, tokenStarts] = [Math.min(other_stay, same_stay), Math.max(other_x0, same_x0)];
    for (let row = 0; row < rows; row++) {
      const decision = draw(row, streams.steps + i, 1);
      if (decision < (masked[row] ? masked_stay : tokenStays)) continue;
      (decision < (masked[row] ? masked_x0 : tokenStarts) ? scored : redrawn).push(row);
      masked[row] = false;
    }
    return { scored, redrawn };
  });
}
