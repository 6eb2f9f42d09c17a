/** The entries of a tuning table that a device does not use, for reports by commands and pages. Covers every kernel. */

import * as kernels from "../kernels.generated.js";
import * as choices from "./choices.js";
import {
  adapterKeys,
  entriesFor,
  type Tunable,
  type TuningTable,
  tableFault,
  usableValues,
} from "./tuning-table.js";

/** Every kernel and every choice by its name in a tuning table. */
export const tunablesByName: ReadonlyMap<string, Tunable> = /* @__PURE__ */ new Map(
  [...Object.values(kernels).flatMap((family) => Object.values(family)), ...Object.values(choices)].map(
    (tunable) => [tunable.spec.name, tunable as Tunable],
  ),
);

/** One sentence for each entry of a table that is invalid on this adapter (`gpu.tuning.adapter`), or one for the whole table. */
export function tuningProblems(table: TuningTable, adapter: string, limits: GPUSupportedLimits): string[] {
  const fault = tableFault(table);
  if (fault !== null) return [`the tuning table is not used: ${fault}.`];
  if (!adapterKeys(adapter).some((key) => Object.hasOwn(table.adapters, key))) {
    const others = Object.keys(table.adapters).join(", ") || "no adapter";
    return [`the tuning table is not used: it is for ${others}, and this is ${adapter}.`];
  }
  const entries = entriesFor(table, adapter);
  const problems: string[] = [];
  const refuse = (what: string, key: string, why: string) =>
    problems.push(`tuning of ${what} for ${key} is not used: ${why}.`);
  for (const [name, named] of entries) {
    const tunable = tunablesByName.get(name);
    if (tunable) usableValues(tunable, entries, limits, refuse);
    else for (const { key } of named) refuse(name, key, "there is no kernel or choice of this name");
  }
  return problems;
}
