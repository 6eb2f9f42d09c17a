/** Runs the phases one after the other, each in a process or worker of its own: what one does wrong, or breaks, the next does not see. */

import type { News, Order, Outcome } from "./phase.js";
import { chosenPhases, type PhaseName, patience, secondsFor } from "./plan.js";

/** A phase and what became of it. */
export interface PhaseResult extends Outcome {
  readonly name: PhaseName;
  readonly title: string;
  readonly verdict: "passed" | "failed" | "skipped";
  readonly seconds: number;
  /** The time that it had. */
  readonly budget: number;
}

/** A process or worker that performs a phase. */
export interface Running {
  /** Rejects if it ends without an outcome. */
  readonly done: Promise<Outcome>;
  /** Ends it at once. */
  stop(): void;
}

export type Start = (order: Order, onNews: (news: News) => void) => Running;

export interface CheckOptions {
  readonly minutes: number;
  /** Phases to run; default all. The adapter is always looked at. */
  readonly only?: readonly PhaseName[] | undefined;
  /** Only test files whose path has this text. */
  readonly tests?: string | undefined;
  readonly start: Start;
  /** Seconds that a phase may take beyond its time before it is stopped; default as in `plan.ts`. */
  readonly grace?: number;
  /** Told what is done now: `share` of the phase from 0 to 1. */
  onProgress?(phase: string, share: number, text: string): void;
  onResult?(result: PhaseResult): void;
  readonly signal?: AbortSignal;
}

/** What the phase `adapter` tells of the device. */
export interface AdapterData {
  readonly software: boolean;
}

/** Runs the check. Rejects with the reason of `signal` if that aborts it. */
export async function runCheck(options: CheckOptions): Promise<PhaseResult[]> {
  const chosen = chosenPhases(options.only);
  const end = performance.now() + 60_000 * options.minutes;
  const results: PhaseResult[] = [];
  let software = false;
  for (const [i, { name, title }] of chosen.entries()) {
    options.signal?.throwIfAborted();
    const budget = secondsFor(chosen, i, (end - performance.now()) / 1000);
    const began = performance.now();
    const without = results[0]?.verdict === "failed" ? "There is no adapter that works." : null;
    const outcome: Outcome =
      without === null ? await perform(name, title, budget, software, options) : skipped(without);
    options.signal?.throwIfAborted();
    if (name === "adapter") software = (outcome.data as AdapterData | undefined)?.software ?? false;
    const verdict =
      outcome.problems.length > 0 ? "failed" : outcome.skipped !== undefined ? "skipped" : "passed";
    const seconds = (performance.now() - began) / 1000;
    const result: PhaseResult = { name, title, verdict, seconds, budget, ...outcome };
    results.push(result);
    options.onResult?.(result);
  }
  return results;
}

const skipped = (why: string): Outcome => ({ problems: [], cut: [], skipped: why, facts: {}, tables: [] });

async function perform(
  phase: PhaseName,
  title: string,
  seconds: number,
  software: boolean,
  { tests, start, grace, onProgress, signal }: CheckOptions,
): Promise<Outcome> {
  let at = "starting";
  let kernels: readonly string[] = [];
  let late = false;
  const running = start({ phase, seconds, tests }, (news) => {
    if (news.type === "submitted") kernels = news.kernels;
    if (news.type !== "progress") return;
    at = news.text;
    onProgress?.(title, news.share, news.text);
  });
  const most = patience(seconds, grace);
  const timer = setTimeout(() => {
    late = true;
    running.stop();
  }, 1000 * most);
  const abort = () => running.stop();
  signal?.addEventListener("abort", abort);
  try {
    return await running.done;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const where = `at "${at}"${kernels.length > 0 ? `, after it had submitted ${kernels.slice(0, 12).join(", ")}` : ""}`;
    const stopped = `It was stopped after ${most.toFixed(0)} s ${where}`;
    // A slow machine is no fault of the engine; a GPU that takes as long hangs.
    if (late && software) return skipped(`${stopped}: this adapter computes on the CPU.`);
    return {
      problems: [late ? `${stopped}.` : `It ended without a result ${where} (${message}).`],
      cut: [],
      facts: {},
      tables: [],
    };
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
}
