/** Processes that work together, numbered 0 … size − 1: their ranks. */

/** How `Collective.allReduce` combines the values of the ranks. */
export type Reduction = "sum" | "max";

/**
 * One rank's access to all of them. Every rank makes the same calls in the same order, with data of the same length; a call
 * resolves when its data has arrived. MPI (mpi.ts) is one implementation; a page may bring another.
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

/** A process that works alone. */
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

/** A value of each rank, in the order of the ranks; anything that JSON can hold. */
export async function gatherJson<T>(collective: Collective, own: T): Promise<T[]> {
  const { rank, size } = collective;
  if (size === 1) return [own];
  const bytes = new TextEncoder().encode(JSON.stringify(own));
  const lengths = await gatherNumbers(collective, bytes.length);
  const longest = Math.max(...lengths);
  const all = new Uint8Array(size * longest);
  all.set(bytes, rank * longest);
  await collective.gather(all);
  const text = (from: number) =>
    new TextDecoder().decode(all.subarray(from, from + lengths[from / longest]!));
  return Array.from(lengths, (_, r) => (r === rank ? own : (JSON.parse(text(r * longest)) as T)));
}

/** Numbers of one call of the collective. */
const NUMBERS_AT_ONCE = 2 ** 22;

/**
 * Completes numbers of which each rank has set its own, leaving those of the others 0: adds them up. Whole numbers travel as
 * float32, so they must be below 2²⁴.
 */
export async function joinParts(
  collective: Collective,
  data: Uint32Array | Float32Array | Float64Array,
): Promise<void> {
  if (collective.size === 1) return;
  for (let at = 0; at < data.length; at += NUMBERS_AT_ONCE) {
    const part = data.subarray(at, at + NUMBERS_AT_ONCE);
    const numbers = part instanceof Uint32Array ? Float32Array.from(part) : part;
    await collective.allReduce(numbers);
    if (numbers !== part) part.set(numbers);
  }
}

/** The share of a rank in work of `count` equal units: those from `from` to below `to`. Shares differ by one unit at most. */
export function shareOf(
  count: number,
  { rank, size }: Pick<Collective, "rank" | "size">,
): { from: number; to: number } {
  const before = (ranks: number) => Math.floor((ranks * count) / size);
  return { from: before(rank), to: before(rank + 1) };
}

/** Another rank failed in its part of common work, or was asked to stop: it ends the job, or stops together with all. */
export class OtherRankError extends Error {
  constructor(readonly rank: number) {
    super(`rank ${rank} did not do its part`);
  }
}

/**
 * Runs this rank's part of common work, and waits until all have done theirs. If some throw, these ranks throw their errors and the
 * others an `OtherRankError`: none waits for data that never comes.
 */
export async function ownPart<T>(collective: Collective, body: () => Promise<T>): Promise<T> {
  if (collective.size === 1) return body();
  let thrown: { readonly error: unknown } | null = null;
  let result: T | null = null;
  try {
    result = await body();
  } catch (error) {
    thrown = { error };
  }
  // A slower part may take minutes.
  await collective.barrier();
  const failed = (await gatherNumbers(collective, thrown ? 1 : 0)).indexOf(1);
  if (thrown) throw thrown.error;
  if (failed >= 0) throw new OtherRankError(failed);
  return result!;
}
