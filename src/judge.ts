#!/usr/bin/env node
/** `node dist/judge.js train|measure`: a judge of captions of scenes that needs no references. */

import { measureFolder } from "./cli/judge/measure.js";
import { trainJudge } from "./cli/judge/train.js";
import {
  adapterOption,
  commandLine,
  integerOption,
  numberOption,
  runCommand,
  tuningHelp,
} from "./cli/options.js";
import { say } from "./cli/terminal.js";
import { describeJudgeConfig } from "./training/judge/settings.js";

async function main(): Promise<void> {
  const program = commandLine(
    "node dist/judge.js",
    "Trains and measures a judge: two towers that tell whether a caption is true of a scene, without references.",
  );
  program
    .command("train")
    .description("trains a judge on the training scenes, as CLIP with false captions")
    .copyInheritedSettings(program)
    .option("--out <folder>", "run folder to make (default: runs/judge-<time>)")
    .option("--resume <folder>", "go on with this run, with its own settings")
    .option("--seed <number>", "seed of every random number", integerOption(0))
    .option(
      "--minutes <number>",
      "choose the steps so that training ends after this time",
      numberOption(0.1, 1e6),
    )
    .option(
      "--set <key=value>",
      "one setting; may be repeated",
      (value, all: string[]) => [...all, value],
      [],
    )
    .option("--help-config", "list all settings with what they mean")
    .addOption(adapterOption())
    .option("--tuning <file>", tuningHelp)
    .option("--quiet", "print no progress")
    .action(async ({ helpConfig, ...options }) => {
      if (helpConfig) say(describeJudgeConfig());
      else await trainJudge(options);
    });
  program
    .command("measure")
    .description("measures a judge on held-out scenes, and writes the figures into its judge.json")
    .copyInheritedSettings(program)
    .requiredOption("--judge <folder>", "a judge that train wrote: RUN/weights")
    .option("--split <name>", "split of the pictures", "test")
    .option("--limit <number>", "pictures, evenly spread over the split; 0 = all", integerOption(0), 0)
    .addOption(adapterOption())
    .option("--tuning <file>", tuningHelp)
    .option("--quiet", "print no progress")
    .action(measureFolder);
  await program.parseAsync();
}

await runCommand(main);
