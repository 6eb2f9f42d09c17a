/** GPU memory: buffers by size class, handed out and taken back, with exact accounting by label. */

import { formatBytes, GpuError, OutOfMemoryError } from "./errors.js";
import { overlaps, type Region } from "./region.js";

/** Whoever hands out storages: gets them back when nobody refers to them any more. */
export interface StorageOwner {
  reclaim(storage: Storage): void;
}

/** The id of all buffers that the engine did not make. */
export const borrowedId = 0;

/** A GPU buffer, and a number that distinguishes it in bind-group keys. */
export interface Placement {
  buffer: GPUBuffer;
  id: number;
}

/** A part of a storage that has to stay as it is for a while. */
export interface Watch {
  readonly region: Region;
  /** Whether a kernel or the CPU has written into it since. */
  changed: boolean;
}

/** A reference-counted piece of GPU memory. Tensors share one when they are views of each other. */
export class Storage {
  readonly pool: StorageOwner;
  /** Bytes that may be used; the buffer has at least as many. */
  readonly bytes: number;
  label: string;
  /** What the tape has saved here: it notices when that is changed. */
  readonly #watches = new Set<Watch>();
  #placement: Placement | null;
  #references = 1;

  /** Without a placement until `place`: what is captured gets its buffers once the capture knows all lifetimes. */
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

  /** Told of every write by kernels and by the CPU, into a region or anywhere. */
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

let nextBufferId = 1;

export type MemoryListener = (label: string, bytes: number) => void;

/** Makes buffers, counts bytes in use by label, and remembers their peak; refuses what cannot be had. */
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
   * `onOutOfMemory` receives the errors of buffers that the device refuses, which it says later; `onChange` all memory taken
   * (positive) and given back (negative).
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

  /** A storage buffer for memory that was taken. `refused` makes the error of one that the device does not give. */
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
      () => {}, // the device is lost, which is reported on its own
    );
    return { buffer, id: nextBufferId++ };
  }

  /** Takes `size` bytes for a tensor that asked for `bytes`. Throws `OutOfMemoryError`. */
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
    // The peak's labels are copied only when memory starts to fall again, not at each step up.
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

  /** An error that names who asked and the three labels that hold the most now. */
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

  /** A buffer of at least `bytes`; its content is whatever was there before. Throws `OutOfMemoryError`. */
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

  /** Called by `Storage.release`. The buffer may still be used by recorded work: the queue keeps the order. */
  reclaim(storage: Storage): void {
    const { bytes, label } = storage;
    this.#account.give(label, bytes);
    this.#pooled += bytes;
    const list = this.#freeBuffers.get(bytes) ?? [];
    list.push(storage.place);
    // The oldest buffer is handed out first, in whatever order they came back: work that is done again is given the same
    // buffers again, whose bind groups are there already.
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

  /** Destroys every buffer, also those of tensors that someone still holds. */
  dispose(): void {
    for (const buffer of this.#all) buffer.destroy();
    this.#all.clear();
    this.#freeBuffers.clear();
    this.#pooled = 0;
  }
}
