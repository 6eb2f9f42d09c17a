/**
 * Runs inputs of one target for command.ts, in a process that may die of them: arguments are the target's name, the first
 * seed and the count. Tells each seed before it reads the input, and after it what came out.
 */

import { fuzzOnce, type Outcome, targets } from "./targets.js";

export type Report =
  | { kind: "begins"; seed: number }
  /** `memory`: bytes by which the process was larger while it read than before. */
  | { kind: "done"; seed: number; memory: number; outcome: Outcome };

const [name, first, count] = process.argv.slice(2) as [string, string, string];
const target = targets.find((candidate) => candidate.name === name);
if (target === undefined || process.send === undefined) throw new Error("this is started by command.js");
const tell = (report: Report) =>
  new Promise((resolve) => process.send!(report, undefined, undefined, resolve));

// Nobody is left to tell.
process.on("disconnect", () => process.exit());

for (let seed = Number(first); seed < Number(first) + Number(count); seed++) {
  await tell({ kind: "begins", seed });
  const before = process.memoryUsage.rss();
  const outcome = await fuzzOnce(target, seed);
  // The highest that it ever was: no peak goes unseen, some are told more than once.
  const peak = process.resourceUsage().maxRSS * 1024;
  await tell({ kind: "done", seed, memory: Math.max(0, peak - before), outcome });
}
process.exit();
