/** A program with WebGPU that runs the bundled tests: what the command, the short tests and the table know of it. */

import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { TestResult } from "./outcome.js";

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

/** The program that an npm package carries for this machine, or null where it carries none. */
export function packagedProgram(name: string, file: string): string | null {
  try {
    return join(dirname(createRequire(import.meta.url).resolve(`${name}/package.json`)), file);
  } catch {
    return null;
  }
}
