/** Runs a command of dist/ as people do, as a process of its own. */

import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

export interface Outcome {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  cwd?: string;
  /** Presses Ctrl-C as soon as standard error matches. */
  interruptAt?: RegExp;
}

export function runCommand(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Outcome> {
  const path = fileURLToPath(new URL(`../../dist/${command}.js`, import.meta.url));
  const { MCD_DEBUG: _, MCD_CHECK_FINITE: __, ...environment } = process.env;
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [path, ...args], {
      cwd: options.cwd,
      env: environment,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let [stdout, stderr] = ["", ""];
    let asked = false;
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
      if (!asked && options.interruptAt?.test(stderr)) {
        asked = true;
        child.kill("SIGINT");
      }
    });
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, stdout, stderr }));
  });
}

/** What a command said of its own accord: without the graphics driver's remarks and what it says of the adapter. */
export function ownLines(stderr: string): string[] {
  const others = /^Warning: max\w+ artificially reduced|^adapter:|^ {9}\S/;
  return stderr.split("\n").filter((line) => line.trim() !== "" && !others.test(line));
}
