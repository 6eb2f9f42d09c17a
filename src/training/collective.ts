/** Processes that train one model together, numbered 0 … size − 1: their ranks. */

/** How `Collective.allReduce` combines the values of the ranks. */
export type Reduction = "sum" | "max";

/**
 * One rank's access to all of them. Every rank makes the same calls in the same order, with data of the same length; a call
 * resolves when its data has arrived. MPI (`src/platform/mpi.ts`) is one implementation; a page may bring another.
 */
export interface Collective {
  /** The number of this rank, 0 … size − 1. */
  readonly rank: number;
  /** The number of ranks. */
  readonly size: number;
  /** Replaces each element with its sum (default) or maximum over all ranks: the same bits on each. */
  allReduce(data: Float32Array | Float64Array, reduction?: Reduction): Promise<void>;
  /** Replaces the bytes with those of rank 0. */
  broadcast(data: Uint8Array): Promise<void>;
  /** `data` has `size` equal parts: part r goes to rank r, in whose data it becomes the part with the number of the sender. */
  exchange(data: Uint8Array): Promise<void>;
  /** `data` has `size` equal parts: part r of rank r replaces part r of all. */
  gather(data: Uint8Array): Promise<void>;
  /** Resolves when every rank has called it. May wait for minutes, so it should not keep a core busy. */
  barrier(): Promise<void>;
}

/** A process that trains alone. */
export const single: Collective = {
  rank: 0,
  size: 1,
  allReduce: () => Promise.resolve(),
  broadcast: () => Promise.resolve(),
  exchange: () => Promise.resolve(),
  gather: () => Promise.resolve(),
  barrier: () => Promise.resolve(),
};

/** Replaces the value with that of rank 0; anything that JSON can hold. */
export async function shareJson<T>(collective: Collective, value: T): Promise<T> {
  if (collective.size === 1) return value;
  const own = new TextEncoder().encode(JSON.stringify(value));
  const length = Float64Array.of(own.length);
  await collective.broadcast(new Uint8Array(length.buffer));
  const bytes = collective.rank === 0 ? own : new Uint8Array(length[0]!);
  await collective.broadcast(bytes);
  return collective.rank === 0 ? value : (JSON.parse(new TextDecoder().decode(bytes)) as T);
}

/** The number of each rank, in the order of the ranks. */
export async function gatherNumbers(collective: Collective, own: number): Promise<Float64Array> {
  const all = new Float64Array(collective.size);
  all[collective.rank] = own;
  await collective.allReduce(all);
  return all;
}
