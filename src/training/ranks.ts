/** What the ranks of a run do together beside the gradients: means of losses, the state to start from, the decision to stop. */

import type { Collective } from "../platform/collective.js";
import { shareJson } from "../platform/collective.js";
import type { GradientReduction, ReductionTime } from "./gradient-reduction.js";
import type { StepResult, Trainer } from "./trainer.js";

/** Runs a step of a training whose gradients go through `hook`, and joins its numbers with those of the other ranks. */
export async function steppedTogether(
  hook: GradientReduction | null,
  step: () => Promise<StepResult>,
): Promise<StepResult> {
  if (!hook) return step();
  const began = performance.now();
  const result = await step();
  return joinedResult(hook.collective, result, performance.now() - began, hook.takeTime());
}

/** A step as all ranks saw it: the means of their losses, times, and the ranks whose own loss is not finite. */
async function joinedResult(
  collective: Collective,
  result: StepResult,
  ms: number,
  { reducing, communicating, hidden }: ReductionTime,
): Promise<StepResult> {
  const { rank, size } = collective;
  const names = Object.keys(result.losses);
  // Losses, then two numbers of each rank: its own time, and whether its loss is NaN or infinite.
  const all = new Float64Array(names.length + 2 * size);
  names.forEach((name, i) => {
    all[i] = result.losses[name]!;
  });
  const times = all.subarray(names.length, names.length + size);
  const failed = all.subarray(names.length + size);
  times[rank] = ms - communicating;
  failed[rank] = Number.isFinite(result.losses.total) ? 0 : 1;
  await collective.allReduce(all);
  const slowest = times.reduce((most, time, i) => (time > times[most]! ? i : most), 0);
  return {
    ...result,
    losses: Object.fromEntries(names.map((name, i) => [name, all[i]! / size])),
    ranks: { count: size, slowest, slowestMs: times[slowest]!, reducing, communicating, hidden },
    notFinite: [...failed.keys()].filter((i) => failed[i] !== 0),
  };
}

/** Gives all ranks the weights, moments and statistics of rank 0 after `step` steps. Returns that number. */
export async function shareState(
  collective: Collective,
  trainer: Pick<Trainer, "save" | "load">,
  step: number,
): Promise<number> {
  if (collective.size === 1) return step;
  const { model, optimizer } = await trainer.save();
  for (const { data } of [...model.values(), ...optimizer.values()])
    await collective.broadcast(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  const shared = await shareJson(collective, step);
  if (collective.rank > 0) trainer.load({ step: shared, model, optimizer, state: {} }, "the state of rank 0");
  return shared;
}

/**
 * Whether some rank wants to stop: every rank asks at the same places. After `long` work of rank 0 the others wait without taking
 * their cores.
 */
export async function anyStops(collective: Collective, own: boolean, long: boolean): Promise<boolean> {
  if (collective.size === 1) return own;
  if (long) await collective.barrier();
  const votes = Float64Array.of(own ? 1 : 0);
  await collective.allReduce(votes);
  return votes[0]! > 0;
}

/** The first place where two JSON values differ, and both values there; null if there is none. `wanted` is rank 0's. */
export function firstDifference(wanted: unknown, found: unknown, path = ""): string | null {
  if (isOpen(wanted) && isOpen(found)) {
    for (const key of new Set([...Object.keys(wanted), ...Object.keys(found)])) {
      const difference = firstDifference(wanted[key], found[key], path === "" ? key : `${path}.${key}`);
      if (difference !== null) return difference;
    }
    return null;
  }
  if (Object.is(wanted, found)) return null;
  const text = (value: unknown) => JSON.stringify(value) ?? "missing";
  return `${path} is ${text(found)} here and ${text(wanted)} there`;
}

function isOpen(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
