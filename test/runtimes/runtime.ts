/** A program with WebGPU that runs the bundled tests: what the command, the short tests and the table know of it. */

import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { Finding } from "../browser/host.js";

/** What a runtime found in one test. */
export interface TestResult {
  readonly name: string;
  readonly findings: readonly Finding[];
  /** Warnings, errors of the console, exceptions that nobody caught. */
  readonly problems: readonly string[];
}

export interface Runtime {
  /** Program and version, for people: "Deno 2.9.6". */
  readonly version: string;
  /** Who implements WebGPU in it: "wgpu", "Dawn". */
  readonly implementation: string;
  /** Name of the adapter in use. */
  adapter(): Promise<string>;
  /** Runs the tests of a module in a fresh page or process, one after the other. Throws a `RuntimeError` if it ends before they do. */
  tests(module: string): AsyncIterable<TestResult>;
  close(): Promise<void>;
}

/** The runtime is gone: it did not start, crashed, or takes too long. */
export class RuntimeError extends Error {}

/** Why a runtime is not on this machine, as a sentence. */
export interface Missing {
  readonly missing: string;
}

/** Whether the result of a test counts as passed, failed, or skipped: one that asserts nothing here says why by a comment. */
export function outcomeOf({ findings, problems }: TestResult): "passed" | "failed" | "skipped" {
  const asserted = findings.filter((finding) => "ok" in finding);
  if (problems.length > 0 || asserted.some(({ ok }) => !ok)) return "failed";
  return asserted.length > 0 ? "passed" : "skipped";
}

/** The program that an npm package carries for this machine, or null where it carries none. */
export function packagedProgram(name: string, file: string): string | null {
  try {
    return join(dirname(createRequire(import.meta.url).resolve(`${name}/package.json`)), file);
  } catch {
    return null;
  }
}
