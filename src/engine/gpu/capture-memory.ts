/**
 * The memory plan of captured work. During the capture, tensors have no buffers. After it, the first and the last command
 * that use each tensor are known, and tensors whose lifetimes do not overlap share a buffer. A buffer is the smallest unit
 * that can be shared: WebGPU refuses a dispatch that reads one part of a buffer and writes another.
 */

import { OutOfMemoryError } from "./errors.js";
import { type MemoryAccount, type MemoryStatistics, Storage, type StorageOwner } from "./pool.js";
import { type Command, storagesOf } from "./recording.js";

/** The buffers of captured work, without those of tensors made outside it. */
export interface CapturedMemory extends MemoryStatistics {
  /** The largest number of bytes in use by one command: a lower bound for any plan. */
  leastBytes: number;
}

/** The lifetime of a storage: indices of the first and the last command that use it. */
export interface Lifetime {
  readonly bytes: number;
  readonly first: number;
  readonly last: number;
}

const overlap = (a: Lifetime, b: Lifetime) => a.first <= b.last && b.first <= a.last;

/** The largest number of bytes in use at one time. */
export function leastBytes(lifetimes: readonly Lifetime[]): number {
  return Math.max(0, ...lifetimes.map(({ first }) => bytesAt(lifetimes, first)));
}

function bytesAt(lifetimes: readonly Lifetime[], time: number): number {
  return lifetimes.reduce(
    (sum, { bytes, first, last }) => sum + (first <= time && time <= last ? bytes : 0),
    0,
  );
}

/**
 * Shares buffers between storages whose lifetimes do not overlap. Assigns larger storages first, so that no buffer has to
 * grow. Each gets the smallest buffer that is free during its lifetime; among equal buffers, the one with the shortest idle
 * time in between (greedy by size for shared objects: Pisarchyk and Lee 2020, arXiv 2001.03288).
 */
export function shareBuffers<L extends Lifetime>(lifetimes: readonly L[]): { bytes: number; users: L[] }[] {
  const buffers: { bytes: number; users: L[] }[] = [];
  const gap = (users: readonly L[], own: L) =>
    Math.min(...users.map((user) => (user.first > own.last ? user.first - own.last : own.first - user.last)));
  for (const own of [...lifetimes].sort((a, b) => b.bytes - a.bytes || a.first - b.first)) {
    const [best] = buffers
      .filter(({ users }) => !users.some((user) => overlap(user, own)))
      .sort((a, b) => a.bytes - b.bytes || gap(a.users, own) - gap(b.users, own));
    if (best) best.users.push(own);
    else buffers.push({ bytes: own.bytes, users: [own] });
  }
  return buffers;
}

interface Use extends Lifetime {
  storage: Storage;
}

export class CaptureMemory implements StorageOwner {
  readonly #account: MemoryAccount;
  readonly #storages: Storage[] = [];
  #buffers: { buffer: GPUBuffer; bytes: number; users: readonly Use[] }[] = [];
  #least = 0;
  #disposed = false;
  #labelsAtPeak: [string, number][] = [];

  constructor(account: MemoryAccount) {
    this.#account = account;
  }

  /** Allocates memory of at least `bytes`, which has a buffer only after `place`. Throws `OutOfMemoryError`. */
  allocate(bytes: number, label: string): Storage {
    const size = Math.ceil(bytes / 16) * 16;
    this.#account.take(size, bytes, label);
    const storage = new Storage(this, size, label, null);
    this.#storages.push(storage);
    return storage;
  }

  reclaim(storage: Storage): void {
    this.#account.give(storage.label, storage.bytes);
    if (this.#disposed) this.#destroyFree();
  }

  /** Assigns a buffer to every storage that the commands use. */
  place(commands: readonly Command[]): void {
    const uses = this.#uses(commands);
    this.#least = leastBytes(uses);
    this.#labelsAtPeak = labelsAtPeak(uses);
    this.#buffers = shareBuffers(uses).map(({ bytes, users }) => {
      const label = users[0]!.storage.label;
      const placement = this.#account.createBuffer(
        bytes,
        label,
        () => new OutOfMemoryError(label, bytes, "the device refused it", this.#labelsAtPeak.slice(0, 3)),
      );
      for (const { storage } of users) storage.place = placement;
      return { buffer: placement.buffer, bytes, users };
    });
  }

  #uses(commands: readonly Command[]): Use[] {
    const times = new Map<Storage, { first: number; last: number }>();
    commands.forEach((command, time) => {
      for (const storage of storagesOf(command)) {
        const known = times.get(storage);
        if (known) known.last = time;
        else times.set(storage, { first: time, last: time });
      }
    });
    const uses: Use[] = [];
    for (const storage of this.#storages) {
      const { bytes } = storage;
      const time = times.get(storage);
      // A storage still held after the capture may be read between runs: it keeps its content until the next run.
      if (!storage.free) uses.push({ storage, bytes, first: 0, last: Number.POSITIVE_INFINITY });
      else if (time) uses.push({ storage, bytes, ...time });
    }
    return uses;
  }

  statistics(): CapturedMemory {
    const bytes = this.#buffers.reduce((sum, buffer) => sum + buffer.bytes, 0);
    return {
      liveBytes: bytes,
      peakBytes: bytes,
      pooledBytes: 0,
      buffersCreated: this.#buffers.length,
      byLabel: this.#labelsAtPeak,
      peakByLabel: this.#labelsAtPeak,
      leastBytes: this.#least,
    };
  }

  /** Destroys the buffers, except those of results that are still held: these last as long as their tensors. */
  dispose(): void {
    this.#disposed = true;
    this.#destroyFree();
  }

  #destroyFree(): void {
    const isHeld = ({ users }: { users: readonly Use[] }) => users.some(({ storage }) => !storage.free);
    for (const shared of this.#buffers) if (!isHeld(shared)) shared.buffer.destroy();
    this.#buffers = this.#buffers.filter(isHeld);
  }

  /** Destroys all buffers, including those of results that are still held. */
  destroyAll(): void {
    for (const { buffer } of this.#buffers) buffer.destroy();
    this.#buffers = [];
  }

  /** Whether `dispose` left buffers alive for results that are still held. */
  get lingers(): boolean {
    return this.#buffers.length > 0;
  }
}

/** Bytes by label at the time of peak use; largest first. */
function labelsAtPeak(uses: readonly Use[]): [string, number][] {
  const most = leastBytes(uses);
  const time = uses.find(({ first }) => bytesAt(uses, first) === most)?.first ?? 0;
  const labels = new Map<string, number>();
  for (const { storage, bytes, first, last } of uses) {
    if (first <= time && time <= last) labels.set(storage.label, (labels.get(storage.label) ?? 0) + bytes);
  }
  return [...labels].sort((a, b) => b[1] - a[1]);
}
