/** The table of runtimes in docs/browsers.md: each recorded run replaces its own line in docs/figures/browsers.json. */

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

/** What the folders of the tests are about; the first that fits counts. */
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

/** "all: ops and gradients 210, training 31 …", the number of tests by part; the short form has no parts. */
function whatRan({ what, tests }: Run): string {
  const counts = parts.map(() => 0);
  for (const [module, count] of tests)
    counts[parts.findIndex(([, folders]) => folders.test(module))]! += count;
  const list = parts.flatMap(([name], i) => (counts[i]! > 0 ? [`${name} ${counts[i]}`] : []));
  return what === "all" && list.length > 0 ? `${what}: ${list.join(", ")}` : what;
}

/** The table with the line of a run added, or in place of that of an earlier run of the same program (of any version) and size. */
export function withRun(rows: Table["rows"], run: Run): Table["rows"] {
  const { passed, failed, skipped } = run.totals;
  const line = [
    run.runtime,
    run.implementation,
    run.adapter,
    whatRan(run),
    ...[passed, failed, skipped].map(String),
  ];
  const kind = ([runtime = "", , , what = ""]: readonly string[]) =>
    `${runtime.split(" ")[0]}, ${what.split(":")[0]}`;
  return [...rows.filter((row) => kind(row) !== kind(line)), line].sort((a, b) =>
    kind(a).localeCompare(kind(b), "en"),
  );
}

/** Records a run. */
export async function recordRun(run: Run): Promise<void> {
  const file = JSON.parse(await readFile(path, "utf8")) as FigureFile;
  const before = file.figures.runtimes;
  const rows = before?.table && "rows" in before.table ? before.table.rows : [];
  const about = {
    command:
      "npm run test:deno, test:firefox, test:bun, test:browser-all; -- --short --record for the short form",
    date: new Date().toISOString().slice(0, 10),
    adapter: "in the table",
    machine: "2 cores beside other work",
  };
  const runtimes = { table: { columns, rows: withRun(rows, run) }, ...about };
  await writeFile(
    `${path}.part`,
    `${JSON.stringify({ ...file, figures: { ...file.figures, runtimes } }, null, 1)}\n`,
  );
  await rename(`${path}.part`, path);
}
