/** What the entry points of shaders/diffusion/forward.wgsl share: one struct of parameters, one invocation an element. */

import type { Tunable } from "../engine/gpu/tuning/tuning-table.js";
import type { Rng } from "../engine/ops/rng.js";

/** The parameters that an entry point does not use. */
export const unusedNoiseParams = {
  count: 0,
  stream: 0,
  tokens: 0,
  per_step: 1,
  last: 0,
  sample_threshold: 0,
  position_threshold: 0,
  drop_threshold: 0,
  mask: 0,
  pair: 0,
  restart_after: 0,
};

/** One invocation for each of `count` elements. */
export function noiseGrid(
  rng: Rng,
  kernel: Tunable<{ WORKGROUP: number }>,
  count: number,
): { groups: [number, number, number] } {
  return { groups: rng.gpu.groups1d(count, rng.gpu.tunables(kernel).WORKGROUP) };
}
