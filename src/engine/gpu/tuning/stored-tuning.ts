/** A page's own tuning table, in `localStorage`. */

import { UserError } from "../../../platform/errors.js";
import { type TuningTable, tableFault } from "./tuning-table.js";

const tuningItem = "mc-diffusion tuning";

/** Stores a tuning table for this page's origin, in `localStorage`. Throws a `UserError` if the browser refuses. */
export function storeTuning(table: TuningTable): void {
  try {
    localStorage.setItem(tuningItem, JSON.stringify(table));
  } catch (error) {
    throw new UserError(
      `The browser cannot store the tuning table: ${error instanceof Error ? error.message : error}.`,
    );
  }
}

/**
 * The table that `storeTuning` stored, for `Gpu.from(device, { tuning })`; undefined if there is none. Unusable data are left
 * out, and `problem` states the reason in one sentence.
 */
export function storedTuning(): { table?: TuningTable; problem?: string } {
  let value: unknown;
  try {
    const text = localStorage.getItem(tuningItem);
    if (text === null) return {};
    value = JSON.parse(text);
  } catch (error) {
    const why = error instanceof Error ? error.message : error;
    return { problem: `The stored tuning table is not used: ${why}.` };
  }
  const fault = tableFault(value);
  if (fault !== null) return { problem: `The stored tuning table is not used: ${fault}.` };
  return { table: value as TuningTable };
}
