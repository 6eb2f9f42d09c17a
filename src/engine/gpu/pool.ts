/** GPU memory: allocation and release of buffers by size class, with exact accounting by label. */

import { formatBytes, GpuError, OutOfMemoryError } from "./errors.js";
import { overlaps, type Region } from "./region.js";

/** An allocator of storages, which takes them back when their reference count is zero. */
export interface StorageOwner {
  reclaim(storage: Storage): void;
}

/** The id of all buffers that the engine did not make. */
export const borrowedId = 0;

/** A GPU buffer, and an id that distinguishes it in bind-group keys. */
export interface Placement {
  buffer: GPUBuffer;
  id: number;
}

/** A part of a storage that must not change for a while. */
export interface Watch {
  readonly region: Region;
  /** Whether a kernel or the CPU has written into it since the watch began. */
  changed: boolean;
}

/** A reference-counted piece of GPU memory. Tensors share one when they are views of each other. */
export class Storage {
  readonly pool: StorageOwner;
  /** Usable bytes; the buffer has at least as many. */
  readonly bytes: number;
  label: string;
  /** The parts that the tape has saved: it detects changes of them. */
  readonly #watches = new Set<Watch>();
  #placement: Placement | null;
  #references = 1;

  /** Has no placement until `place` if null: captured storages get their buffers once all lifetimes are known. */
  constructor(pool: StorageOwner, bytes: number, label: string, placement: Placement | null) {
    this.pool = pool;
    this.bytes = bytes;
    this.label = label;
    this.#placement = placement;
  }

  /** Throws a `GpuError` before the storage has a place. */
  get place(): Placement {
    if (!this.#placement) throw new GpuError(`${this.label} has no memory before its capture has ended`);
    return this.#placement;
  }

  set place(placement: Placement) {
    this.#placement = placement;
  }

  get buffer(): GPUBuffer {
    return this.place.buffer;
  }

  get shared(): boolean {
    return this.#references > 1;
  }

  get free(): boolean {
    return this.#references === 0;
  }

  watch(region: Region): Watch {
    const watch = { region, changed: false };
    this.#watches.add(watch);
    return watch;
  }

  unwatch(watch: Watch): void {
    this.#watches.delete(watch);
  }

  /** Called for every write by kernels and by the CPU, in a region or, without one, anywhere. */
  written(region?: Region): void {
    for (const watch of this.#watches) watch.changed ||= !region || overlaps(watch.region, region);
  }

  retain(): void {
    this.#references++;
  }

  release(): void {
    this.#references--;
    if (this.#references === 0) this.pool.reclaim(this);
  }
}

/** Memory of tensors on the device, in bytes. */
export interface MemoryStatistics {
  /** Bytes in use now, and their peak since `resetPeak`. */
  liveBytes: number;
  peakBytes: number;
  /** Bytes kept for reuse. */
  pooledBytes: number;
  /** Buffers created over the pool's lifetime. */
  buffersCreated: number;
  /** Bytes in use now, and at the moment of the peak, by label; largest first. */
  byLabel: [label: string, bytes: number][];
  peakByLabel: [label: string, bytes: number][];
}

/** Options of a device's memory. */
export interface PoolOptions {
  /** The maximum of bytes in use; exceeding it is an `OutOfMemoryError`. Default: no limit besides the device's. */
  budget?: number;
}

const smallest = 256;

/** Rounds a size up to its class. Classes are quarters of an octave apart, so that a buffer wastes at most a fifth of itself. */
export function sizeClass(bytes: number): number {
  if (bytes <= smallest) return smallest;
  const octave = 2 ** Math.floor(Math.log2(bytes));
  const quarter = Math.max(octave / 4, smallest);
  return Math.ceil(bytes / quarter) * quarter;
}

let nextBufferId = 1;

export type MemoryListener = (label: string, bytes: number) => void;

/** Creates buffers, counts bytes in use by label, and records their peak; refuses allocations that do not fit. */
export class MemoryAccount {
  readonly #device: GPUDevice;
  readonly #limit: number;
  readonly #budget: number;
  readonly #onOutOfMemory: (error: OutOfMemoryError) => void;
  readonly #onChange: MemoryListener;
  readonly #labels = new Map<string, number>();
  #peakLabels: [string, number][] = [];
  #peakIsStale = false;
  live = 0;
  peak = 0;

  /**
   * `onOutOfMemory` receives the errors of buffers that the device refuses, which arrive later; `onChange` receives all memory
   * taken (positive) and given back (negative).
   */
  constructor(
    device: GPUDevice,
    options: PoolOptions,
    onOutOfMemory: (error: OutOfMemoryError) => void,
    onChange: MemoryListener,
  ) {
    this.#device = device;
    this.#onOutOfMemory = onOutOfMemory;
    this.#onChange = onChange;
    const { maxBufferSize, maxStorageBufferBindingSize } = device.limits;
    this.#limit = Math.min(maxBufferSize, maxStorageBufferBindingSize);
    this.#budget = options.budget ?? Number.POSITIVE_INFINITY;
  }

  /** Creates a storage buffer for memory that was taken. `refused` makes the error for an allocation failure. */
  createBuffer(bytes: number, label: string, refused: () => OutOfMemoryError): Placement {
    const device = this.#device;
    device.pushErrorScope("out-of-memory");
    const buffer = device.createBuffer({
      label: `mcd ${label}`,
      size: bytes,
      usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
    });
    device.popErrorScope().then(
      (error) => {
        if (error) this.#onOutOfMemory(refused());
      },
      () => {}, // the device is lost, which is reported separately
    );
    return { buffer, id: nextBufferId++ };
  }

  /** Takes `size` bytes for a tensor that requested `bytes`. Throws `OutOfMemoryError`. */
  take(size: number, bytes: number, label: string): void {
    if (size > this.#limit)
      throw this.error(label, bytes, `this device allows a storage buffer ${formatBytes(this.#limit)}`);
    if (this.live + size > this.#budget) {
      const reason = `the memory budget is ${formatBytes(this.#budget)}, of which ${formatBytes(this.live)} are in use`;
      throw this.error(label, bytes, reason);
    }
    this.#add(label, size);
    if (this.live > this.peak) {
      this.peak = this.live;
      this.#peakIsStale = true;
    }
  }

  give(label: string, size: number): void {
    // Copy the labels of the peak only when memory starts to fall again, not at each increase.
    if (this.#peakIsStale) {
      this.#peakLabels = this.largest();
      this.#peakIsStale = false;
    }
    this.#add(label, -size);
  }

  #add(label: string, bytes: number): void {
    this.live += bytes;
    this.#onChange(label, bytes);
    const now = (this.#labels.get(label) ?? 0) + bytes;
    if (now === 0) this.#labels.delete(label);
    else this.#labels.set(label, now);
  }

  /** Makes an error that names the request and the three labels that hold the most memory now. */
  error(label: string, bytes: number, reason: string): OutOfMemoryError {
    return new OutOfMemoryError(label, bytes, reason, this.largest().slice(0, 3));
  }

  /** Labels by the bytes that they hold now. */
  largest(): [string, number][] {
    return [...this.#labels].sort((a, b) => b[1] - a[1]);
  }

  /** Labels by the bytes that they held at the peak. */
  largestAtPeak(): [string, number][] {
    return this.#peakIsStale ? this.largest() : this.#peakLabels;
  }

  resetPeak(): void {
    this.peak = this.live;
    this.#peakIsStale = true;
  }
}

export class BufferPool implements StorageOwner {
  readonly #account: MemoryAccount;
  readonly #freeBuffers = new Map<number, Placement[]>();
  readonly #all = new Set<GPUBuffer>();
  #pooled = 0;
  #created = 0;

  constructor(account: MemoryAccount) {
    this.#account = account;
  }

  /** Allocates a buffer of at least `bytes`; its content is undefined. Throws `OutOfMemoryError`. */
  allocate(bytes: number, label: string): Storage {
    const size = sizeClass(bytes);
    this.#account.take(size, bytes, label);
    const reused = this.#freeBuffers.get(size)?.pop();
    if (reused) this.#pooled -= size;
    return new Storage(this, size, label, reused ?? this.#create(size, bytes, label));
  }

  #create(size: number, bytes: number, label: string): Placement {
    this.#created++;
    const account = this.#account;
    const placement = account.createBuffer(size, label, () =>
      account.error(label, bytes, "the device refused it"),
    );
    this.#all.add(placement.buffer);
    return placement;
  }

  /** Called by `Storage.release`. Recorded work may still use the buffer: the queue keeps the order. */
  reclaim(storage: Storage): void {
    const { bytes, label } = storage;
    this.#account.give(label, bytes);
    this.#pooled += bytes;
    const list = this.#freeBuffers.get(bytes) ?? [];
    list.push(storage.place);
    // The oldest buffer is allocated first, whatever the order of release: repeated work gets the same buffers again, whose
    // bind groups are cached already.
    list.sort((a, b) => b.id - a.id);
    this.#freeBuffers.set(bytes, list);
  }

  statistics(): MemoryStatistics {
    const account = this.#account;
    return {
      liveBytes: account.live,
      peakBytes: account.peak,
      pooledBytes: this.#pooled,
      buffersCreated: this.#created,
      byLabel: account.largest(),
      peakByLabel: account.largestAtPeak(),
    };
  }

  resetPeak(): void {
    this.#account.resetPeak();
  }

  /** Destroys the buffers kept for reuse: submit recorded work first. */
  trim(): void {
    for (const list of this.#freeBuffers.values()) {
      for (const { buffer } of list) {
        buffer.destroy();
        this.#all.delete(buffer);
      }
    }
    this.#freeBuffers.clear();
    this.#pooled = 0;
  }

  /** Destroys every buffer, including those of tensors that are still held. */
  dispose(): void {
    for (const buffer of this.#all) buffer.destroy();
    this.#all.clear();
    this.#freeBuffers.clear();
    this.#pooled = 0;
  }
}
