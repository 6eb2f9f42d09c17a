/**
 * Variants of a kernel: implementations of the same work with different requirements on the device. An op lists its variants
 * as rows of a table, the most demanding first; tuning tables name the one to start with (gpu/tuning/choices.ts).
 */

import type { Gpu } from "../gpu/gpu.js";
import type { Kernel } from "../gpu/kernel.js";

/** One row: the condition under which the variant applies. Tables add its kernels and the computation of a call's grid. */
export interface Variant<Problem> {
  /** Its name in the tuning choice. */
  readonly name: string;
  /** Whether the device can run it for a problem; the last row of a table always applies. */
  applies(gpu: Gpu, problem: Problem): boolean;
}

/** Returns the first row of a table, starting from the chosen one, that applies. */
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

/** Tunables of any variant. */
export type Numbers = Readonly<Record<string, number>>;

/** The grid of a call and the tunables that it was computed with; absent if the kernel has none. */
export interface Grid {
  groups: readonly [number, number?, number?];
  tune?: Numbers;
}

/** A kernel in a table: compile-time choices and tunables depend on the row, bindings and uniforms on the work. */
export type InTable<K> =
  K extends Kernel<infer B, infer P, infer _V, infer _T>
    ? Kernel<B, P, Record<string, string | boolean>, Numbers>
    : never;
