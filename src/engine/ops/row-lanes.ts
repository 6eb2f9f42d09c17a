/**
 * The grid of row-wise kernels, where LANES invocations share a row (shaders/norm/layer-norm.wgsl,
 * shaders/softmax/softmax.wgsl).
 */

import type { Gpu } from "../gpu/gpu.js";

/** Grid and tunables of a row kernel. `tune` is the result of `gpu.tunables` for the kernel and [rows, width]. */
export function rowLanes<T extends { WORKGROUP: number; LANES: number }>(
  gpu: Gpu,
  tune: T,
  rows: number,
): { groups: [number, number, number]; tune: T } {
  return { groups: gpu.groups1d(rows * tune.LANES, tune.WORKGROUP), tune };
}
