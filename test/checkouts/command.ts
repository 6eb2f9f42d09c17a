#!/usr/bin/env node
/**
 * `npm run same -- OLD [NEW]`: whether two built checkouts compute the same, to the bit, on this machine: the losses, checkpoints
 * and weights of a short training, and the captions of pictures by the shipped weights. It also compares their speed,
 * alternating.
 */

import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { adapterOption, commandLine, integerOption, runCommand } from "../../dist/cli/options.js";
import { UserError } from "../../dist/platform/errors.js";
import { differences, guidanceMethods, type Outcome, outcomeOf, timesTable } from "./outcome.js";

const program = commandLine(
  "npm run same --",
  "Compares what two checkouts compute, bit by bit, and their speed.",
)
  .argument("<old>", "folder of a built checkout")
  .argument("[new]", "folder of another (default: this one)")
  .option("--rounds <number>", "times that each is run, alternating", integerOption(1), 1)
  .option("--pictures <number>", "pictures to caption", integerOption(1), 20)
  .option("--seeds <number>", "seeds for each picture", integerOption(1), 3)
  .option("--steps <number>", "training steps of each stage", integerOption(1), 30)
  .addOption(adapterOption());

/** Drawings of openmoji, which no shipped weights have seen: every so many of them. */
function pictureFiles(checkout: string, count: number): string[] {
  const folder = join(checkout, "node_modules", "openmoji", "color", "svg");
  if (!existsSync(folder)) throw new UserError(`${folder} is missing; run npm ci in ${checkout}`);
  const names = readdirSync(folder).sort();
  return Array.from({ length: count }, (_, i) =>
    join(folder, names[Math.floor((i * names.length) / count)]!),
  );
}

await runCommand(async () => {
  program.parse();
  const [first, second = "."] = program.args as [string, string?];
  const [old, now] = [resolve(first), resolve(second)];
  const { rounds, pictures, seeds, steps, adapter } = program.opts<{
    rounds: number;
    pictures: number;
    seeds: number;
    steps: number;
    adapter?: string;
  }>();
  const folder = mkdtempSync(join(tmpdir(), "mcd-same-"));
  try {
    const options = {
      pictures: pictureFiles(now, pictures),
      seeds: Array.from({ length: seeds }, (_, i) => i + 1),
      steps,
      adapter,
    };
    const outcomes: { old: Outcome; now: Outcome }[] = [];
    for (let round = 0; round < rounds; round++) {
      process.stderr.write(`round ${round + 1} of ${rounds}\n`);
      outcomes.push({
        old: outcomeOf(old, { ...options, folder: join(folder, "old") }),
        now: outcomeOf(now, { ...options, folder: join(folder, "new") }),
      });
    }
    const found = outcomes.flatMap((outcome) => differences(outcome.old.results, outcome.now.results));
    console.log(`old: ${old}\nnew: ${now}\n`);
    console.log(timesTable(outcomes));
    const compared = outcomes[0]!.now.results.size;
    const captions = pictures * seeds * guidanceMethods.length;
    console.log(`\n${compared} results compared, ${captions} of them captions; ${found.length} differ`);
    if (found.length > 0) throw new UserError(`the first that differ:\n${found.slice(0, 5).join("\n")}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
