/** One start of train.js as a process of its own, and a blow that is struck at a moment of a phase. */

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Injected } from "./injected.js";

/** What a run does one after the other, and the writing of checkpoints, which is in between. */
export const phases = ["data", "vqvae", "encoding", "decoder", "scores", "report"] as const;
export type Phase = (typeof phases)[number];
export type Moment = Phase | "checkpoint";

/** What standard error says once a phase has begun; the first begins with the process. */
const beginnings: Record<Exclude<Phase, "data">, RegExp> = {
  vqvae: /^run: /m,
  encoding: /^vqvae (\d+)\/\1 steps .*took/m,
  decoder: /^codes (\d+)\/\1 pictures .*took/m,
  scores: /^decoder (\d+)\/\1 steps .*took/m,
  report: /^bound .*took/m,
};

/** The phase that a process is in which has said so much. */
export function phaseOf(stderr: string): Phase {
  return phases.findLast((phase) => phase !== "data" && beginnings[phase].test(stderr)) ?? "data";
}

export interface Blow {
  at: Moment;
  /** Milliseconds after the moment has come. */
  delay: number;
  strike(child: ChildProcess): void;
}

export interface Outcome {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
  /** The phase in which the blow was struck; null if the process was done before. */
  struckIn: Phase | null;
  /** Milliseconds from the start to the beginning of each phase. */
  began: Partial<Record<Phase, number>>;
  milliseconds: number;
  /** It had to be killed since it did not end. */
  hung: boolean;
}

const script = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/** Whether a checkpoint is being written in a run folder. */
function isSaving(folder: string): boolean {
  for (const stage of ["vqvae", "decoder"]) {
    const path = join(folder, "checkpoints", stage);
    if (existsSync(path) && readdirSync(path).some((name) => name.startsWith(".saving-"))) return true;
  }
  return false;
}

/** Starts train.js on a run folder, strikes, and waits for its end, at most `patience` milliseconds. */
export function attempt(
  folder: string,
  args: readonly string[],
  { blow, injected, patience = 600_000 }: { blow?: Blow; injected?: Injected; patience?: number } = {},
): Promise<Outcome> {
  const { MCD_DEBUG: _, MCD_CHECK_FINITE: __, MCD_POISON: ___, ...environment } = process.env;
  const preload = injected ? ["--import", script("injected.js")] : [];
  return new Promise((resolve, reject) => {
    const began: Outcome["began"] = { data: 0 };
    const start = performance.now();
    const child = spawn(process.execPath, [...preload, script("../../dist/train.js"), ...args], {
      env: { ...environment, MCD_TORTURE: JSON.stringify(injected ?? {}) },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let [stdout, stderr, hung] = ["", "", false];
    let struckIn: Phase | null = null;
    let aimed = false;
    const aim = () => {
      if (!blow || aimed) return;
      const { at } = blow;
      const has =
        at === "checkpoint" ? isSaving(folder) : phases.indexOf(phaseOf(stderr)) >= phases.indexOf(at);
      if (!has) return;
      aimed = true;
      setTimeout(() => {
        if (child.exitCode !== null || child.signalCode !== null) return;
        struckIn = phaseOf(stderr);
        blow.strike(child);
      }, blow.delay);
    };
    const watch = setInterval(aim, 1);
    const limit = setTimeout(() => {
      hung = true;
      child.kill("SIGKILL");
    }, patience);
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
      const phase = phaseOf(stderr);
      began[phase] ??= performance.now() - start;
      aim();
    });
    child.on("error", reject);
    // Not "close": who has closed the outputs waits for it in vain.
    child.on("exit", (code, signal) => {
      clearInterval(watch);
      clearTimeout(limit);
      const milliseconds = performance.now() - start;
      setTimeout(() => resolve({ code, signal, stdout, stderr, struckIn, began, milliseconds, hung }), 20);
    });
  });
}
