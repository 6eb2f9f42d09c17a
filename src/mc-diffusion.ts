#!/usr/bin/env node
/** `npx mc-diffusion COMMAND`: the commands of the package by name. Each is a program too: `node dist/COMMAND.js`. */

import { commandLine, runCommand } from "./cli/options.js";
import { UserError } from "./platform/errors.js";
import { packageVersion } from "./platform/node.js";
import { shown } from "./platform/shown.js";
import { suggestion } from "./platform/suggest.js";

interface PackageCommand {
  readonly about: string;
  /** Imports the program, which reads the command line and runs. */
  readonly run: () => Promise<unknown>;
}

const COMMANDS: Readonly<Record<string, PackageCommand>> = {
  caption: { about: "captions pictures", run: () => import("./caption.js") },
  train: { about: "trains a captioner on pictures with captions", run: () => import("./train.js") },
  evaluate: { about: "scores a captioner on held-out pictures", run: () => import("./evaluate.js") },
  align: {
    about: "measures whether words of captions belong to what they name",
    run: () => import("./align.js"),
  },
  sweeps: { about: "joins guidance sweeps of several trainings", run: () => import("./sweeps.js") },
  judge: { about: "trains and measures a judge of captions of scenes", run: () => import("./judge.js") },
  score: { about: "scores the captions of any captioner", run: () => import("./score.js") },
  runs: { about: "serves a page of all runs", run: () => import("./runs.js") },
  samples: { about: "draws a sheet of pictures of a data set", run: () => import("./samples.js") },
  encode: { about: "encodes pictures and texts by an imported network", run: () => import("./encode.js") },
  import: { about: "imports a VQGAN or CLIP of another program", run: () => import("./import.js") },
  inspect: { about: "lists the tensors of a file of weights", run: () => import("./inspect.js") },
  "kernel-types": {
    about: "writes TypeScript types of your own WGSL",
    run: () => import("./kernel-types.js"),
  },
};

async function main(): Promise<void> {
  const names = Object.keys(COMMANDS);
  const width = Math.max(...names.map((name) => name.length));
  const list = names.map((name) => `  ${name.padEnd(width)}  ${COMMANDS[name]!.about}`).join("\n");
  const program = commandLine("npx mc-diffusion", "Captions pictures, and trains networks that do.")
    .usage("<command> [options]")
    .argument("<command>", "one of the list below")
    .allowExcessArguments()
    .version(await packageVersion())
    .addHelpText(
      "after",
      `\nCommands (npx mc-diffusion COMMAND --help describes each):\n${list}\n\nExample:\n  npx -p mc-diffusion -p webgpu mc-diffusion caption photo.png`,
    );
  const [name] = program.parse().args;
  throw new UserError(
    `There is no command ${shown(name!)}${suggestion(name!, names)}; choose ${names.slice(0, -1).join(", ")} or ${names.at(-1)}.`,
    2,
  );
}

const command = Object.hasOwn(COMMANDS, process.argv[2] ?? "") && COMMANDS[process.argv[2]!];
if (command) {
  process.argv.splice(2, 1);
  await command.run();
} else {
  await runCommand(main);
}
