#!/usr/bin/env node
/** `node dist/inspect.js FILE`: lists the tensors of a file of weights and the models that it fits. Reads no values. */

import { commandLine, integerOption, runCommand } from "./cli/options.js";
import { say } from "./cli/terminal.js";
import { shown } from "./platform/shown.js";
import { fitsOf, knownModels } from "./weight-files/known-models.js";
import { openWeightFile } from "./weight-files/node.js";
import { totalsOf, totalsText, treeLines } from "./weight-files/tree.js";
import type { WeightFile } from "./weight-files/weight-file.js";

interface Options {
  json?: boolean;
  depth?: number;
}

async function main(): Promise<void> {
  const command = commandLine(
    "node dist/inspect.js",
    "Lists the tensors of a file of weights: kind of file, names, types, shapes and sizes as a tree with totals, and the models that it fits. No code of a file runs.",
  )
    .argument(
      "<file>",
      ".safetensors, .pt, .pth, .ckpt or .bin, an index of shards (*.index.json), or a folder with one of them",
    )
    .option("--depth <levels>", "opens groups of tensors down to this level (default: all)", integerOption(1))
    .option("--json", "prints one JSON object: kind, tensors with name, dtype, shape and bytes, totals, fits")
    .addHelpText("after", `\nModels that are recognised: ${knownModels.map(({ name }) => name).join("; ")}.`)
    .parse();
  const options = command.opts<Options>();
  const file = await openWeightFile(command.args[0]!);
  try {
    if (options.json) printJson(file);
    else print(file, options.depth);
  } finally {
    await file.close();
  }
}

function printJson(file: WeightFile): void {
  const { path, kind, files, metadata, beside } = file;
  const tensors = [...file.tensors.values()].map(({ name, dtype, shape, bytes }) => ({
    name,
    dtype,
    shape,
    bytes,
  }));
  const totals = totalsOf(file.tensors.values());
  say(
    JSON.stringify({
      file: path,
      kind,
      files,
      tensors,
      totals,
      fits: fitsOf(file.tensors),
      metadata,
      beside,
    }),
  );
}

function print(file: WeightFile, depth: number | undefined): void {
  const { path, kind, files, metadata, beside } = file;
  const shards =
    files.length > 1 || files[0] !== path ? ` in ${files.length} file${files.length > 1 ? "s" : ""}` : "";
  say(`${shown(path)}: ${kind}${shards}, ${totalsText(totalsOf(file.tensors.values()))}`);
  const fits = fitsOf(file.tensors).map(({ model, prefix }) =>
    prefix === "" ? model : `${model} (names begin with ${shown(prefix, 60)})`,
  );
  say(`fits: ${fits.length > 0 ? fits.join("; ") : "none of the models that this program knows"}`);
  for (const [key, value] of Object.entries(metadata)) say(`${shown(key, 60)}: ${shown(value, 100)}`);
  if (beside.length > 0) say(`not listed: ${shown(beside.join(", "))}`);
  say("");
  for (const line of treeLines(file.tensors.values(), depth)) say(line);
}

await runCommand(main);
