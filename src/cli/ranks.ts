/** The processes of an MPI job that run one command together: joining them, and errors that one of them tells for all. */

import { Option } from "commander";
import { type Collective, gatherNumbers, OtherRankError, shareJson, single } from "../platform/collective.js";
import { UserError } from "../platform/errors.js";
import { launched, Mpi } from "../platform/mpi.js";
import { packageVersion } from "../platform/node.js";
import { firstDifference } from "../training/ranks.js";
import { keepSilent } from "./terminal.js";

/** The options of `rankOptions`, and those that joining sets. */
export interface RankFlags {
  distributed?: boolean | undefined;
  devices?: string | undefined;
  adapter?: string | undefined;
  quiet?: boolean | undefined;
}

/** The options of commands that several processes run together. */
export function rankOptions(): Option[] {
  return [
    new Option(
      "--distributed",
      "join the processes of an MPI job although no launcher shows (under mpirun and srun they join without it)",
    ),
    new Option(
      "--devices <names>",
      "of several processes: the adapter of each process of a machine, separated by commas (names as for --adapter)",
    ),
  ];
}

/** Throws a `UserError` if the adapter is named twice. */
export function checkRankFlags({ devices, adapter }: RankFlags): void {
  if (devices !== undefined && adapter !== undefined)
    throw new UserError("--devices names the adapter of each process; leave out --adapter", 2);
}

/** This process among those that run a command together. */
export interface Ranks {
  readonly collective: Collective;
  /** For display; null for one process. */
  readonly description: string | null;
  /** Leaves the job when all others do. */
  finish(): Promise<void>;
}

/**
 * Joins the processes that mpirun or srun started; with `distributed` also without a launcher. All ranks but 0 print nothing but
 * errors from then on. `check` throws for options that several processes cannot have. Sets this process's adapter.
 */
export async function joinRanks(options: RankFlags, check: () => void = () => {}): Promise<Ranks> {
  if (!options.distributed && launched() === null)
    return { collective: single, description: null, finish: () => Promise.resolve() };
  const mpi = await Mpi.start();
  if (mpi.rank > 0) {
    keepSilent(`rank ${mpi.rank}: `);
    options.quiet = true;
  }
  if (mpi.size > 1) {
    await together(mpi, async () => check());
    const adapter = await deviceOf(mpi, options);
    if (adapter !== undefined) options.adapter = adapter;
  }
  return {
    collective: mpi,
    description: `${mpi.size} processes, ${mpi.description}`,
    finish: () => mpi.finish(),
  };
}

/** Runs a command on all ranks; each leaves the job when all have done it. */
export async function withRanks(options: RankFlags, body: (ranks: Ranks) => Promise<void>): Promise<void> {
  const ranks = await joinRanks(options);
  try {
    await body(ranks);
  } catch (error) {
    // The rank that failed tells why, and ends the job.
    if (error instanceof OtherRankError) await ranks.collective.barrier();
    throw error;
  }
  await ranks.finish();
}

/** The adapter of this process: that of `--devices` with its number on its machine. */
async function deviceOf(mpi: Mpi, { devices }: RankFlags): Promise<string | undefined> {
  if (devices === undefined) return undefined;
  const names = devices.split(",").map((name) => name.trim());
  const local = await mpi.localRank();
  return together(mpi, async () => {
    if (local < names.length) return names[local];
    throw new UserError(
      `--devices names ${names.length} devices, and this machine has a process number ${local + 1}`,
      2,
    );
  });
}

/**
 * Runs `body` on every rank. If it throws on some, the first of them throws its error, and the others wait for the end of the job,
 * which that one brings.
 */
export async function together<T>(collective: Collective, body: () => Promise<T>): Promise<T> {
  if (collective.size === 1) return body();
  let thrown: unknown = null;
  let result: T | null = null;
  try {
    result = await body();
  } catch (error) {
    thrown = error;
  }
  const failed = (await gatherNumbers(collective, thrown === null ? 0 : 1)).indexOf(1);
  if (failed < 0) return result!;
  if (failed !== collective.rank) await collective.barrier();
  throw thrown;
}

/** Runs `body` on rank 0 first, then on the others, which find the files that it has cached. */
export async function firstAlone<T>(collective: Collective, body: () => Promise<T>): Promise<T> {
  const first = await together(collective, async () => (collective.rank === 0 ? body() : null));
  const other = await together(collective, async () => (collective.rank > 0 ? body() : null));
  return (first ?? other)!;
}

/**
 * Throws a `UserError` if this rank trains or scores something else than rank 0; it names the first difference. `about` returns, by
 * the names of the sentence, what must be the same.
 */
export async function checkSame(
  collective: Collective,
  work: "train" | "score",
  about: () => Promise<Readonly<Record<string, unknown>>>,
): Promise<void> {
  if (collective.size === 1) return;
  const own = { "version of mc-diffusion": await packageVersion(), ...(await about()) };
  // As rank 0 sends it: without undefined.
  const facts: unknown = JSON.parse(JSON.stringify(own));
  const wanted = await shareJson(collective, facts);
  await together(collective, async () => {
    const difference = firstDifference(wanted, facts);
    if (difference !== null)
      throw new UserError(`this process does not ${work} the same as rank 0: ${difference}`);
  });
}
