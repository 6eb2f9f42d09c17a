#!/usr/bin/env node
/** `node dist/sweeps.js FOLDER FOLDER …`: joins guidance sweeps of several trainings. */

import { checkOutput, commandLine, runCommand } from "./cli/options.js";
import { say } from "./cli/terminal.js";
import { joinSweeps, sameKind } from "./evaluation/sweep/trainings.js";
import { trainingsMarkdown } from "./evaluation/sweep/trainings-tables.js";
import { UserError } from "./platform/errors.js";
import { parseJsonRecord } from "./platform/json.js";
import { nodePlatform } from "./platform/node.js";

async function main(): Promise<void> {
  const program = commandLine(
    "node dist/sweeps.js",
    "Joins guidance sweeps of models that differ in the seed of their training: differences with t intervals over the trainings.",
  )
    .argument("<folders...>", "folders of finished sweeps (evaluate.js --sweep --out), one a training")
    .option("--metrics <names>", "metrics to print, with commas (default: all)")
    .option("--json <file>", "write all differences as JSON");
  const { metrics, json } = program.parse().opts<{ metrics?: string; json?: string }>();
  const folders = program.args;
  if (json !== undefined) checkOutput("--json", json);
  if (folders.length < 2)
    throw new UserError("an interval over trainings needs the sweeps of two or more of them", 2);
  const { files } = nodePlatform;
  const sweeps: { where: string; record: unknown }[] = [];
  // One after the other, so that the error names the first folder that lacks its file.
  for (const folder of folders) {
    const where = `${folder}/sweep.json`;
    if (!(await files.exists(where)))
      throw new UserError(`${folder} has no sweep.json: the sweep has not ended, or is elsewhere`);
    sweeps.push({ where, record: parseJsonRecord(await files.readText(where), where) });
  }
  const joined = joinSweeps(sameKind(sweeps));
  const names = metrics?.split(",").map((name) => name.trim());
  const known = [...new Set(joined.map(({ metric }) => metric))];
  const wrong = names?.find((name) => !known.includes(name));
  if (wrong !== undefined)
    throw new UserError(`--metrics: these sweeps have ${known.join(", ")}, not ${wrong}`, 2);
  say(trainingsMarkdown(joined.filter(({ metric }) => names?.includes(metric) ?? true)));
  if (json === undefined) return;
  const record = { format: "mc-diffusion-trainings-1", sweeps: folders, differences: joined };
  await files.write(json, `${JSON.stringify(record, null, 1)}\n`);
}

await runCommand(main);
