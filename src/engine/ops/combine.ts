/** Sums of parts that were computed in parallel, such as gradients of parameters (shaders/reduce/combine.wgsl). */

import * as kernels from "../gpu/kernels.generated.js";
import type { Tensor } from "../tensor/tensor.js";

/** The target of a gradient: a dense tensor, overwritten or added to. */
export interface Sink {
  tensor: Tensor;
  accumulate: boolean;
}

/** Adds up parts [splits, …] in their order: `headSize` elements of each into `head`, any remaining ones into `tail`. */
export function combineParts(parts: Tensor, headSize: number, head: Sink, tail: Sink | null): void {
  const { gpu } = parts;
  const [splits] = parts.shape as [number];
  const params = {
    part_size: parts.size / splits,
    head_size: headSize,
    parts: splits,
    accumulate_head: head.accumulate ? 1 : 0,
    accumulate_tail: tail?.accumulate ? 1 : 0,
  };
  const bindings = { parts, head: head.tensor };
  const gridOf = (kernel: typeof combine | typeof combineBoth) =>
    gpu.groups1d(params.part_size, gpu.tunables<{ WORKGROUP: number }>(kernel).WORKGROUP);
  const { combine, combineBoth } = kernels.combine;
  if (tail) {
    gpu.run(combineBoth, { ...bindings, tail: tail.tensor }, params, { groups: gridOf(combineBoth) });
  } else gpu.run(combine, bindings, params, { groups: gridOf(combine) });
}
