/**
 * Means of gradients over processes. Gradients leave the device in buckets, the last parameters' first, each as soon as the backward
 * pass is done with it. While one is reduced, the next one is read back, and the one before is divided and written.
 */

import type { Tensor } from "../engine/tensor/tensor.js";
import type { Collective } from "../platform/collective.js";
import { sumInHalves, type Transport } from "./half-sums.js";
import type { StepHook } from "./model-training.js";

/** Bytes of a bucket: large enough for the bandwidth of a network, small enough for a pipeline of several. */
const BUCKET = 25 * 2 ** 20;
/** A gradient makes at least so many buckets, the first of which leaves early, unless they would be smaller than `LEAST`. */
const FEWEST = 4;
const LEAST = 2 ** 20;

/** How long the reductions of a step took, in milliseconds. */
export interface ReductionTime {
  /** From the start of the step's first reduction to the end of the last, without waiting for the device's gradients. */
  readonly reducing: number;
  /** In calls of the collective, waiting for slower processes included. */
  readonly communicating: number;
  /** The part of `reducing` during which the device still worked on the backward pass. */
  readonly hidden: number;
}

/** The hook of a training that shares its batches with the other processes of `collective`. */
export class GradientReduction implements StepHook {
  /** The processes that share the batch. */
  readonly collective: Collective;
  private readonly bucketBytes: number | null;
  private readonly transport: Transport;
  private readonly overlaps: boolean;
  private buckets: { of: readonly Tensor[]; tensors: readonly Tensor[] } | null = null;
  /** Buckets on their way from the device. */
  private readonly arriving = new Map<Tensor, Promise<Float32Array>>();
  private readonly time = { reducing: 0, communicating: 0, hidden: 0 };

  /**
   * `transport` is the way of the gradients; sums of statistics travel in float32. With `overlaps` false the reduction begins after
   * the backward pass.
   */
  constructor(
    collective: Collective,
    {
      transport = "float32",
      bucketBytes,
      overlaps = true,
    }: { transport?: Transport; bucketBytes?: number; overlaps?: boolean } = {},
  ) {
    this.collective = collective;
    this.transport = transport;
    this.bucketBytes = bucketBytes ?? null;
    this.overlaps = overlaps;
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
    this.time.reducing = this.time.communicating = this.time.hidden = 0;
    return taken;
  }

  /** Replaces gradients by their means over all processes, and `sums` by their sums. */
  async reduce(gradients: readonly Tensor[], sums: readonly Tensor[]): Promise<void> {
    await this.reduceAll(this.bucketsOf(gradients), 1 / this.processes);
    if (sums.length > 0) await this.reduceTogether(sums);
  }

  /** The buckets, which `complete` begins to read. */
  early(gradients: readonly Tensor[]): readonly Tensor[] {
    return this.overlaps ? this.bucketsOf(gradients) : [];
  }

  /** Begins to read a bucket. */
  complete(bucket: Tensor): void {
    this.arriving.set(bucket, reading(bucket));
  }

  /** Replaces each tensor by `factor` times its sum. */
  private async reduceAll(tensors: readonly Tensor[], factor: number): Promise<void> {
    if (tensors.length === 0) return;
    /** When the backward pass and the copies of the buckets have run. */
    let computed = 0;
    const computing =
      this.arriving.size > 0
        ? tensors[0]!.gpu.idle().then(() => {
            computed = performance.now();
          })
        : null;
    // Reading a bucket fails with the same error.
    computing?.catch(() => {});
    const read = (i: number) => {
      const tensor = tensors[i]!;
      const data = this.arriving.get(tensor) ?? reading(tensor);
      this.arriving.delete(tensor);
      return data;
    };
    let arriving = read(0);
    let began = 0;
    let finish = () => {};
    for (let i = 0; i < tensors.length; i++) {
      const data = await arriving;
      if (i === 0) began = performance.now();
      if (i + 1 < tensors.length) arriving = read(i + 1);
      const summed = this.sum(data, this.transport);
      finish();
      await summed;
      finish = () => {
        for (let k = 0; k < data.length; k++) data[k]! *= factor;
        tensors[i]!.write(data);
      };
    }
    finish();
    const ended = performance.now();
    this.time.reducing += ended - began;
    await computing;
    this.time.hidden += Math.max(0, Math.min(ended, computed) - began);
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
    const size = gradients.reduce((sum, { size }) => sum + size, 0);
    const most = (this.bucketBytes ?? Math.min(BUCKET, Math.max(LEAST, Math.ceil(size / FEWEST) * 4))) / 4;
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

/** A tensor's values; whoever waits for them gets the error. */
function reading(tensor: Tensor): Promise<Float32Array> {
  const data = tensor.read();
  data.catch(() => {});
  return data;
}

/** The hook of a training by the processes of `collective`; null for one that trains alone. */
export function reductionOf(
  collective: Collective,
  transport: Transport = "float32",
): GradientReduction | null {
  return collective.size > 1 ? new GradientReduction(collective, { transport }) : null;
}
