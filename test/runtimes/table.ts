/** The tables of runtimes in docs/browsers.md: each recorded run replaces its own lines in docs/figures/browsers.json. */

import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { root } from "../figures/documents.js";
import type { FigureFile, Table } from "../figures/figures.js";

const path = join(root, "docs/figures/browsers.json");
const columns = ["runtime", "WebGPU", "adapter", "what ran", "passed", "failed", "skipped"];

export interface Totals {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** What the folders of the tests are about, in the order of the columns; the first that fits counts. */
const parts: readonly [name: string, folders: RegExp][] = [
  ["ops and gradients", /^engine\/(ops|nn|optim|tensor)\//],
  ["random programs", /^programs\//],
  ["device", /^(engine\/gpu|platform)\//],
  ["diffusion and networks", /^(diffusion|models)\//],
  ["training", /^training\//],
  ["captions and scores", /^/],
];

/** A run as a line of the table. */
export interface Run {
  /** Program and version. */
  readonly runtime: string;
  readonly implementation: string;
  readonly adapter: string;
  /** "all", or "short form". */
  readonly what: string;
  readonly totals: Totals;
  /** How many tests ran of each module. */
  readonly tests: ReadonlyMap<string, number>;
}

/** The table with the line of a run added, or in place of that of an earlier run of the same program (of any version) and size. */
export function withRun(rows: Table["rows"], run: Run): Table["rows"] {
  const { passed, failed, skipped } = run.totals;
  const line = [
    run.runtime,
    run.implementation,
    run.adapter,
    run.what,
    ...[passed, failed, skipped].map(String),
  ];
  const kind = ([runtime = "", , , what]: readonly string[]) => `${runtime.split(" ")[0]}, ${what}`;
  return [...rows.filter((row) => kind(row) !== kind(line)), line].sort((a, b) =>
    kind(a).localeCompare(kind(b), "en"),
  );
}

/** The table of parts with the line of a whole run in place of an earlier one of the same program. */
export function withParts(
  rows: Table["rows"],
  { runtime, tests }: Pick<Run, "runtime" | "tests">,
): Table["rows"] {
  const counts = parts.map(() => 0);
  for (const [module, count] of tests)
    counts[parts.findIndex(([, folders]) => folders.test(module))]! += count;
  const program = ([name = ""]: readonly string[]) => name.split(" ")[0]!;
  const line = [runtime, ...counts.map(String)];
  return [...rows.filter((row) => program(row) !== program(line)), line].sort((a, b) =>
    program(a).localeCompare(program(b), "en"),
  );
}

/** Records a run. */
export async function recordRun(run: Run): Promise<void> {
  const file = JSON.parse(await readFile(path, "utf8")) as FigureFile;
  const rowsOf = (name: string) => {
    const table = file.figures[name]?.table;
    return table && "rows" in table ? table.rows : [];
  };
  const about = {
    command:
      "npm run test:deno, test:firefox, test:bun, test:browser-all; -- --short --record for the short form",
    date: new Date().toISOString().slice(0, 10),
    adapter: "in the table",
    machine: "2 cores beside other work",
  };
  const runtimes = { table: { columns, rows: withRun(rowsOf("runtimes"), run) }, ...about };
  const columnsOfParts = ["runtime", ...parts.map(([name]) => name)];
  const rowsOfParts = run.what === "all" ? withParts(rowsOf("runtime-parts"), run) : rowsOf("runtime-parts");
  const partsFigure =
    rowsOfParts.length > 0
      ? { "runtime-parts": { table: { columns: columnsOfParts, rows: rowsOfParts }, ...about } }
      : {};
  await writeFile(
    `${path}.part`,
    `${JSON.stringify({ ...file, figures: { ...file.figures, runtimes, ...partsFigure } }, null, 1)}\n`,
  );
  await rename(`${path}.part`, path);
}
