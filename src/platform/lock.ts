/** Locks a folder against other processes. Node only. */

import { existsSync, readFileSync, rmSync } from "node:fs";
import * as fs from "node:fs/promises";
import { hostname } from "node:os";
import { UserError } from "./errors.js";
import { reason } from "./node.js";

const name = "lock.json";

interface Holder {
  pid: number;
  host: string;
  /** Start time of the process in clock ticks: distinguishes it from a later process with the same number. */
  started: string;
}

/**
 * Locks `folder`, which must exist, against other processes until this one ends or the returned function is called. Takes over
 * the lock of a process that is gone. Throws a `UserError` that names the process that holds the lock.
 */
export async function lockFolder(folder: string): Promise<() => void> {
  const path = `${folder}/${name}`;
  const own: Holder = { pid: process.pid, host: hostname(), started: startOf(process.pid) ?? "" };
  for (;;) {
    try {
      await fs.writeFile(path, `${JSON.stringify(own)}\n`, { flag: "wx" });
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") {
        throw new UserError(`Cannot write ${path}: ${reason(error)}.`);
      }
      const holder = read(path);
      if (holder && (holder.host !== own.host || isAlive(holder))) {
        const where = holder.host === own.host ? "" : ` on ${holder.host}`;
        throw new UserError(
          `${folder} is in use by process ${holder.pid}${where}; wait for it, or remove ${path} if it is gone`,
        );
      }
      await fs.rm(path, { force: true });
    }
  }
  const release = () => rmSync(path, { force: true });
  process.once("exit", release);
  return () => {
    process.off("exit", release);
    release();
  };
}

/** Who holds the lock of a folder: a living process of this machine, one of another machine that may be gone, or nobody. */
export function folderHolder(folder: string): "here" | "elsewhere" | null {
  const path = `${folder}/${name}`;
  if (!existsSync(path)) return null;
  const holder = read(path);
  if (!holder) return null;
  if (holder.host !== hostname()) return "elsewhere";
  return isAlive(holder) ? "here" : null;
}

function read(path: string): Holder | null {
  try {
    const { pid, host, started } = JSON.parse(readFileSync(path, "utf8")) as Partial<Holder>;
    if (Number.isSafeInteger(pid) && pid! > 0 && typeof host === "string" && typeof started === "string")
      return { pid: pid!, host, started };
  } catch {
    // Removed meanwhile, or incomplete because its process was killed: nobody holds it.
  }
  return null;
}

function isAlive({ pid, started }: Holder): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: the process exists and belongs to another user.
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return false;
  }
  const now = startOf(pid);
  return now === null || started === "" || now === started;
}

/** Start time: the 22nd field of /proc/PID/stat; null if it cannot be read. */
function startOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The second field is a name in parentheses, which may contain spaces.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? null;
  } catch {
    return null;
  }
}
