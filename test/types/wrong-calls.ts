/**
 * Calls that must not compile. Each line below a `@ts-expect-error` is wrong in one way; if the types let it through,
 * the compiler reports the unused directive and the test that compiles this file fails.
 */

import type { Gpu } from "../../dist/engine/gpu/gpu.js";
import * as kernels from "../../dist/engine/gpu/kernels.generated.js";
import { type StructValues, writeStruct } from "../../dist/engine/gpu/struct-layout.js";
import { thresholds } from "../../dist/engine/gpu/structs.generated.js";
import type { Tensor } from "../../dist/engine/tensor/tensor.js";

export function wrongMembers(words: Uint32Array, all: StructValues<typeof thresholds>): void {
  writeStruct(thresholds, words, 0, all);
  const { same_x0, ...others } = all;
  writeStruct(thresholds, words, 0, { ...others, same_x0 });
  // @ts-expect-error a missing member of a struct
  writeStruct(thresholds, words, 0, others);
  // @ts-expect-error a member with a wrong name
  writeStruct(thresholds, words, 0, { ...others, same_x_0: same_x0 });
  // @ts-expect-error a member that the struct does not have
  writeStruct(thresholds, words, 0, { ...others, same_x0, same_x1: 0 });
}

export function wrongCalls(gpu: Gpu, x: Tensor, ids: Tensor<"u32">): void {
  const kernel = kernels.finite.countNonFinite;
  const groups = [1] as const;
  const uniforms = { first: 0, count: 1, slot: 0 };
  gpu.run(kernel, { values: x.storage, counts: ids }, uniforms, { groups });
  // @ts-expect-error a binding with a wrong name
  gpu.run(kernel, { valuez: x.storage, counts: ids }, uniforms, { groups });
  // @ts-expect-error a missing binding
  gpu.run(kernel, { values: x.storage }, uniforms, { groups });
  // @ts-expect-error a tensor of the wrong element type
  gpu.run(kernel, { values: x.storage, counts: x }, uniforms, { groups });
  // @ts-expect-error a missing uniform
  gpu.run(kernel, { values: x.storage, counts: ids }, { first: 0, count: 1 }, { groups });
  // @ts-expect-error a uniform of the wrong type
  gpu.run(kernel, { values: x.storage, counts: ids }, { first: 0, count: 1, slot: [0, 0, 0, 0] }, { groups });
  // @ts-expect-error a uniform that the kernel does not have
  gpu.run(kernel, { values: x.storage, counts: ids }, { first: 0, count: 1, slot: 0, size: 3 }, { groups });
  // @ts-expect-error a tunable that the kernel does not have
  gpu.run(kernel, { values: x.storage, counts: ids }, uniforms, { groups, tune: { TILE: 8 } });
  // @ts-expect-error a kernel that does not exist
  void kernels.finite.countInfinite;
}
