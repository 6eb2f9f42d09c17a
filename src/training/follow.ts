/** A stage on every rank but 0: steps alone. Rank 0 draws progress, writes log, samples and checkpoints, and measures (loop.ts). */

import type { Config } from "../config/config.js";
import type { Collective } from "../platform/collective.js";
import { anyStops, shareState } from "./ranks.js";
import type { Trainer } from "./trainer.js";

/** Options of `followStage`. */
export interface FollowOptions {
  collective: Collective;
  log: Config["log"];
  /** True once this rank was asked to stop. */
  interrupted: () => boolean;
  /** Called after each step, as that of `StageOptions` on rank 0. May change `Trainer.steps` to those of rank 0. */
  pace?: ((step: number, ms: number, isSaved: boolean) => Promise<void>) | undefined;
}

/** Takes part in the stage that rank 0 runs with `runStage`, to its end or until some rank is interrupted. */
export async function followStage(
  trainer: Trainer,
  { collective, log, interrupted, pace }: FollowOptions,
): Promise<"finished" | "interrupted"> {
  let step = await shareState(collective, trainer, 0);
  const stops = () => anyStops(collective, interrupted(), isLong(log, step, trainer.steps));
  while (step < trainer.steps && !(await stops())) {
    const { losses } = await trainer.step(step + 1);
    // Rank 0 saves the step before, and ends all.
    if (!Number.isFinite(losses.total)) await collective.barrier();
    step++;
    await pace?.(step, 0, false);
  }
  return (await stops()) ? "interrupted" : "finished";
}

/** Whether rank 0 measures, samples or saves after step `step` of `steps`. */
export function isLong(log: Config["log"], step: number, steps: number): boolean {
  const everies = [log.evaluateEvery, log.sampleEvery, log.checkpointEvery];
  return everies.some((every) => isDue(every, step, steps));
}

/** Whether what happens at every `every`-th step (0: never) and at the last one happens after step `step` of `steps`. */
export function isDue(every: number, step: number, steps: number): boolean {
  return step === steps || (every > 0 && step % every === 0);
}
