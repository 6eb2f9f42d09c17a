/** Runs a command of dist/ as people do, as a process of its own. */

import { spawn } from "node:child_process";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export interface Outcome {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  cwd?: string;
  /** Beside this process's own environment. */
  env?: Record<string, string>;
  /** Presses Ctrl-C, or sends `signal`, as soon as standard error matches. */
  interruptAt?: RegExp;
  signal?: NodeJS.Signals;
  /** Closes both outputs as soon as standard error matches, as a terminal or a pipe's reader that goes away. */
  closeOutputAt?: RegExp;
  /** Called once standard error matches. The command stands still until the call is done. */
  at?: { output: RegExp; call: () => Promise<void> };
}

export function runCommand(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Outcome> {
  const path = fileURLToPath(new URL(`../../dist/${command}.js`, import.meta.url));
  const { MCD_DEBUG: _, MCD_CHECK_FINITE: __, ...environment } = process.env;
  // A command with a cache folder of its own keeps lavapipe's compiled kernels where the other tests have them: compiling takes most of its time.
  environment.MESA_SHADER_CACHE_DIR ??= environment.XDG_CACHE_HOME ?? join(homedir(), ".cache");
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [path, ...args], {
      cwd: options.cwd,
      env: { ...environment, ...options.env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let [stdout, stderr] = ["", ""];
    let asked = false;
    let called: Promise<void> | null = null;
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
      if (!asked && options.interruptAt?.test(stderr)) {
        asked = true;
        child.kill(options.signal ?? "SIGINT");
      }
      if (options.closeOutputAt?.test(stderr)) {
        child.stdout.destroy();
        child.stderr.destroy();
      }
      if (options.at?.output.test(stderr)) {
        called ??= (async ({ call }) => {
          child.kill("SIGSTOP");
          await call().finally(() => child.kill("SIGCONT"));
        })(options.at);
      }
    });
    child.on("error", reject);
    child.on("close", (code) => {
      Promise.resolve(called).then(() => resolve({ code, stdout, stderr }), reject);
    });
  });
}

/** What a command said of its own accord: without the graphics driver's remarks and what it says of the adapter. */
export function ownLines(stderr: string): string[] {
  const others = /^Warning: max\w+ artificially reduced|^adapter:|^ {9}\S/;
  return stderr.split("\n").filter((line) => line.trim() !== "" && !others.test(line));
}

/** Runs a command with `--minutes`; where the machine is so slow that it says these are too few, with those that it asks for. */
export async function runInTime(
  command: string,
  args: readonly string[],
  minutes: number,
): Promise<Outcome & { minutes: number }> {
  for (let tries = 0; ; tries++) {
    const outcome = await runCommand(command, [...args, "--minutes", String(minutes)]);
    const [, least] = /is too short: .*give at least ([\d.]+)/.exec(outcome.stderr) ?? [];
    if (least === undefined || tries === 3) return { ...outcome, minutes };
    minutes = Math.ceil(13 * Number(least)) / 10;
  }
}
