/** The tests of a loaded page of `bundle.ts`, in a browser of any driver. */

import type { PageTests } from "../browser/host.js";
import type { TestResult } from "./outcome.js";
import { RuntimeError } from "./runtime.js";

/** What the drivers' pages have in common. */
export interface EvaluatingPage {
  evaluate<T>(body: () => T | Promise<T>): Promise<T>;
  evaluate<T>(body: (index: number) => T | Promise<T>, index: number): Promise<T>;
  close(): Promise<void>;
}

declare global {
  /** In a page of tests only. */
  var mcdTests: PageTests;
}

/** Runs the page's tests one after the other, and closes it. `tell` learns the name of its adapter before the first of them. */
export async function* pageTests(
  page: EvaluatingPage,
  problems: string[],
  tell: (adapter: string) => void,
): AsyncIterable<TestResult> {
  try {
    const all = await page.evaluate(() => globalThis.mcdTests?.all ?? []);
    if (all.length === 0) throw new RuntimeError(`the page has no tests: ${problems.join("; ")}`);
    tell(await page.evaluate(() => globalThis.mcdTests.adapter()));
    for (const { index, name } of all) {
      const findings = await page.evaluate((index: number) => globalThis.mcdTests.run(index), index);
      yield { name, findings, problems: problems.splice(0) };
    }
  } finally {
    await page.close();
  }
}
