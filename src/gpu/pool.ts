/** GPU memory: buffers by size class, handed out and taken back, with exact accounting by label. */

import { OutOfMemoryError } from "./errors.js";

/** A reference-counted piece of GPU memory. Tensors share one when they are views of each other. */
export class Storage {
  readonly pool: BufferPool;
  readonly buffer: GPUBuffer;
  /** Bytes of the size class, which the buffer really has. */
  readonly bytes: number;
  /** Distinguishes buffers in bind-group keys. */
  readonly id: number;
  label: string;
  /** Counts writes by kernels and by the CPU: the tape notices when a saved tensor has been changed. */
  version = 0;
  private references = 1;

  constructor(pool: BufferPool, buffer: GPUBuffer, bytes: number, id: number, label: string) {
    this.pool = pool;
    this.buffer = buffer;
    this.bytes = bytes;
    this.id = id;
    this.label = label;
  }

  get shared(): boolean {
    return this.references > 1;
  }

  get free(): boolean {
    return this.references === 0;
  }

  retain(): void {
    this.references++;
  }

  release(): void {
    this.references--;
    if (this.references === 0) this.pool.reclaim(this);
  }
}

export interface MemoryStatistics {
  /** Bytes in use now, and the most that ever were since `resetPeak`. */
  liveBytes: number;
  peakBytes: number;
  /** Bytes kept for reuse. */
  pooledBytes: number;
  /** Buffers created over the pool's life. */
  buffersCreated: number;
  /** Bytes in use now, and at the moment of the peak, by label; largest first. */
  byLabel: [label: string, bytes: number][];
  peakByLabel: [label: string, bytes: number][];
}

export interface PoolOptions {
  /** Bytes that may be in use at once; asking for more is an `OutOfMemoryError`. Default: no limit of ours. */
  budget?: number;
}

const smallest = 256;

/** Sizes grow by quarters of an octave, so that a buffer wastes at most a fifth of itself. */
export function sizeClass(bytes: number): number {
  if (bytes <= smallest) return smallest;
  const octave = 2 ** Math.floor(Math.log2(bytes));
  const quarter = Math.max(octave / 4, smallest);
  return Math.ceil(bytes / quarter) * quarter;
}

let nextStorageId = 1;

export class BufferPool {
  private readonly device: GPUDevice;
  private readonly budget: number;
  private readonly onOutOfMemory: (error: OutOfMemoryError) => void;
  private readonly onChange: (label: string, bytes: number) => void;
  private readonly freeBuffers = new Map<number, { buffer: GPUBuffer; id: number }[]>();
  private readonly labels = new Map<string, number>();
  private peakLabels: [string, number][] = [];
  private live = 0;
  private peak = 0;
  private pooled = 0;
  private created = 0;
  private peakIsStale = false;

  /** `onChange` hears of all memory taken (positive) and given back (negative). */
  constructor(
    device: GPUDevice,
    options: PoolOptions,
    onOutOfMemory: (error: OutOfMemoryError) => void,
    onChange: (label: string, bytes: number) => void = () => {},
  ) {
    this.device = device;
    this.onChange = onChange;
    this.budget = options.budget ?? Number.POSITIVE_INFINITY;
    this.onOutOfMemory = onOutOfMemory;
  }

  /** A buffer of at least `bytes`; its content is whatever was there before. Throws `OutOfMemoryError`. */
  allocate(bytes: number, label: string): Storage {
    const size = sizeClass(bytes);
    const { maxBufferSize, maxStorageBufferBindingSize } = this.device.limits;
    const limit = Math.min(maxBufferSize, maxStorageBufferBindingSize);
    if (size > limit) {
      throw new OutOfMemoryError(
        label,
        bytes,
        `a storage buffer of this device has at most ${limit} bytes`,
        this.largest(3),
      );
    }
    if (this.live + size > this.budget) {
      throw new OutOfMemoryError(
        label,
        bytes,
        `the memory budget is ${this.budget} bytes and ${this.live} are in use`,
        this.largest(3),
      );
    }
    const reused = this.freeBuffers.get(size)?.pop();
    if (reused) this.pooled -= size;
    const { buffer, id } = reused ?? { buffer: this.create(size, label), id: nextStorageId++ };
    this.account(label, size);
    return new Storage(this, buffer, size, id, label);
  }

  private create(size: number, label: string): GPUBuffer {
    this.created++;
    this.device.pushErrorScope("out-of-memory");
    const buffer = this.device.createBuffer({
      label: `mcd ${label}`,
      size,
      usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
    });
    this.device.popErrorScope().then(
      (error) => {
        if (error)
          this.onOutOfMemory(new OutOfMemoryError(label, size, "the device refused it", this.largest(3)));
      },
      () => {}, // the device is lost, which is reported on its own
    );
    return buffer;
  }

  /** Called by `Storage.release`. The buffer may still be used by recorded work: the queue keeps the order. */
  reclaim(storage: Storage): void {
    this.account(storage.label, -storage.bytes);
    this.pooled += storage.bytes;
    const list = this.freeBuffers.get(storage.bytes);
    const entry = { buffer: storage.buffer, id: storage.id };
    if (list) list.push(entry);
    else this.freeBuffers.set(storage.bytes, [entry]);
  }

  private account(label: string, bytes: number): void {
    // The peak's labels are copied only when memory starts to fall again, not at each step up.
    if (bytes < 0 && this.peakIsStale) {
      this.peakLabels = this.largest();
      this.peakIsStale = false;
    }
    this.live += bytes;
    this.onChange(label, bytes);
    const now = (this.labels.get(label) ?? 0) + bytes;
    if (now === 0) this.labels.delete(label);
    else this.labels.set(label, now);
    if (this.live > this.peak) {
      this.peak = this.live;
      this.peakIsStale = true;
    }
  }

  private largest(count = Number.POSITIVE_INFINITY): [string, number][] {
    const sorted = [...this.labels].sort((a, b) => b[1] - a[1]);
    return Number.isFinite(count) ? sorted.slice(0, count) : sorted;
  }

  statistics(): MemoryStatistics {
    const byLabel = this.largest();
    return {
      liveBytes: this.live,
      peakBytes: this.peak,
      pooledBytes: this.pooled,
      buffersCreated: this.created,
      byLabel,
      peakByLabel: this.peakIsStale ? byLabel : this.peakLabels,
    };
  }

  resetPeak(): void {
    this.peak = this.live;
    this.peakIsStale = true;
  }

  /** Destroys the buffers kept for reuse. Returns their ids, whose bind groups are void. Submit recorded work first. */
  trim(): number[] {
    const ids: number[] = [];
    for (const list of this.freeBuffers.values()) {
      for (const { buffer, id } of list) {
        buffer.destroy();
        ids.push(id);
      }
    }
    this.freeBuffers.clear();
    this.pooled = 0;
    return ids;
  }
}
