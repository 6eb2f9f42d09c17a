/** `npm run long-haul`: hours' worth of work of each kind in one process, and what it left behind. */

import { commandLine, integerOption, runCommand } from "../../dist/cli/options.js";
import { formatDuration } from "../../dist/report/duration.js";
import { captions, devices, engines, type OnProgress, pageLoads, trainingSteps } from "./parts.js";
import { growth, growthTable, type Part } from "./samples.js";

await runCommand(async () => {
  const program = commandLine(
    "npm run long-haul --",
    "Trains, captions, opens and disposes of engines and devices, and loads pages, and counts what is still there. 0 leaves a part out.",
  )
    .option("--steps <number>", "steps of training", integerOption(0), 20_000)
    .option("--captions <number>", "captions", integerOption(0), 2000)
    .option("--engines <number>", "engines on one device", integerOption(0), 500)
    .option("--devices <number>", "devices", integerOption(0), 100)
    .option("--pages <number>", "loads of the demo page", integerOption(0), 50);
  const wanted = program
    .parse()
    .opts<Record<"steps" | "captions" | "engines" | "devices" | "pages", number>>();
  const began = performance.now();
  const parts: Part[] = [];
  const run = async (count: number, work: (count: number, onProgress: OnProgress) => Promise<Part>) => {
    if (count === 0) return;
    const part = await work(count, (done, total) => console.error(`${work.name}: ${done} of ${total}`));
    parts.push(part);
    console.error(growthTable([part]));
  };
  await run(wanted.engines, engines);
  await run(wanted.devices, devices);
  await run(wanted.captions, captions);
  await run(wanted.pages, pageLoads);
  await run(wanted.steps, trainingSteps);
  console.log(growthTable(parts));
  const problems = parts.flatMap(growth);
  console.log(`\n${problems.length} things grew; ${formatDuration((performance.now() - began) / 1000)}`);
  for (const problem of problems) console.log(`- ${problem}`);
  if (problems.length > 0) process.exitCode = 1;
});
