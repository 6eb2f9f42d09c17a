/**
 * Runs in Deno, Bun or Node, as a process of its own: imports a bundled module of tests, runs them one after the other, and
 * writes a line of JSON for each to standard output. Arguments: the module, the address that files are fetched from.
 * With a package `webgpu` (its path as the third argument), `navigator.gpu` is Dawn.
 */

import { writeSync } from "node:fs";
import { pathToFileURL } from "node:url";
import type { TestResult } from "./outcome.js";

const [, , module, site, dawn] = process.argv;
const problems: string[] = [];
const note =
  (kind: string) =>
  (...parts: unknown[]) =>
    void problems.push(`${kind}: ${parts.map(String).join(" ")}`);
console.warn = note("console warning");
console.error = note("console error");
globalThis.addEventListener?.("unhandledrejection", (event) => {
  event.preventDefault();
  problems.push(`not caught: ${event.reason}`);
});

/** Lines for the process that started this one. Standard output is not the console's alone: some libraries print. */
const say = (line: object) => writeSync(1, `\u0001${JSON.stringify(line)}\n`);

if (dawn) {
  const { create, globals } = (await import(dawn)) as typeof import("webgpu");
  Object.assign(globalThis, globals);
  const gpu = create(["disable-dawn-features=timestamp_quantization"]);
  Object.defineProperty(globalThis, "navigator", { value: { gpu }, configurable: true });
}
globalThis.mcdSite = site!;
await import(pathToFileURL(module!).href);
const { all, run, adapter } = globalThis.mcdTests;
say({ adapter: await adapter(), names: all.map(({ name }) => name) });
for (const { index, name } of all) {
  const findings = await run(index);
  say({ name, findings, problems: problems.splice(0) } satisfies TestResult);
}
say({ end: true });
process.exit();

declare global {
  /** The address that tests fetch files from, where it is not their page's. */
  var mcdSite: string;
}
