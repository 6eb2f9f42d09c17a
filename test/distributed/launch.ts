/** Programs under mpirun: the launchers that are installed, and what their processes printed. */

import { spawn, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

/** A launcher of one family of MPI. */
export interface Launcher {
  readonly name: string;
  readonly command: readonly string[];
}

/** One core may serve several ranks, and by default each rank would be bound to one core with all of its threads. */
const OPEN_MPI = ["--oversubscribe", "--bind-to", "none", "--mca", "mpi_yield_when_idle", "1"];

/** As root Open MPI asks for these. */
const environment = { OMPI_ALLOW_RUN_AS_ROOT: "1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: "1" };

function found(command: string, family: RegExp): boolean {
  const { stdout, status } = spawnSync(command, ["--version"], { encoding: "utf8" });
  return status === 0 && family.test(stdout);
}

/** The launchers of this machine, as Debian names them where both are installed, else by the common name. */
export const launchers: readonly Launcher[] = [
  {
    name: "Open MPI",
    family: /open ?mpi|open-?rte/i,
    names: ["mpirun.openmpi", "mpirun"],
    options: OPEN_MPI,
  },
  { name: "MPICH", family: /hydra|mpich/i, names: ["mpirun.mpich", "mpirun"], options: [] },
].flatMap(({ name, family, names, options }) => {
  const command = names.find((candidate) => found(candidate, family));
  return command ? [{ name, command: [command, ...options] }] : [];
});

/** What a program under a launcher left. */
export interface Ended {
  readonly code: number | null;
  readonly output: string;
  readonly errors: string;
  readonly ms: number;
}

export interface Started {
  /** The launcher's process. */
  readonly pid: number;
  readonly ended: Promise<Ended>;
}

/** Starts `node args` as `ranks` processes. A launcher that runs longer than `limit` seconds is killed. */
export function launch(
  { command: [file, ...options] }: Launcher,
  ranks: number,
  args: readonly string[],
  { env = {}, limit = 120 }: { env?: Record<string, string>; limit?: number } = {},
): Started {
  const began = performance.now();
  const child = spawn(file!, [...options, "-n", String(ranks), process.execPath, ...args], {
    cwd: fileURLToPath(new URL("../../", import.meta.url)),
    env: { ...process.env, ...environment, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [output, errors] = ["", ""];
  child.stdout.on("data", (data) => {
    output += data;
  });
  child.stderr.on("data", (data) => {
    errors += data;
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), limit * 1000);
  const ended = new Promise<Ended>((resolve) => {
    child.on("close", (code) => {
      clearTimeout(timer);
      resolve({ code, output, errors, ms: performance.now() - began });
    });
  });
  return { pid: child.pid!, ended };
}
