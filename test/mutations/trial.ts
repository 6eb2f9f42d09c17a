/**
 * Tries a mutation: a copy of the project of its own, the mistake in it, the tests named for it.
 *
 * Types are checked for all mutations together, beforehand; for a trial only the changed files are translated, which
 * takes a fraction of a build.
 */

import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { transform } from "esbuild";
import { filesOf, type Mutation, parseTest, root } from "./mutation.js";

/** Links in copies: large, and nothing that a test writes to. */
const linked = ["node_modules", "weights"];
/** Left out of copies: no part of the program. */
const notCopied = new Set([...linked, ".git", "runs", ".cache", ".tap", "dist-test/screenshots"]);

/** What became of a mutation. Only `killed` and `hung` are what one hopes for. */
export type Verdict =
  /** An assertion failed; `by` is its message. */
  | { kind: "killed"; test: string; by: string }
  /** A test ran past its limit. */
  | { kind: "hung"; test: string; by: string }
  /** All tests stayed green. */
  | { kind: "survived" }
  /** The compiler, of TypeScript or WGSL, refused it: that proves nothing of the tests. */
  | { kind: "does not compile"; by: string };

export type Result = Verdict & { seconds: number };

/** How one test file went. `failure` is the first failed assertion, null if all passed. */
export interface Outcome {
  failure: string | null;
  hung: boolean;
  /** An error of a WGSL compiler, if the output has one. */
  shaderError: string | null;
  /** Assertions that passed and that were not skipped. */
  passed: number;
  seconds: number;
}

const copies = new Set<string>();
process.once("exit", () => copies.forEach(removeProject));
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(1));

/**
 * Copies the project below `source` to a folder of its own, below the system's folder for temporary files. It goes
 * with `removeProject` or with this process.
 */
export function copyProject(source = root): string {
  const folder = mkdtempSync(join(tmpdir(), "mcd-mutation-"));
  copies.add(folder);
  cpSync(source, folder, {
    recursive: true,
    filter: (path) => !notCopied.has(relative(source, path)) && !/^web\/dist/.test(relative(source, path)),
    preserveTimestamps: true,
  });
  for (const name of linked) symlinkSync(join(root, name), join(folder, name));
  return folder;
}

export function removeProject(folder: string): void {
  rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
  copies.delete(folder);
}

export function apply(mutation: Mutation, folder: string): true {
  for (const file of filesOf(mutation)) {
    const path = join(folder, file);
    const [before, after, ...more] = readFileSync(path, "utf8").split(mutation.find);
    if (after === undefined || more.length > 0)
      throw new Error(`${mutation.name}: does not apply to ${file}`);
    writeFileSync(path, before + mutation.replace + after);
  }
  return true;
}

const isShader = (file: string) => file.startsWith("shaders/");

/** Writes what the changed sources become into `dist` and `dist-test`, without checking types. Returns a complaint, or null. */
async function translate(folder: string, files: readonly string[]): Promise<string | null> {
  const scripts = files.filter((file) => /^(src|test)\/.*\.ts$/.test(file));
  if (files.some(isShader)) {
    for (const script of ["shaders/generate.mjs", "shaders/generate-tuning.mjs"]) {
      const { code, output } = await node(folder, [script], {}, 300);
      if (code !== 0) return firstLine(output);
    }
    scripts.push(
      "src/engine/gpu/kernels.generated.ts",
      "src/engine/gpu/more-kernels.generated.ts",
      "src/engine/gpu/structs.generated.ts",
      "src/engine/gpu/tuning/tuning.generated.ts",
    );
  }
  for (const file of scripts) {
    try {
      const source = readFileSync(join(folder, file), "utf8");
      const { code } = await transform(source, { loader: "ts", target: "es2022", sourcefile: file });
      writeFileSync(
        join(folder, file.replace(/^src/, "dist").replace(/^test/, "dist-test").replace(/ts$/, "js")),
        code,
      );
    } catch (error) {
      return firstLine((error as Error).message);
    }
  }
  return null;
}

export const firstLine = (output: string) => output.trim().split("\n")[0] ?? "";

/** Runs one test of the list in a copy, until the first assertion that fails. */
export async function runTest(folder: string, test: string, limit: number): Promise<Outcome> {
  const { script, part } = parseTest(test);
  const environment: Record<string, string> = { MCD_TESTS: "whole" };
  if (part !== null) environment.TAP_GREP = part.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
  const start = performance.now();
  let failure: string | null = null;
  const failed = (line: string) => {
    const match = /^\s*not ok \d+(?: - )?(.*?)(?: # time=.*)?$/.exec(line);
    if (!match || / # (todo|skip)\b/i.test(line)) return false;
    failure ??= match[1]!.replace(/ \{$/, "").replaceAll("\\#", "#");
    return true;
  };
  // What follows a failed assertion says more, such as a shader's error: a moment is left for it.
  const { code, output, hung } = await node(folder, [script], environment, limit, failed);
  if (failure === null && code !== 0) {
    const lines = output.trim().split("\n");
    failure = lines.find((line) => /^\w*Error\b/.test(line)) ?? lines.at(-1) ?? `ended with ${code}`;
  }
  return {
    failure,
    hung,
    shaderError: /shaders\/[\w/-]+\.wgsl:\d+: [^\n]*/.exec(output)?.[0] ?? null,
    passed: output.match(/^ +ok \d+(?!.* # SKIP)/gm)?.length ?? 0,
    seconds: (performance.now() - start) / 1000,
  };
}

/**
 * Tries a mutation on a copy of the project below `source`. `limitOf` gives the seconds that a test may take.
 * The mutation must apply (`problemsOf`).
 */
export async function tryMutation(
  mutation: Mutation,
  source: string,
  limitOf: (test: string) => number,
): Promise<Result> {
  const start = performance.now();
  const folder = copyProject(source);
  try {
    const verdict = await verdictOn(mutation, folder, limitOf);
    return { ...verdict, seconds: (performance.now() - start) / 1000 };
  } finally {
    removeProject(folder);
  }
}

async function verdictOn(
  mutation: Mutation,
  folder: string,
  limitOf: (test: string) => number,
): Promise<Verdict> {
  apply(mutation, folder);
  const refused = await translate(folder, filesOf(mutation));
  if (refused !== null) return { kind: "does not compile", by: refused };
  for (const test of mutation.tests) {
    const limit = limitOf(test);
    const { failure, hung, shaderError } = await runTest(folder, test, limit);
    if (failure === null && !hung) continue;
    if (shaderError !== null) return { kind: "does not compile", by: shaderError };
    if (hung) return { kind: "hung", test, by: `still running after ${Math.round(limit)} s` };
    return { kind: "killed", test, by: failure! };
  }
  return { kind: "survived" };
}

/** Runs a script with Node in `folder` for at most `limit` seconds, or until a moment after a line that `last` accepts. */
export function node(
  folder: string,
  args: readonly string[],
  environment: Record<string, string>,
  limit: number,
  last: (line: string) => boolean = () => false,
): Promise<{ code: number | null; output: string; hung: boolean }> {
  const variables = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
  // tap hooks itself into child processes of Node through NODE_OPTIONS, which the compiler does not survive.
  const cleared = ["NODE_OPTIONS", "TAP", "TAP_CHILD_ID", "TAP_BAIL"].flatMap((name) => ["-u", name]);
  return new Promise((resolve, reject) => {
    const child = spawn("env", [...cleared, ...variables, process.execPath, ...args], {
      cwd: folder,
      stdio: ["ignore", "pipe", "pipe"],
      detached: true, // a group of its own: tests start browsers and commands
    });
    let [output, line, hung, ending] = ["", "", false, false];
    const end = () => {
      try {
        process.kill(-child.pid!, "SIGKILL");
      } catch {
        // It has ended by itself.
      }
    };
    const timer = setTimeout(() => {
      hung = true;
      end();
    }, limit * 1000);
    process.prependOnceListener("exit", end); // before its folder goes
    const take = (text: string) => {
      output += text;
      line += text;
      const lines = line.split("\n");
      line = lines.pop()!;
      if (ending || !lines.some(last)) return;
      ending = true;
      setTimeout(end, 500);
    };
    child.stdout.setEncoding("utf8").on("data", take);
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
    child.on("error", reject);
    child.on("close", (code) => {
      clearTimeout(timer);
      process.off("exit", end);
      end();
      resolve({ code, output, hung });
    });
  });
}
