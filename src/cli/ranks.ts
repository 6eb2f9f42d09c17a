/** The processes of an MPI job that run one command together: joining them, and errors that one of them tells for all. */

import type { Config } from "../config/config.js";
import { UserError } from "../platform/errors.js";
import { launched, Mpi } from "../platform/mpi.js";
import { nodePlatform, packageVersion } from "../platform/node.js";
import { type Collective, gatherNumbers, shareJson, single } from "../training/collective.js";
import { firstDifference } from "../training/ranks.js";
import type { RunData } from "../training/run-data.js";
import { keepSilent } from "./terminal.js";
import type { TrainOptions } from "./train-options.js";

/** This process among those that train together. */
export interface Ranks {
  readonly collective: Collective;
  /** For display; null for one process. */
  readonly description: string | null;
  /** Leaves the job when all others do. */
  finish(): Promise<void>;
}

/**
 * Joins the processes that mpirun or srun started; with `distributed` also without a launcher. All ranks but 0 print nothing but
 * errors from then on. Sets options that must be the same on all ranks.
 */
export async function joinRanks(options: TrainOptions): Promise<Ranks> {
  if (!options.distributed && launched() === null)
    return { collective: single, description: null, finish: () => Promise.resolve() };
  const mpi = await Mpi.start();
  if (mpi.rank > 0) {
    keepSilent(`rank ${mpi.rank}: `);
    options.quiet = true;
  }
  if (mpi.size > 1) {
    await together(mpi, async () => checkOptions(options));
    const adapter = await deviceOf(mpi, options);
    if (adapter !== undefined) options.adapter = adapter;
  }
  return {
    collective: mpi,
    description: `${mpi.size} processes, ${mpi.description}`,
    finish: () => mpi.finish(),
  };
}

/** Throws a `UserError` for options that several processes cannot have. */
function checkOptions({ minutes, plan, onLoss }: TrainOptions): void {
  const refuse = (flag: string, why: string): never => {
    throw new UserError(`${flag} cannot be given to several processes: ${why}`, 2);
  };
  if (minutes !== undefined)
    refuse("--minutes", "it measures one process; set vqvae.steps and decoder.steps with --set");
  if (plan) refuse("--plan", "it plans for one process");
  if (onLoss === "retry")
    refuse("--on-loss retry", "the others cannot wait for a new device; start the job again with --resume");
}

/** The adapter of this process: that of `--devices` with its number on its machine. */
async function deviceOf(mpi: Mpi, { devices }: TrainOptions): Promise<string | undefined> {
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

/** Throws a `UserError` if this rank trains something else than rank 0; it names the first difference. */
export async function checkSame(
  collective: Collective,
  { config, data, gradients }: { config: Config; data: RunData; gradients: string },
): Promise<void> {
  if (collective.size === 1) return;
  const facts = {
    "version of mc-diffusion": await packageVersion(),
    config,
    "--gradients": gradients,
    "hash of the vocabulary": data.vocabulary,
    "hash of the data": await nodePlatform.hash("sha-256", JSON.stringify(data.pictures)),
  };
  const wanted = await shareJson(collective, facts);
  await together(collective, async () => {
    const difference = firstDifference(wanted, facts);
    if (difference !== null)
      throw new UserError(`this process does not train the same as rank 0: ${difference}`);
  });
}
