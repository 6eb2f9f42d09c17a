/**
 * GPU time of dispatches from timestamp queries: each dispatch gets a separate compute pass while a profile runs. It is not
 * part of the bundles for browsers: import it where you measure.
 */

import type { GpuContext, GpuProfiler } from "./context.js";
import { GpuError } from "./errors.js";
import { encodeTransfer, type Replay } from "./replay.js";

/** The members of `Gpu` that a profile needs. */
export interface ProfiledGpu extends GpuContext {
  has(feature: "timestamp-query"): boolean;
  idle(): Promise<void>;
}

/** The time of one kernel over all its dispatches. */
export interface KernelTime {
  kernel: string;
  dispatches: number;
  /** Sum over the dispatches, in microseconds. */
  microseconds: number;
}

/** The time of one dispatch. */
export interface DispatchTime {
  kernel: string;
  /** Nanoseconds since the first timed dispatch. */
  begin: number;
  /** Never before `begin`. */
  end: number;
}

/** The total time of each kernel, the longest first. */
export function timesByKernel(dispatches: readonly DispatchTime[]): KernelTime[] {
  const totals = new Map<string, KernelTime>();
  for (const { kernel, begin, end } of dispatches) {
    const total = totals.get(kernel) ?? { kernel, dispatches: 0, microseconds: 0 };
    total.dispatches++;
    total.microseconds += (end - begin) / 1000;
    totals.set(kernel, total);
  }
  return [...totals.values()].sort((a, b) => b.microseconds - a.microseconds);
}

/**
 * Runs `body` with a timestamp pair around each dispatch and returns the total time of each kernel, the longest first.
 * Requires the feature `timestamp-query`.
 */
export async function profile(gpu: ProfiledGpu, body: () => void | Promise<void>): Promise<KernelTime[]> {
  return timesByKernel(await timeline(gpu, body));
}

/** Runs `body` with a timestamp pair around each dispatch, like `profile`, and lists the dispatches as they were submitted. */
export async function timeline(gpu: ProfiledGpu, body: () => void | Promise<void>): Promise<DispatchTime[]> {
  if (!gpu.has("timestamp-query")) throw new GpuError("profile: this device has no timestamp-query feature");
  await gpu.idle();
  const profiler = new Profiler(gpu.device);
  gpu.profiler = profiler;
  try {
    await body();
    await gpu.idle();
    return await profiler.finish();
  } finally {
    gpu.profiler = null;
  }
}

const slots = 4096;

class Profiler implements GpuProfiler {
  readonly #device: GPUDevice;
  readonly #querySet: GPUQuerySet;
  readonly #resolved: GPUBuffer;
  #names: string[] = [];
  /** The first timestamp. A device's clock may exceed the integers that a double represents exactly. */
  #origin: bigint | null = null;
  readonly #pending: Promise<DispatchTime[]>[] = [];

  constructor(device: GPUDevice) {
    this.#device = device;
    this.#querySet = device.createQuerySet({ label: "mcd profiler", type: "timestamp", count: slots });
    this.#resolved = device.createBuffer({
      label: "mcd profiler",
      size: slots * 8,
      usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC,
    });
  }

  /** Encodes commands one by one, each dispatch in a separate pass. The functions returned must be called after submission. */
  encode(encoder: GPUCommandEncoder, { commands, bindGroups, uniforms }: Replay): (() => void)[] {
    const after: (() => void)[] = [];
    for (const command of commands) {
      if (command.kind !== "dispatch") {
        encodeTransfer(encoder, command);
        continue;
      }
      if (this.#names.length * 2 + 2 > slots) after.push(this.#resolve(encoder));
      const { pipeline } = command;
      const { spec } = pipeline.kernel;
      const pass = encoder.beginComputePass({
        label: `mcd ${spec.name}`,
        timestampWrites: this.#timestamps(spec.name),
      });
      const group = bindGroups.get(command, uniforms);
      pass.setPipeline(pipeline.now());
      if (spec.uniform) pass.setBindGroup(0, group, [command.uniformOffset]);
      else pass.setBindGroup(0, group);
      pass.dispatchWorkgroups(...command.groups);
      pass.end();
    }
    after.push(this.#resolve(encoder));
    return after;
  }

  #timestamps(kernel: string): GPUComputePassTimestampWrites {
    const first = this.#names.length * 2;
    this.#names.push(kernel);
    return { querySet: this.#querySet, beginningOfPassWriteIndex: first, endOfPassWriteIndex: first + 1 };
  }

  /** Resolves the timestamps of this submission. Call it before the encoder's `finish()`, and its result after the submission. */
  #resolve(encoder: GPUCommandEncoder): () => void {
    const names = this.#names;
    this.#names = [];
    if (names.length === 0) return () => {};
    const bytes = names.length * 16;
    const staging = this.#device.createBuffer({
      label: "mcd profiler read-back",
      size: bytes,
      usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
    });
    encoder.resolveQuerySet(this.#querySet, 0, names.length * 2, this.#resolved, 0);
    encoder.copyBufferToBuffer(this.#resolved, 0, staging, 0, bytes);
    return () => {
      this.#pending.push(
        staging.mapAsync(GPUMapMode.READ).then(() => {
          const times = new BigUint64Array(staging.getMappedRange());
          this.#origin ??= times[0]!;
          const since = (i: number) => Number(times[i]! - this.#origin!);
          const dispatches = names.map((kernel, i) => {
            const begin = since(2 * i);
            // A counter may step back when the processor changes; such a reading is meaningless.
            return { kernel, begin, end: Math.max(begin, since(2 * i + 1)) };
          });
          staging.destroy();
          return dispatches;
        }),
      );
    };
  }

  async finish(): Promise<DispatchTime[]> {
    const submissions = await Promise.all(this.#pending);
    this.#querySet.destroy();
    this.#resolved.destroy();
    return submissions.flat();
  }
}
