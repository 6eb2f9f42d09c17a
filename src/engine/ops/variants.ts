/**
 * Variants of a kernel: several that do the same work, of which some need more of the device than others. An op lists its own
 * as rows of a table, the most demanding first; tuning tables name the one to begin with (gpu/tuning/choices.ts).
 */

import type { Gpu } from "../gpu/gpu.js";
import type { Kernel } from "../gpu/kernel.js";

/** One row: when the variant applies. Tables add to it which kernels it has, and how the grid of a call follows. */
export interface Variant<Problem> {
  /** As the tuning choice names it. */
  readonly name: string;
  /** Whether the device can run it for a problem; the last row of a table always applies. */
  applies(gpu: Gpu, problem: Problem): boolean;
}

/** The first row of a table from the chosen one on that applies. */
export function pick<Problem, V extends Variant<Problem>>(
  table: readonly V[],
  chosen: string,
  gpu: Gpu,
  problem: Problem,
): V {
  let reached = false;
  for (const variant of table) {
    reached ||= variant.name === chosen;
    if (reached && variant.applies(gpu, problem)) return variant;
  }
  return table.at(-1)!;
}

/** Tunables of whichever variant it is. */
export type Numbers = Readonly<Record<string, number>>;

/** The grid of a call and the tunables that it was reckoned with; without those, the kernel has none. */
export interface Grid {
  groups: readonly [number, number?, number?];
  tune?: Numbers;
}

/** A kernel in a table: compile-time choices and tunables are the row's own, bindings and uniforms those of the work. */
export type InTable<K> =
  K extends Kernel<infer B, infer P, infer _V, infer _T>
    ? Kernel<B, P, Record<string, string | boolean>, Numbers>
    : never;
