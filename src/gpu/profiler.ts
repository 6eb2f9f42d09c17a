/** GPU time by kernel from timestamp queries: each dispatch gets a compute pass of its own while a profile runs. */

export interface KernelTime {
  kernel: string;
  dispatches: number;
  /** Sum over the dispatches, in microseconds. */
  microseconds: number;
}

const slots = 4096;

export class Profiler {
  private readonly device: GPUDevice;
  private readonly querySet: GPUQuerySet;
  private readonly resolved: GPUBuffer;
  private names: string[] = [];
  private readonly totals = new Map<string, KernelTime>();
  private readonly pending: Promise<void>[] = [];

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
          names.forEach((kernel, i) => {
            const total = this.totals.get(kernel) ?? { kernel, dispatches: 0, microseconds: 0 };
            total.dispatches++;
            // A counter may step back when the processor changes; such a reading says nothing.
            const nanoseconds = Number(times[2 * i + 1]! - times[2 * i]!);
            if (nanoseconds > 0) total.microseconds += nanoseconds / 1000;
            this.totals.set(kernel, total);
          });
          staging.destroy();
        }),
      );
    };
  }

  async finish(): Promise<KernelTime[]> {
    await Promise.all(this.pending);
    this.querySet.destroy();
    this.resolved.destroy();
    return [...this.totals.values()].sort((a, b) => b.microseconds - a.microseconds);
  }
}
