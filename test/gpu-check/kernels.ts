/** Phase `kernels`: every op, its gradient, the diffusion's kernels and the networks against float64, by the project's own tests. */

import type { RunPhase } from "./phase.js";
import { countsOf, cutOf, problemsOf, runTests } from "./tests.js";

export const kernels: RunPhase = async (context) => {
  const run = await runTests(context);
  const counts = countsOf(run);
  const none = run.results.length === 0 ? ["No test ran."] : [];
  return {
    problems: [...none, ...problemsOf(run)],
    cut: cutOf(run),
    facts: {
      Tests: `${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped, of ${run.files} files`,
    },
    tables: [],
    data: { ...counts, left: run.left, files: run.files },
  };
};
