/** The result of a bundled test, wherever it ran. */

import type { Finding } from "../browser/host.js";

/** What a runtime found in one test. */
export interface TestResult {
  readonly name: string;
  readonly findings: readonly Finding[];
  /** Warnings, errors of the console, exceptions that nobody caught. */
  readonly problems: readonly string[];
}

/** Whether the result of a test counts as passed, failed, or skipped: one that asserts nothing here says why by a comment. */
export function outcomeOf({ findings, problems }: TestResult): "passed" | "failed" | "skipped" {
  const asserted = findings.filter((finding) => "ok" in finding);
  if (problems.length > 0 || asserted.some(({ ok }) => !ok)) return "failed";
  return asserted.length > 0 ? "passed" : "skipped";
}
