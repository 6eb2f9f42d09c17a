/** The table of runtimes in docs/browsers.md: each recorded run replaces its own line in docs/figures/browsers.json. */

import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { root } from "../figures/documents.js";
import type { FigureFile, Table } from "../figures/figures.js";
import type { Runtime } from "./runtime.js";

const path = join(root, "docs/figures/browsers.json");
const columns = ["runtime", "WebGPU", "adapter", "tests passed", "failed", "skipped"];

export interface Totals {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** The table with the line of one runtime replaced, or added. Versions are part of the name: the word before them decides. */
export function withRun(
  rows: Table["rows"],
  runtime: string,
  implementation: string,
  adapter: string,
  totals: Totals,
): Table["rows"] {
  const name = (text: string) => text.split(" ")[0];
  const line = [
    runtime,
    implementation,
    adapter,
    ...[totals.passed, totals.failed, totals.skipped].map(String),
  ];
  return [...rows.filter(([first = ""]) => name(first) !== name(runtime)), line].sort(([a = ""], [b = ""]) =>
    a.localeCompare(b, "en"),
  );
}

/** Records a whole run. */
export async function recordRun(runtime: Runtime, totals: Totals): Promise<void> {
  const file = JSON.parse(await readFile(path, "utf8")) as FigureFile;
  const before = file.figures.runtimes;
  const rows = before?.table && "rows" in before.table ? before.table.rows : [];
  const runtimes = {
    table: {
      columns,
      rows: withRun(rows, runtime.version, runtime.implementation, await runtime.adapter(), totals),
    },
    command: "npm run build:test && node dist-test/runtimes/command.js RUNTIME --record",
    date: new Date().toISOString().slice(0, 10),
    adapter: "in the table",
    machine: "2 cores beside other work",
  };
  await writeFile(
    `${path}.part`,
    `${JSON.stringify({ ...file, figures: { ...file.figures, runtimes } }, null, 1)}\n`,
  );
  await rename(`${path}.part`, path);
}
