/** Runs the tests of kernels, gradients and models, as they are, in the time that a phase has. */

import type { PageTest } from "../browser/host.js";
import { shortForm } from "../browser/short-form.js";
import { outcomeOf, type TestResult } from "../runtimes/outcome.js";
import type { Context } from "./phase.js";

/**
 * Whether a test file is about kernels and what is composed of them. All of them share one page or process: ops as methods
 * (chain.test.ts) would change the tensors of the others.
 */
export const isWanted = (module: string): boolean =>
  /^(engine\/(ops|nn|optim|tensor)|diffusion|models|programs)\//.test(module) &&
  module !== "engine/ops/chain.test.js";

/** What the tests of the phase's files gave. */
export interface TestRun {
  readonly results: readonly { readonly test: PageTest; readonly result: TestResult }[];
  /** Tests that there was no time for. */
  readonly left: number;
  readonly files: number;
}

/**
 * Loads the files whose paths match and runs their tests: first those of the short form, one of each file and op, then the others as long as
 * there is time. `chosen` leaves tests out.
 */
export async function runTests(
  context: Context,
  chosen: (test: PageTest) => boolean = () => true,
  after: (test: PageTest) => Promise<void> = async () => {},
): Promise<TestRun> {
  const { host, order } = context;
  globalThis.mcdOpenDevice = () => context.device();
  const modules = (await host.modules()).filter(
    (module) => isWanted(module) && (order.tests === undefined || module.includes(order.tests)),
  );
  const console = listenToConsole();
  try {
    for (const [i, module] of modules.entries()) {
      context.progress(0.05 * (i / modules.length), `loading ${module}`);
      globalThis.mcdModule = module;
      await host.load(module);
    }
    const { all, run } = globalThis.mcdTests;
    const first = shortForm(modules, all).filter((test) => test !== undefined);
    const rest = all.filter((test) => modules.includes(test.module) && !first.includes(test));
    const tests = [...first, ...rest].filter(chosen);
    const results: { test: PageTest; result: TestResult }[] = [];
    for (const [i, test] of tests.entries()) {
      if (context.over()) break;
      context.progress(0.05 + 0.95 * (i / tests.length), `${nameOf(test)} (${i + 1} of ${tests.length})`);
      console.take();
      const findings = await run(test.index);
      context.throwIfLost();
      results.push({ test, result: { name: test.name, findings, problems: console.take() } });
      await after(test);
    }
    return { results, left: tests.length - results.length, files: modules.length };
  } finally {
    console.end();
    globalThis.mcdOpenDevice = undefined;
  }
}

/** The test's file and name. */
export const nameOf = ({ module, name }: PageTest): string =>
  `${module.replace(/(\.test)?\.js$/, "")}: ${name}`;

/** A sentence for each test that failed: what it found first. */
export function problemsOf({ results }: TestRun): string[] {
  return results
    .filter(({ result }) => outcomeOf(result) === "failed")
    .map(({ test, result }) => {
      const wrong = result.findings.flatMap((finding) => ("ok" in finding && !finding.ok ? [finding] : []));
      const more = wrong.length > 1 ? ` (and ${wrong.length - 1} more)` : "";
      const what = wrong[0]
        ? `${wrong[0].message}${wrong[0].detail ? `: ${wrong[0].detail.split("\n")[0]}` : ""}`
        : (result.problems[0] ?? "");
      return `${nameOf(test)}: ${what.slice(0, 400)}${more}`;
    });
}

/** Counts by outcome. */
export function countsOf({ results }: TestRun): Record<"passed" | "failed" | "skipped", number> {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const { result } of results) counts[outcomeOf(result)]++;
  return counts;
}

/** What was left out, as a sentence; none if nothing was. */
export const cutOf = ({ results, left }: TestRun): string[] =>
  left > 0 ? [`${left} of ${left + results.length} tests did not run: there was no time for them.`] : [];

function listenToConsole() {
  const lines: string[] = [];
  const { warn, error } = console;
  const note = (...parts: unknown[]) => void lines.push(parts.map(String).join(" "));
  Object.assign(console, { warn: note, error: note });
  return { take: () => lines.splice(0), end: () => void Object.assign(console, { warn, error }) };
}
