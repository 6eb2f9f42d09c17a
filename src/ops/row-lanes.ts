/** How many invocations share a row in the row-wise kernels (shaders/layer-norm.wgsl, shaders/softmax.wgsl). */

import type { Gpu } from "../gpu/gpu.js";

/**
 * Tunables and grid of a row kernel. A real GPU reads a row coalesced with the kernel's LANES; on a software adapter a
 * barrier costs more than the whole row, so there one invocation takes it alone.
 */
export function rowLanes(
  gpu: Gpu,
  tunables: { WORKGROUP: number; LANES: number },
  rows: number,
): { groups: [number, number, number]; tune: { LANES: number } } {
  const LANES = gpu.software ? 1 : tunables.LANES;
  return { groups: gpu.groups1d(rows * LANES, tunables.WORKGROUP), tune: { LANES } };
}
