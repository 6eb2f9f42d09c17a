#!/usr/bin/env node
/** `node dist/encode.js`: features of pictures and texts by a CLIP. */

import { encodeWithClip } from "./cli/encode-clip.js";
import { adapterOption, commandLine, runCommand } from "./cli/options.js";

interface Options {
  clip: string;
  text?: string[];
  tokens?: string[];
  json?: boolean;
  adapter?: string;
}

const collect = (value: string, earlier: string[] = []) => [...earlier, value];

async function main(): Promise<void> {
  const program = commandLine("node dist/encode.js", "Encodes pictures (PNG, JPEG, WebP) and texts.")
    .argument("[picture...]", "picture files")
    .requiredOption("--clip <folder>", "a CLIP that node dist/import.js clip wrote")
    .option("--text <text>", "a text; may be given several times", collect)
    .option("--tokens <ids>", "a text as token ids with commas; may be given several times", collect)
    .option(
      "--json",
      "one JSON object a line for each picture with each text: {file, imageFeatures, text, tokens, textFeatures, cosine}",
    )
    .addOption(adapterOption());
  const { text, tokens, ...options } = program.parse().opts<Options>();
  await encodeWithClip({ ...options, pictures: program.args, texts: text ?? [], tokens: tokens ?? [] });
}

await runCommand(main);
