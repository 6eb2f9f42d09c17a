/** GPU time of dispatches from timestamp queries: each dispatch gets a compute pass of its own while a profile runs. */

export interface KernelTime {
  kernel: string;
  dispatches: number;
  /** Sum over the dispatches, in microseconds. */
  microseconds: number;
}

export interface DispatchTime {
  kernel: string;
  /** Nanoseconds from the first dispatch that was timed. */
  begin: number;
  /** Never before `begin`. */
  end: number;
}

/** What each kernel takes in all, the longest first. */
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

const slots = 4096;

export class Profiler {
  private readonly device: GPUDevice;
  private readonly querySet: GPUQuerySet;
  private readonly resolved: GPUBuffer;
  private names: string[] = [];
  /** The device's clock may count from long ago: beyond the whole numbers that a double holds. */
  private origin: bigint | null = null;
  private readonly pending: Promise<DispatchTime[]>[] = [];

  constructor(device: GPUDevice) {
    this.device = device;
    this.querySet = device.createQuerySet({ label: "mcd profiler", type: "timestamp", count: slots });
    this.resolved = device.createBuffer({
      label: "mcd profiler",
      size: slots * 8,
      usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC,
    });
  }

  /** Whether one more dispatch fits before the queries have to be resolved. */
  get full(): boolean {
    return this.names.length * 2 + 2 > slots;
  }

  timestamps(kernel: string): GPUComputePassTimestampWrites {
    const first = this.names.length * 2;
    this.names.push(kernel);
    return { querySet: this.querySet, beginningOfPassWriteIndex: first, endOfPassWriteIndex: first + 1 };
  }

  /** Resolves what was timed in this submission; call before `finish()` of its encoder, then `collect` after submit. */
  resolve(encoder: GPUCommandEncoder): () => void {
    const names = this.names;
    this.names = [];
    if (names.length === 0) return () => {};
    const bytes = names.length * 16;
    const staging = this.device.createBuffer({
      label: "mcd profiler read-back",
      size: bytes,
      usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
    });
    encoder.resolveQuerySet(this.querySet, 0, names.length * 2, this.resolved, 0);
    encoder.copyBufferToBuffer(this.resolved, 0, staging, 0, bytes);
    return () => {
      this.pending.push(
        staging.mapAsync(GPUMapMode.READ).then(() => {
          const times = new BigUint64Array(staging.getMappedRange());
          this.origin ??= times[0]!;
          const since = (i: number) => Number(times[i]! - this.origin!);
          const dispatches = names.map((kernel, i) => {
            const begin = since(2 * i);
            // A counter may step back when the processor changes; such a reading says nothing.
            return { kernel, begin, end: Math.max(begin, since(2 * i + 1)) };
          });
          staging.destroy();
          return dispatches;
        }),
      );
    };
  }

  async finish(): Promise<DispatchTime[]> {
    const submissions = await Promise.all(this.pending);
    this.querySet.destroy();
    this.resolved.destroy();
    return submissions.flat();
  }
}
