/**
 * The functions of an MPI library, called through koffi. Handles of MPI are not the same in every implementation: there are three
 * families, told apart by the symbols of the library. Node only.
 */

import { UserError } from "./errors.js";

/** A function of the library. `async` runs it in a thread of libuv's pool. */
export interface ForeignFunction {
  (...args: unknown[]): number;
  async(...args: [...unknown[], (error: Error | null, result: number) => void]): void;
}

/** The part of koffi that is used. Koffi is optional: the build does without its types. */
interface Koffi {
  config(settings: { readonly async_stack_size: number }): unknown;
  load(path: string): {
    symbol(name: string): unknown;
    func(name: string, result: string, parameters: readonly string[]): ForeignFunction;
  };
}

/** What an implementation passes for MPI's constants. */
export interface Handles {
  readonly world: unknown;
  readonly float: unknown;
  readonly double: unknown;
  readonly byte: unknown;
  readonly sum: unknown;
  readonly max: unknown;
  /** As addresses. */
  readonly inPlace: number;
  readonly statusIgnore: number;
  /** The level of threads at which any thread may call, one at a time. */
  readonly serialized: number;
}

type Family = "Open MPI" | "MPICH" | "MPI ABI";

/** The type of handles as C passes them. */
const handleType = { "Open MPI": "void *", MPICH: "int", "MPI ABI": "intptr_t" } as const;

/** Open MPI: addresses of objects of the library (mpi.h of 4.1.4). */
const openMpi = (symbol: (name: string) => unknown): Handles => ({
  world: symbol("ompi_mpi_comm_world"),
  float: symbol("ompi_mpi_float"),
  double: symbol("ompi_mpi_double"),
  byte: symbol("ompi_mpi_byte"),
  sum: symbol("ompi_mpi_op_sum"),
  max: symbol("ompi_mpi_op_max"),
  inPlace: 1,
  statusIgnore: 0,
  serialized: 2,
});

/** MPICH, and Intel MPI and MVAPICH, which keep to its binary interface: numbers (mpi.h of 4.0.2). */
const mpich: Handles = {
  world: 0x44000000,
  float: 0x4c00040a,
  double: 0x4c00080b,
  byte: 0x4c00010d,
  sum: 0x58000003,
  max: 0x58000001,
  inPlace: -1,
  statusIgnore: 1,
  serialized: 2,
};

/** The common binary interface of MPI 5 (mpi.h of its stubs): numbers of the size of a pointer. */
const commonInterface: Handles = {
  world: 0x101,
  float: 0x210,
  double: 0x214,
  byte: 0x247,
  sum: 0x21,
  max: 0x23,
  inPlace: 1,
  statusIgnore: 0,
  serialized: 2048,
};

/** An MPI library. */
export interface MpiLibrary {
  readonly file: string;
  readonly family: Family;
  readonly handles: Handles;
  readonly initThread: ForeignFunction;
  readonly finalize: ForeignFunction;
  readonly abort: ForeignFunction;
  readonly commRank: ForeignFunction;
  readonly commSize: ForeignFunction;
  readonly broadcast: ForeignFunction;
  readonly allReduce: ForeignFunction;
  readonly exchange: ForeignFunction;
  readonly gather: ForeignFunction;
  readonly startBarrier: ForeignFunction;
  readonly test: ForeignFunction;
}

/** Names of libraries, those of `first` in front: the launcher's family. */
function candidates(first: Family | null): string[] {
  const files: Record<Family, readonly string[]> =
    process.platform === "darwin"
      ? {
          "Open MPI": ["libmpi.dylib", "/opt/homebrew/lib/libmpi.dylib"],
          MPICH: ["libmpich.dylib"],
          "MPI ABI": ["libmpi_abi.dylib"],
        }
      : {
          "Open MPI": ["libmpi.so.40", "libmpi.so"],
          MPICH: ["libmpich.so.12", "libmpi.so.12", "libmpich.so"],
          "MPI ABI": ["libmpi_abi.so.0"],
        };
  const families = Object.keys(files) as Family[];
  return families
    .sort((a, b) => Number(b === first) - Number(a === first))
    .flatMap((family) => files[family]);
}

/**
 * Loads the MPI library: the file or name in MCD_MPI, else the first that is found, those of the family `first` in front. Throws a
 * `UserError` that names the package to install.
 */
export async function loadMpi(first: Family | null): Promise<MpiLibrary> {
  const koffi = await loadKoffi();
  const wanted = process.env.MCD_MPI;
  const files = wanted ? [wanted] : candidates(first);
  for (const file of files) {
    try {
      return bind(koffi, file);
    } catch (error) {
      if (wanted) {
        const why = error instanceof Error ? error.message.split("\n")[0] : error;
        throw new UserError(`MCD_MPI=${wanted} is no MPI library that loads here (${why}).`);
      }
    }
  }
  const name = first === "MPICH" ? "mpich" : "openmpi-bin";
  throw new UserError(
    `No MPI library was found (looked for ${files.join(", ")}): on Debian and Ubuntu install the package ${name}, on a cluster load its MPI module, or name the library in MCD_MPI.`,
  );
}

/** Set before the first library is loaded: koffi refuses later changes. */
let configured = false;

async function loadKoffi(): Promise<Koffi> {
  const name = "koffi";
  try {
    const { default: koffi } = (await import(name)) as { default: Koffi };
    // MPICH ends with a segmentation fault on the 128 KiB that koffi gives a call in another thread.
    if (!configured) koffi.config({ async_stack_size: 4 * 2 ** 20 });
    configured = true;
    return koffi;
  } catch (error) {
    const why = error instanceof Error ? error.message.split("\n")[0] : error;
    throw new UserError(
      `The npm package koffi, which calls MPI, does not load here (${why}); run npm ci without --omit=optional.`,
    );
  }
}

function bind(koffi: Koffi, file: string): MpiLibrary {
  const library = koffi.load(file);
  const symbol = (name: string) => library.symbol(name);
  const has = (name: string) => {
    try {
      return !!symbol(name);
    } catch {
      return false;
    }
  };
  const family = has("ompi_mpi_comm_world") ? "Open MPI" : has("MPI_Abi_get_version") ? abiOf(file) : "MPICH";
  const handles = { "Open MPI": () => openMpi(symbol), MPICH: () => mpich, "MPI ABI": () => commonInterface };
  const handle = handleType[family];
  const declare = (name: string, ...parameters: string[]) => library.func(name, "int", parameters);
  return {
    file,
    family,
    handles: handles[family](),
    initThread: declare("MPI_Init_thread", "void *", "void *", "int", "_Out_ int *"),
    finalize: declare("MPI_Finalize"),
    abort: declare("MPI_Abort", handle, "int"),
    commRank: declare("MPI_Comm_rank", handle, "_Out_ int *"),
    commSize: declare("MPI_Comm_size", handle, "_Out_ int *"),
    broadcast: declare("MPI_Bcast", "void *", "int", handle, "int", handle),
    allReduce: declare("MPI_Allreduce", "intptr_t", "void *", "int", handle, handle, handle),
    exchange: declare("MPI_Alltoall", "void *", "int", handle, "void *", "int", handle, handle),
    gather: declare("MPI_Allgather", "intptr_t", "int", handle, "void *", "int", handle, handle),
    startBarrier: declare("MPI_Ibarrier", handle, "void *"),
    test: declare("MPI_Test", "void *", "void *", "intptr_t"),
  };
}

/** MPICH 4.3 and later has the functions of MPI 5 beside its own interface; its library of the common one has another name. */
function abiOf(file: string): Family {
  return /mpi_abi/.test(file) ? "MPI ABI" : "MPICH";
}
