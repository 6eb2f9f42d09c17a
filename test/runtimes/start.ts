/** Runtimes by name. */

import { UserError } from "../../dist/platform/errors.js";
import { startChromium } from "./chromium.js";
import { firefoxPath, startFirefox } from "./firefox.js";
import { bunProgram, denoProgram, nodeProgram, startProgram } from "./processes.js";
import type { Missing, Runtime } from "./runtime.js";

type Files = ReadonlyMap<string, string | Uint8Array>;
type Start = (modules: readonly string[], files: Files) => Promise<Runtime | Missing>;

const runtimes: Readonly<Record<string, Start>> = {
  node: (modules, files) => startProgram(nodeProgram(), modules, files),
  bun: async (modules, files) => {
    const program = bunProgram();
    return "missing" in program ? program : startProgram(program, modules, files);
  },
  deno: async (modules, files) => {
    const program = denoProgram();
    return "missing" in program ? program : startProgram(program, modules, files);
  },
  chromium: startChromium,
  firefox: async (modules, files) => {
    const path = firefoxPath();
    return typeof path === "string" ? startFirefox(path, modules, files) : path;
  },
};

export const runtimeNames = Object.keys(runtimes);

/** Starts a runtime for the tests of `modules`, compiled and bundled for browsers, which may fetch `files` by path. */
export function startRuntime(
  name: string,
  modules: readonly string[],
  files: Files,
): Promise<Runtime | Missing> {
  const start = runtimes[name];
  if (!start)
    throw new UserError(`There is no runtime "${name}"; choose one of ${runtimeNames.join(", ")}.`, 2);
  return start(modules, files);
}
