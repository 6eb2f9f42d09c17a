#!/usr/bin/env node
/** `node dist/import.js KIND FILE`: networks of other programs become folders of this project. */

import { type Command, Option } from "commander";
import { type ImportClipOptions, importClipFiles } from "./cli/import-clip.js";
import { type ImportVqganOptions, importVqgan } from "./cli/import-vqgan.js";
import { adapterOption, commandLine, runCommand } from "./cli/options.js";
import { clipActivations } from "./models/clip/shape.js";

/** A kind of file: its name on the command line, what it takes, and the import. */
interface ImportKind {
  readonly name: string;
  /** As commander describes arguments: "<file>". */
  readonly argument: string;
  readonly description: string;
  options?(command: Command): Command;
  run(path: string, options: object): Promise<void>;
}

const kinds: readonly ImportKind[] = [
  {
    name: "vqgan",
    argument: "<checkpoint>",
    description: "a VQGAN of taming-transformers (.ckpt, .pt, .safetensors) as a frozen image tokenizer",
    options: (command) =>
      command
        .option("--config <file>", "its YAML configuration (default: the one beside the checkpoint)")
        .option("--codes-from <file>", "map of codes to ids: codes in use have ids 1 … n, all others id 0"),
    run: (path, options) => importVqgan(path, options as ImportVqganOptions),
  },
  {
    name: "clip",
    argument: "<file-or-folder>",
    description:
      "a CLIP with a vision transformer: OpenAI's archive (ViT-B-32.pt), or Hugging Face's folder with config.json and weights",
    options: (command) =>
      command
        .addOption(
          new Option("--activation <name>", "activation of its MLPs, where no config.json says it").choices(
            clipActivations,
          ),
        )
        .option(
          "--vocabulary <file>",
          "tokenizer.json, merges.txt or bpe_simple_vocab_16e6.txt.gz of CLIP (default: the one beside the weights)",
        ),
    run: (path, options) => importClipFiles(path, options as ImportClipOptions),
  },
];

async function main(): Promise<void> {
  const program = commandLine(
    "node dist/import.js",
    "Imports a network of another program: reads its file, writes a folder with weights, settings and where they come from.",
  );
  for (const { name, argument, description, options, run } of kinds) {
    const command = program
      .command(`${name} ${argument}`)
      .description(description)
      .copyInheritedSettings(program)
      .requiredOption("--out <folder>", "folder to write")
      .addOption(adapterOption())
      .option("--quiet", "print nothing")
      .action((path: string, given: object) => run(path, given));
    options?.(command);
  }
  await program.parseAsync();
}

await runCommand(main);
