/** Copies of small tensors that a step changes whatever its loss, so that a failed step can be undone. */

import type { Gpu } from "../engine/gpu/gpu.js";
import { bytesPerElement, type Float } from "../engine/gpu/kernel.js";
import { type Tensor, untracked } from "../engine/tensor/tensor.js";

export class Snapshot {
  private readonly gpu: Gpu;
  private readonly pairs: readonly { tensor: Tensor<Float>; copy: Tensor<Float> }[];

  /** `tensors` must be dense; their owner keeps them. */
  constructor(gpu: Gpu, tensors: readonly Tensor<Float>[]) {
    this.gpu = gpu;
    this.pairs = tensors.map((tensor) => ({
      tensor,
      copy: untracked(gpu, tensor.shape, tensor.dtype, `${tensor.label}, before the step`),
    }));
  }

  /** Records a copy of the tensors' current values. */
  take(): void {
    for (const { tensor, copy } of this.pairs) this.copy(tensor, copy);
  }

  /** Restores the tensors to their values when the last `take` ran. */
  restore(): void {
    for (const { tensor, copy } of this.pairs) this.copy(copy, tensor);
  }

  private copy(source: Tensor<Float>, target: Tensor<Float>): void {
    const bytes = bytesPerElement[source.dtype];
    const [from, to] = [bytes * source.offset, bytes * target.offset];
    this.gpu.copyBuffer(source.storage, from, target.storage, to, bytes * source.size);
  }

  dispose(): void {
    for (const { copy } of this.pairs) copy.dispose();
  }
}
