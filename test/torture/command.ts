/** `npm run torture`: as many faults as wanted, at random moments, and a table of what they came to. */

import { commandLine, integerOption, runCommand } from "../../dist/cli/options.js";
import { UserError } from "../../dist/platform/errors.js";
import { nodePlatform } from "../../dist/platform/node.js";
import { formatDuration } from "../../dist/report/duration.js";
import { faults } from "./faults.js";
import { faultsTable } from "./table.js";
import { torture } from "./torture.js";

await runCommand(async () => {
  const program = commandLine(
    "npm run torture --",
    "Starts tiny training runs, strikes them at random moments of every phase, resumes them, and compares what they come to, to the bit, with a run that nothing disturbed.",
  )
    .option("--faults <number>", "faults to strike", integerOption(1, 100_000), 200)
    .option("--seed <number>", "of the kinds and moments", integerOption(0, 2 ** 31), 1)
    .option("--only <text>", "only kinds of faults with this in their name")
    .option("--out <file>", "write every fault and problem as JSON, after each of them")
    .addHelpText("after", `\nKinds of faults: ${faults.map(({ name }) => name).join("; ")}.`);
  const {
    faults: wanted,
    seed,
    only,
    out,
  } = program.parse().opts<{
    faults: number;
    seed: number;
    only?: string;
    out?: string;
  }>();
  const kinds = faults.filter(({ name }) => name.includes(only ?? ""));
  if (kinds.length === 0)
    throw new UserError(`--only: no kind of fault has "${only}" in its name; --help lists them`, 2);
  const began = performance.now();
  let shown = 0;
  const report = await torture({
    faults: wanted,
    seed,
    kinds,
    onProgress(report, detail) {
      console.error(
        `${report.struck.length}/${wanted} faults, ${report.problems.length} problems: ${detail}`,
      );
      for (; shown < report.problems.length; shown++) console.error(`  ${report.problems[shown]}`);
      if (out) void nodePlatform.files.write(out, JSON.stringify(report, null, 1));
    },
  });
  console.log(faultsTable(report.struck));
  console.log(
    `\n${report.struck.length} faults in ${report.runs} runs from seed ${seed}, ${report.missed} missed, ${report.problems.length} problems; ${formatDuration((performance.now() - began) / 1000)}`,
  );
  for (const problem of report.problems) console.log(`- ${problem}`);
  if (report.problems.length > 0) process.exitCode = 1;
});
