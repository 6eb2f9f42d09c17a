/**
 * Means of gradients over processes. Gradients leave the device in buckets, the last parameters' first. While one is reduced, the
 * next one is read back, and the one before is divided and written.
 */

import type { Tensor } from "../engine/tensor/tensor.js";
import type { Collective } from "../platform/collective.js";
import { sumInHalves, type Transport } from "./half-sums.js";
import type { StepHook } from "./model-training.js";

/** Bytes of a bucket: large enough for the bandwidth of a network, small enough for a pipeline of several. */
const BUCKET = 25 * 2 ** 20;

/** How long the reductions of a step took, in milliseconds. */
export interface ReductionTime {
  /** From the start of the step's first reduction to the end of the last, without waiting for the device's gradients. */
  readonly reducing: number;
  /** In calls of the collective, waiting for slower processes included. */
  readonly communicating: number;
}

/** The hook of a training that shares its batches with the other processes of `collective`. */
export class GradientReduction implements StepHook {
  /** The processes that share the batch. */
  readonly collective: Collective;
  private readonly bucketBytes: number;
  private readonly transport: Transport;
  private buckets: { of: readonly Tensor[]; tensors: readonly Tensor[] } | null = null;
  private readonly time = { reducing: 0, communicating: 0 };

  /** `transport` is the way of the gradients; sums of statistics travel in float32. */
  constructor(
    collective: Collective,
    { transport = "float32", bucketBytes = BUCKET }: { transport?: Transport; bucketBytes?: number } = {},
  ) {
    this.collective = collective;
    this.transport = transport;
    this.bucketBytes = bucketBytes;
  }

  /** The number of processes. */
  get processes(): number {
    return this.collective.size;
  }

  /** The number of this process. */
  get rank(): number {
    return this.collective.rank;
  }

  /** The time of the reductions since the last call. */
  takeTime(): ReductionTime {
    const taken = { ...this.time };
    this.time.reducing = this.time.communicating = 0;
    return taken;
  }

  /** Replaces gradients by their means over all processes, and `sums` by their sums. */
  async reduce(gradients: readonly Tensor[], sums: readonly Tensor[]): Promise<void> {
    await this.reduceAll(this.bucketsOf(gradients), 1 / this.processes);
    if (sums.length > 0) await this.reduceTogether(sums);
  }

  /** Replaces each tensor by `factor` times its sum. */
  private async reduceAll(tensors: readonly Tensor[], factor: number): Promise<void> {
    let arriving = tensors[0]?.read();
    let began = 0;
    let finish = () => {};
    for (let i = 0; i < tensors.length; i++) {
      const data = await arriving!;
      if (i === 0) began = performance.now();
      arriving = tensors[i + 1]?.read();
      // Whoever waits next gets the error.
      arriving?.catch(() => {});
      const summed = this.sum(data, this.transport);
      finish();
      await summed;
      finish = () => {
        for (let k = 0; k < data.length; k++) data[k]! *= factor;
        tensors[i]!.write(data);
      };
    }
    finish();
    if (tensors.length > 0) this.time.reducing += performance.now() - began;
  }

  /** Replaces small tensors by their sums, in one call. */
  private async reduceTogether(tensors: readonly Tensor[]): Promise<void> {
    const parts = await Promise.all(tensors.map((tensor) => tensor.read()));
    const began = performance.now();
    const all = new Float32Array(parts.reduce((size, { length }) => size + length, 0));
    let at = 0;
    for (const part of parts) {
      all.set(part, at);
      at += part.length;
    }
    await this.sum(all);
    at = 0;
    for (const tensor of tensors) {
      tensor.write(all.subarray(at, at + tensor.size));
      at += tensor.size;
    }
    this.time.reducing += performance.now() - began;
  }

  private async sum(data: Float32Array, transport: Transport = "float32"): Promise<void> {
    const began = performance.now();
    if (transport === "float32") await this.collective.allReduce(data);
    else await sumInHalves(this.collective, data, transport);
    this.time.communicating += performance.now() - began;
  }

  /** Views of packed gradients, the last first. */
  private bucketsOf(gradients: readonly Tensor[]): readonly Tensor[] {
    if (gradients.length === 0) return [];
    if (this.buckets && gradients.every((tensor, i) => tensor === this.buckets!.of[i]))
      return this.buckets.tensors;
    this.dispose();
    const most = this.bucketBytes / 4;
    const tensors = gradients.flatMap((pack) =>
      Array.from({ length: Math.ceil(pack.size / most) }, (_, i) =>
        pack.alias([Math.min(most, pack.size - i * most)], [1], pack.offset + i * most),
      ),
    );
    this.buckets = { of: gradients, tensors: tensors.reverse() };
    return this.buckets.tensors;
  }

  /** Frees its views. */
  dispose(): void {
    for (const tensor of this.buckets?.tensors ?? []) tensor.dispose();
    this.buckets = null;
  }
}

/** The hook of a training by the processes of `collective`; null for one that trains alone. */
export function reductionOf(
  collective: Collective,
  transport: Transport = "float32",
): GradientReduction | null {
  return collective.size > 1 ? new GradientReduction(collective, { transport }) : null;
}
