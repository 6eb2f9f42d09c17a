/** Processes that MPI has started together, on one machine or many: sums, copies and a barrier over all of them. Node only. */

import { createHash } from "node:crypto";
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { UserError } from "./errors.js";
import { loadMpi, type MpiLibrary } from "./mpi-library.js";

/** How a launcher started this process. */
interface Launch {
  /** Number of processes, if the launcher tells it. */
  readonly size: number | null;
  readonly family: "Open MPI" | "MPICH" | null;
}

/** What the environment tells of mpirun, mpiexec or srun; null if none of them started this process as one of several. */
export function launched(env: Readonly<Record<string, string | undefined>> = process.env): Launch | null {
  const size = (name: string) => (env[name] === undefined ? null : Number(env[name]));
  const launch: Launch | null =
    env.OMPI_COMM_WORLD_SIZE !== undefined
      ? { family: "Open MPI", size: size("OMPI_COMM_WORLD_SIZE") }
      : env.MV2_COMM_WORLD_SIZE !== undefined
        ? { family: "MPICH", size: size("MV2_COMM_WORLD_SIZE") }
        : env.PMI_SIZE !== undefined
          ? { family: "MPICH", size: size("PMI_SIZE") }
          : env.PMIX_RANK !== undefined || env.SLURM_STEP_NUM_TASKS !== undefined
            ? { family: null, size: size("SLURM_STEP_NUM_TASKS") }
            : null;
  return launch?.size === 1 ? null : launch;
}

/** Largest count of a call: elements are counted in 32 bits. */
const MOST = 2 ** 30;
/** Longest pause between two looks whether a barrier is complete, in ms. */
const LONGEST_PAUSE = 20;

/** This process among those that MPI has started. Calls run one after the other, off the event loop. */
export class Mpi {
  readonly rank: number;
  readonly size: number;
  /** For display: family and file. */
  readonly description: string;
  private readonly library: MpiLibrary;
  private queue: Promise<unknown> = Promise.resolve();
  private ended = false;

  private constructor(library: MpiLibrary, rank: number, size: number) {
    this.library = library;
    this.rank = rank;
    this.size = size;
    this.description = `${library.family} (${library.file})`;
    // Others would wait for ever for a process that ends without a word.
    process.on("exit", (code) => {
      if (!this.ended) this.abort(code || 1);
    });
  }

  /** Joins the processes that the launcher started. Throws a `UserError` without MPI, or if MPI sees other processes. */
  static async start(): Promise<Mpi> {
    const launch = launched();
    const library = await loadMpi(launch?.family ?? null);
    const { handles } = library;
    const [provided, rank, size] = [[0], [0], [0]];
    check("MPI_Init_thread", library.initThread(null, null, handles.serialized, provided));
    check("MPI_Comm_rank", library.commRank(handles.world, rank));
    check("MPI_Comm_size", library.commSize(handles.world, size));
    const mpi = new Mpi(library, rank[0]!, size[0]!);
    if (launch?.size && launch.size !== mpi.size) {
      await mpi.finish();
      throw new UserError(
        `The launcher started ${launch.size} processes, but ${mpi.description} sees ${mpi.size}: use the mpirun of this library, another one by MCD_MPI, or srun --mpi=pmix.`,
      );
    }
    if (provided[0]! < handles.serialized) {
      await mpi.finish();
      throw new UserError(
        `${mpi.description} allows calls from the main thread alone; choose another library by MCD_MPI.`,
      );
    }
    return mpi;
  }

  /** Replaces each element with its sum or maximum over all ranks. */
  async allReduce(data: Float32Array | Float64Array, reduction: "sum" | "max" = "sum"): Promise<void> {
    const { handles } = this.library;
    const type = data instanceof Float32Array ? handles.float : handles.double;
    for (let at = 0; at < data.length; at += MOST) {
      const part = data.subarray(at, at + MOST);
      await this.call("MPI_Allreduce", this.library.allReduce, [
        handles.inPlace,
        part,
        part.length,
        type,
        handles[reduction],
        handles.world,
      ]);
    }
  }

  /** Replaces the bytes with those of rank 0. */
  async broadcast(data: Uint8Array): Promise<void> {
    const { handles } = this.library;
    for (let at = 0; at < data.length; at += MOST) {
      const part = data.subarray(at, at + MOST);
      await this.call("MPI_Bcast", this.library.broadcast, [
        part,
        part.length,
        handles.byte,
        0,
        handles.world,
      ]);
    }
  }

  /** `data` has `size` equal parts: part r goes to rank r, in whose data it becomes the part with the number of the sender. */
  exchange(data: Uint8Array): Promise<void> {
    const { byte, world } = this.library.handles;
    const length = data.length / this.size;
    // Open MPI exchanges in place by an algorithm that is several times slower.
    return this.call("MPI_Alltoall", this.library.exchange, [
      data.slice(),
      length,
      byte,
      data,
      length,
      byte,
      world,
    ]);
  }

  /** `data` has `size` equal parts: part r of rank r replaces part r of all. */
  gather(data: Uint8Array): Promise<void> {
    const { byte, inPlace, world } = this.library.handles;
    const length = data.length / this.size;
    return this.call("MPI_Allgather", this.library.gather, [inPlace, 0, byte, data, length, byte, world]);
  }

  /** Resolves when every rank has called it. Looks now and then instead of keeping a core and a thread busy. */
  barrier(): Promise<void> {
    return this.inOrder(async () => {
      const { handles, startBarrier, test } = this.library;
      const [request, done] = [new Uint8Array(8), new Int32Array(1)];
      check("MPI_Ibarrier", startBarrier(handles.world, request));
      for (let pause = 0; ; pause = Math.min(pause + 1, LONGEST_PAUSE)) {
        check("MPI_Test", test(request, done, handles.statusIgnore));
        if (done[0]) return;
        await sleep(pause);
      }
    });
  }

  /** The number of this process among those of its machine, from 0. */
  async localRank(): Promise<number> {
    // By name instead of MPI_Comm_split_type: two handles fewer that differ between the families.
    const hash = createHash("sha256").update(hostname()).digest().readUIntBE(0, 6);
    const hosts = new Float64Array(this.size);
    hosts[this.rank] = hash;
    await this.allReduce(hosts);
    return hosts.subarray(0, this.rank).filter((host) => host === hash).length;
  }

  /** Leaves MPI after all calls, when all ranks do. The process may end from then on. */
  async finish(): Promise<void> {
    if (this.ended) return;
    // MPI_Finalize waits for the others, and would keep a core busy.
    await this.barrier();
    this.ended = true;
    check("MPI_Finalize", this.library.finalize());
  }

  /** Ends all processes at once. */
  abort(code: number): void {
    this.ended = true;
    this.library.abort(this.library.handles.world, code);
  }

  private call(name: string, run: MpiLibrary["allReduce"], args: unknown[]): Promise<void> {
    return this.inOrder(
      () =>
        new Promise((resolve, reject) => {
          run.async(...args, (error, result) => {
            try {
              if (error) throw error;
              check(name, result);
              resolve();
            } catch (failure) {
              reject(failure);
            }
          });
        }),
    );
  }

  /** Runs `body` after all calls before it: a blocked call takes one thread of libuv's pool, and there are four. */
  private inOrder(body: () => Promise<void>): Promise<void> {
    const result = this.queue.then(body);
    this.queue = result.catch(() => {});
    return result;
  }
}

function check(name: string, code: number): void {
  if (code !== 0) throw new Error(`${name} failed with code ${code}`);
}
