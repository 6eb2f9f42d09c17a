#!/usr/bin/env node
/** `node dist/runs.js`: a page of all runs below a folder, a listing as JSON, or event files for TensorBoard. */

import { Option } from "commander";
import { commandLine, integerOption, runCommand } from "./cli/options.js";
import { withProgress } from "./cli/progress.js";
import { RunStore } from "./cli/runs/run-store.js";
import { serveRuns } from "./cli/runs/runs-server.js";
import { exportRun } from "./cli/runs/tensorboard.js";
import { say, tell } from "./cli/terminal.js";
import { UserError } from "./platform/errors.js";
import { nodePlatform as platform } from "./platform/node.js";

interface Options {
  port: number;
  json?: boolean;
  tensorboard?: string;
  quiet?: boolean;
}

const { files } = platform;

async function main(): Promise<void> {
  const command = commandLine(
    "node dist/runs.js",
    "Serves one page for all runs below a folder, on this machine alone: curves over each other while they grow, settings by their differences, samples over time, scores and notes.",
  )
    .argument("[folder]", "folder of runs, at any depth", "runs")
    .option("--port <number>", "port of the page; 0: any free port", integerOption(0, 65535), 8090)
    .addOption(
      new Option("--json", "print what is known of each run as one JSON object, and end").conflicts(
        "tensorboard",
      ),
    )
    .addOption(
      new Option(
        "--tensorboard [folder]",
        "write the curves and samples of all runs as event files of TensorBoard, and end",
      ).preset("tensorboard"),
    )
    .option("--quiet", "print no progress and no remarks")
    .addHelpText(
      "after",
      `
The page reads what training writes: config.json, log.jsonl, samples, data.json, scores.json and other results of evaluate.js --out that
lie in a run's folder. It writes one file: notes.md, the note of a run.`,
    )
    .parse();
  const options = command.opts<Options>();
  const [folder] = command.processedArgs as [string];
  if (!(await files.isDirectory(folder))) {
    const isFile = await files.exists(folder);
    throw new UserError(
      `${folder} is ${isFile ? "a file" : "not there"}: name a folder that holds runs of train.js`,
    );
  }
  const store = new RunStore(folder);
  await store.look();
  if (store.runs.length === 0)
    throw new UserError(
      `${folder} holds no run: train.js writes runs into the folder runs, or into that of --out`,
    );
  if (options.tensorboard !== undefined) return exportAll(store, options.tensorboard, options.quiet ?? false);
  if (options.json) {
    await store.readAll();
    const runs = store.runs.map(({ listing }) => listing!);
    say(JSON.stringify({ format: "mc-diffusion-runs-1", folder, runs }));
    return;
  }
  const { url } = await serveRuns(store, options.port);
  if (!options.quiet) {
    const count = store.runs.length;
    say(`${count} ${count === 1 ? "run" : "runs"} of ${folder}: ${url} (Ctrl-C ends the server)`);
  }
}

async function exportAll(store: RunStore, out: string, quiet: boolean): Promise<void> {
  await store.readAll();
  const runs = [...store.runs].sort((a, b) => (a.id < b.id ? -1 : 1));
  const total = runs.reduce((sum, { log }) => sum + log.lines - log.damaged, 0);
  let [steps, images] = [0, 0];
  await withProgress({ label: "events", total, unit: "steps", quiet }, async (progress) => {
    for (const run of runs) {
      const written = await exportRun(run, out, (done) => progress.update(steps + done));
      steps += written.steps;
      images += written.images;
      for (const problem of written.problems) progress.warn(`left out: ${problem}`);
    }
  });
  for (const { id, listing } of runs)
    for (const problem of listing!.problems) if (!quiet) tell(`${id}: ${problem}`);
  say(
    `${out}: ${runs.length} ${runs.length === 1 ? "run" : "runs"}, ${steps} steps, ${images} images; tensorboard --logdir ${out} shows them`,
  );
}

await runCommand(main);
