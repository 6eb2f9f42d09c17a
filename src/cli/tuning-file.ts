/** Finds the tuning table that a command uses. Node only. */

import { join } from "node:path";
import { type TuningTable, tableFault } from "../engine/gpu/tuning/tuning-table.js";
import { UserError } from "../platform/errors.js";
import { parseJson } from "../platform/json.js";
import { cacheDirectory, nodePlatform } from "../platform/node.js";
import { shown } from "../platform/shown.js";

/** The user's tuning table: the tuner writes it, and all commands look for it. */
export function userTuningPath(): string {
  return join(cacheDirectory(), "tuning.json");
}

/** Reads the table from a file. Throws a `UserError` of one sentence if the file is not a table. */
export async function readTuning(path: string): Promise<TuningTable> {
  const text = await nodePlatform.files.readText(path);
  let value: unknown;
  try {
    value = parseJson(text);
  } catch (error) {
    throw new UserError(`${path} is not a tuning table: ${shown((error as Error).message)}.`);
  }
  const fault = tableFault(value);
  if (fault !== null) throw new UserError(`${path} is not a tuning table: ${fault}.`);
  return value as TuningTable;
}

/**
 * The table for a command: the file named by `--tuning` or the environment variable MCD_TUNING, which must be a valid table
 * (`none`: only the table that comes with the package), else the user's own table, which is ignored with a `problem` if it is
 * broken.
 */
export async function findTuning(given?: string): Promise<{ table?: TuningTable; problem?: string }> {
  const named = given ?? (process.env.MCD_TUNING || undefined);
  if (named === "none") return {};
  if (named !== undefined) return { table: await readTuning(named) };
  const own = userTuningPath();
  if (!(await nodePlatform.files.exists(own))) return {};
  try {
    return { table: await readTuning(own) };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { problem: `${error.message} It is not used.` };
  }
}
