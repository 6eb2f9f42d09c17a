#!/usr/bin/env node
/** `node dist/encode.js PICTURE…`: what an imported network makes of pictures. */

import { InvalidArgumentError } from "commander";
import { type EncodeOptions, tokenizerEncoder } from "./cli/encode-tokenizer.js";
import {
  adapterOption,
  checkOutput,
  commandLine,
  integerOption,
  openGpu,
  runCommand,
  tuningHelp,
} from "./cli/options.js";
import { tell } from "./cli/terminal.js";
import { UserError } from "./platform/errors.js";
import { isOutputGone } from "./platform/node.js";
import { shown } from "./platform/shown.js";
import "./vqgan.js";

interface Options extends Partial<EncodeOptions> {
  adapter?: string;
  tuning?: string;
}

/** Parses `--size`, for commander. */
function sizeOption(text: string): number | "none" {
  if (text === "none") return text;
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError("It should be a number of pixels, or none.");
  return integerOption(1, 16_384)(text);
}

async function main(): Promise<void> {
  const program = commandLine(
    "node dist/encode.js",
    "Encodes pictures (PNG, JPEG, WebP) by an imported network.",
  )
    .argument("<picture...>", "picture files")
    .option("--tokenizer <folder>", "frozen image tokenizer, as import.js wrote it: prints the codes")
    .option(
      "--size <pixels>",
      "scale to a square of this many pixels a side, white where the picture has none; none: as it is (default: the tokenizer's)",
      sizeOption,
    )
    .option("--reconstruct <file>", "write the picture that the codes decode to, as PNG; for one picture")
    .option("--json", "one JSON object a line: {file, height, width, ids}, ids of the grid row by row")
    .option("--svg", "take SVG drawings too")
    .addOption(adapterOption())
    .option("--tuning <file>", tuningHelp);
  const options = program.parse().opts<Options>();
  const { tokenizer, reconstruct } = options;
  if (tokenizer === undefined) throw new UserError("name the network: --tokenizer FOLDER", 2);
  if (reconstruct !== undefined) {
    if (program.args.length > 1) throw new UserError("--reconstruct takes one picture", 2);
    checkOutput("--reconstruct", reconstruct);
  }
  const gpu = await openGpu(options.adapter, options.json, options.tuning);
  const encoder = await tokenizerEncoder(gpu, { ...options, tokenizer });
  let failed = 0;
  for (const file of program.args) {
    if (isOutputGone()) break;
    try {
      await encoder.encode(file);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      tell(`error: ${error.message.includes(file) ? "" : `${shown(file)}: `}${error.message}`);
      failed++;
    }
  }
  if (failed > 0) process.exitCode = 1;
  encoder.dispose();
}

await runCommand(main);
