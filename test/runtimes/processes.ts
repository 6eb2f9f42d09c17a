/** Runtimes that are a program: Deno with its own WebGPU, Bun and Node with Dawn. Each module gets a process of its own. */

import { execFile, spawn } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { bundle } from "../browser/bundle.js";
import { serve } from "../browser/server.js";
import { driverEnvironment, noDriver } from "./drivers.js";
import type { TestResult } from "./outcome.js";
import { type Missing, packagedProgram, type Runtime, RuntimeError } from "./runtime.js";

const folder = fileURLToPath(new URL(".", import.meta.url));
/** Milliseconds without any result after which a process is given up: software adapters compile some kernels for seconds. */
const patience = 900_000;

/** The result of a test; a comment in its place where the test found nothing wrong until it wanted a 2D canvas, which programs lack. */
function withoutCanvas(program: string, result: TestResult): TestResult {
  const [first, ...others] = result.findings.flatMap((finding) =>
    "ok" in finding && !finding.ok ? [finding.detail ?? ""] : [],
  );
  if (others.length > 0 || !first?.includes("This browser provides no 2D canvas")) return result;
  return { ...result, findings: [{ comment: `${program} has no 2D canvas` }] };
}

interface Program {
  readonly name: string;
  readonly path: string;
  /** Arguments in front of the script. */
  readonly flags: readonly string[];
  readonly implementation: string;
  /** Whether its WebGPU is the npm package `webgpu`. */
  readonly dawn: boolean;
}

type Line = { adapter: string; names: string[] } | TestResult | { end: true };

/** Deno with the WebGPU that it has itself (wgpu and naga), from the npm package `deno`. */
export function denoProgram(): Program | Missing {
  const path = packagedProgram(
    `@deno/${process.platform}-${process.arch}${process.platform === "linux" ? "-glibc" : ""}`,
    "deno",
  );
  if (path === null || !existsSync(path))
    return {
      missing:
        "Deno is not installed: the npm package deno has it for Linux with glibc, macOS and Windows, after npm ci",
    };
  const missing = noDriver("Deno");
  if (missing) return missing;
  return {
    name: "Deno",
    path,
    flags: ["run", "-A", "--unstable-webgpu", "--no-config"],
    implementation: "wgpu",
    dawn: false,
  };
}

/** Bun, from the npm package `bun`, with Dawn. */
export function bunProgram(): Program | Missing {
  const arch = process.arch === "arm64" ? "aarch64" : process.arch;
  // Where install scripts run, bun's moves the program into its own package, over a placeholder.
  const path = [
    packagedProgram(`@oven/bun-${process.platform}-${arch}`, "bin/bun"),
    packagedProgram("bun", "bin/bun.exe"),
  ].find((file): file is string => file !== null && existsSync(file) && statSync(file).size > 1e6);
  if (path === undefined)
    return {
      missing: "Bun is not installed: the npm package bun has it for Linux, macOS and Windows, after npm ci",
    };
  return { name: "Bun", path, flags: ["run"], implementation: "Dawn", dawn: true };
}

/** This Node, with Dawn. */
export function nodeProgram(): Program {
  return { name: "Node", path: process.execPath, flags: [], implementation: "Dawn", dawn: true };
}

/** Starts processes of a program for the tests of `modules`, which may fetch `files`. */
export async function startProgram(
  program: Program,
  modules: readonly string[],
  files: ReadonlyMap<string, string | Uint8Array>,
): Promise<Runtime> {
  const scratch = await mkdtemp(join(tmpdir(), "mcd-runtime-"));
  for (const [path, contents] of await bundle(modules)) {
    if (!path.endsWith(".js")) continue;
    await mkdir(dirname(join(scratch, path)), { recursive: true });
    await writeFile(join(scratch, path), contents);
  }
  await writeFile(join(scratch, "package.json"), JSON.stringify({ type: "module" }));
  const site = await serve({ files });
  const { stdout } = await promisify(execFile)(program.path, ["--version"]);
  let adapter = "";
  return {
    version: `${program.name} ${/\d+(?:\.\d+)+/.exec(stdout)?.[0] ?? ""}`,
    implementation: program.implementation,
    async adapter() {
      return adapter;
    },
    async *tests(module) {
      const dawn = program.dawn ? [createRequire(import.meta.url).resolve("webgpu")] : [];
      const child = spawn(
        program.path,
        [...program.flags, join(folder, "inside.js"), join(scratch, module), site.url, ...dawn],
        { env: { ...process.env, ...driverEnvironment() }, stdio: ["ignore", "pipe", "pipe"] },
      );
      let complaint = "";
      child.stderr.on("data", (part) => {
        complaint = `${complaint}${part}`.slice(-4000);
      });
      const ended = new Promise<string>((resolve) => {
        child.on("error", ({ message }) => resolve(message));
        child.on("close", (code, signal) => resolve(signal ?? `exit status ${code}`));
      });
      const timer = setTimeout(() => child.kill(), patience);
      let done = false;
      try {
        for await (const text of createInterface({ input: child.stdout })) {
          if (!text.startsWith("\u0001")) continue;
          const line = JSON.parse(text.slice(1)) as Line;
          timer.refresh();
          if ("adapter" in line) adapter = line.adapter;
          else if ("end" in line) done = true;
          else yield withoutCanvas(program.name, line);
        }
        const how = await ended;
        if (!done)
          throw new RuntimeError(`${program.name} ended before its tests did (${how}): ${complaint.trim()}`);
      } finally {
        clearTimeout(timer);
        child.kill();
      }
    },
    async close() {
      await site.close();
      await rm(scratch, { recursive: true, force: true });
    },
  };
}
