/** Settings of runs side by side. */

import { isRecord, type JsonRecord } from "../../platform/json.js";
import type { RunListing } from "./listing.js";

/** One setting of several runs. */
export interface SettingRow {
  readonly key: string;
  /** For each run; null where it has no such setting. */
  readonly values: readonly (string | null)[];
  readonly differs: boolean;
}

/** The settings of a configuration by their whole names, such as `decoder.dim`, as text. */
export function flatSettings(config: JsonRecord, prefix = ""): Map<string, string> {
  const found = new Map<string, string>();
  for (const [name, value] of Object.entries(config)) {
    if (isRecord(value)) for (const entry of flatSettings(value, `${prefix}${name}.`)) found.set(...entry);
    else found.set(prefix + name, typeof value === "string" ? value : JSON.stringify(value));
  }
  return found;
}

/** All settings of some runs, and the data they learned from, in the order of the first run that has them. */
export function compareSettings(runs: readonly Pick<RunListing, "config" | "data">[]): SettingRow[] {
  const tables = runs.map(({ config, data }) => {
    const table = flatSettings(config);
    if (data) {
      for (const [split, count] of Object.entries(data.pictures))
        table.set(`pictures: ${split}`, String(count));
      table.set("fingerprint of the data", data.fingerprint);
    }
    return table;
  });
  const keys = new Set(tables.flatMap((table) => [...table.keys()]));
  return [...keys].map((key) => {
    const values = tables.map((table) => table.get(key) ?? null);
    return { key, values, differs: new Set(values).size > 1 };
  });
}
