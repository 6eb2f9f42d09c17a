#!/usr/bin/env node
/** `node dist/encode.js PICTURE…`: what an imported network makes of pictures. */

import { InvalidArgumentError } from "commander";
import { encodeWithClip } from "./cli/encode-clip.js";
import { type EncodeOptions, tokenizerEncoder } from "./cli/encode-tokenizer.js";
import {
  adapterOption,
  checkOutput,
  commandLine,
  integerOption,
  openComputingGpu,
  runCommand,
  tuningHelp,
} from "./cli/options.js";
import { tell } from "./cli/terminal.js";
import { UserError } from "./platform/errors.js";
import { isOutputGone } from "./platform/node.js";
import { shown } from "./platform/shown.js";
import "./vqgan.js";

interface Options extends Partial<EncodeOptions> {
  clip?: string;
  text?: string[];
  tokens?: string[];
  adapter?: string;
  tuning?: string;
}

/** Collects an option that may be given several times, for commander. */
const collect = (value: string, earlier: string[] = []) => [...earlier, value];

/** Parses `--size`, for commander. */
function sizeOption(text: string): number | "none" {
  if (text === "none") return text;
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError("It should be a number of pixels, or none.");
  return integerOption(1, 16_384)(text);
}

async function main(): Promise<void> {
  const program = commandLine(
    "node dist/encode.js",
    "Encodes pictures (PNG, JPEG, WebP), or pictures and texts, by an imported network.",
  )
    .argument("[picture...]", "picture files")
    .option("--tokenizer <folder>", "frozen image tokenizer, as import.js wrote it: prints the codes")
    .option(
      "--size <pixels>",
      "scale to a square of this many pixels a side, white where the picture has none; none: as it is (default: the tokenizer's)",
      sizeOption,
    )
    .option("--reconstruct <file>", "write the picture that the codes decode to, as PNG; for one picture")
    .option(
      "--clip <folder>",
      "CLIP, as import.js wrote it: prints features, not normalised, and their cosines",
    )
    .option("--text <text>", "a text for --clip; may be given several times", collect)
    .option(
      "--tokens <ids>",
      "a text for --clip as token ids with commas; may be given several times",
      collect,
    )
    .option(
      "--json",
      "one JSON object a line: {file, height, width, ids}, ids of the grid row by row; with --clip for each picture with each text {file, imageFeatures, text, tokens, textFeatures, cosine}",
    )
    .option("--svg", "take SVG drawings too")
    .addOption(adapterOption())
    .option("--tuning <file>", tuningHelp);
  const options = program.parse().opts<Options>();
  const { tokenizer, reconstruct, clip, text: texts = [], tokens = [] } = options;
  if (clip !== undefined && tokenizer !== undefined)
    throw new UserError("name one network: --tokenizer or --clip", 2);
  if (clip !== undefined) return encodeWithClip({ ...options, clip, pictures: program.args, texts, tokens });
  if (tokenizer === undefined)
    throw new UserError("name the network: --tokenizer FOLDER or --clip FOLDER", 2);
  if (texts.length + tokens.length > 0) throw new UserError("--text and --tokens are for --clip", 2);
  if (program.args.length === 0) throw new UserError("name pictures to encode", 2);
  if (reconstruct !== undefined) {
    if (program.args.length > 1) throw new UserError("--reconstruct takes one picture", 2);
    checkOutput("--reconstruct", reconstruct);
  }
  const gpu = await openComputingGpu(options.adapter, options.json, options.tuning);
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
