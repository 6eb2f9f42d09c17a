#!/usr/bin/env node
/** `node dist/import.js`: weights of other programs, by kind. */

import { Option } from "commander";
import { importClipFiles } from "./cli/import-clip.js";
import { adapterOption, commandLine, runCommand } from "./cli/options.js";
import type { ClipActivation } from "./models/clip/shape.js";
import { clipActivations } from "./models/clip/shape.js";

interface Options {
  out: string;
  activation?: ClipActivation;
  vocabulary?: string;
  adapter?: string;
  quiet?: boolean;
}

async function main(): Promise<void> {
  const program = commandLine("node dist/import.js", "Imports weights of other programs.");
  program
    .command("clip")
    .description("a CLIP with a vision transformer: OpenAI's archive, or Hugging Face's folder")
    .argument("<file or folder>", "ViT-B-32.pt, or a folder with config.json and model.safetensors")
    .requiredOption("--out <folder>", "folder to write, such as weights/clip")
    .addOption(
      new Option("--activation <name>", "activation of its MLPs, where no config.json says it").choices(
        clipActivations,
      ),
    )
    .option(
      "--vocabulary <file>",
      "tokenizer.json, merges.txt or bpe_simple_vocab_16e6.txt.gz of CLIP (default: the one beside the weights)",
    )
    .addOption(adapterOption())
    .option("--quiet", "print no adapter")
    .action((path: string, options: Options) => importClipFiles(path, options));
  await program.parseAsync();
}

await runCommand(main);
