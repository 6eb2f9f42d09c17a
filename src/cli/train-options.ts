/** The command line of `train.js`. */

import { Option } from "commander";
import { PRESET_NAMES } from "../config/presets.js";
import { captionDecoders } from "../models/registry.js";
import { UserError } from "../platform/errors.js";
import { type Transport, transports } from "../training/half-sums.js";
import { dataHelp } from "./data-option.js";
import { adapterOption, commandLine, integerOption, numberOption, tuningHelp } from "./options.js";
import { checkRankFlags, rankOptions } from "./ranks.js";

/** The flags of `train.js`. */
export interface TrainOptions {
  preset?: string;
  stage: "vqvae" | "decoder" | "all";
  data?: string;
  tokenizer?: string;
  codesFrom?: string;
  pruneCodes?: boolean;
  out?: string;
  resume?: string;
  seed?: number;
  minutes?: number;
  plan?: boolean;
  memory?: number;
  config?: string;
  model?: string;
  init?: string;
  newDecoder?: boolean;
  set: string[];
  skipBad?: boolean;
  onLoss: "stop" | "retry";
  changedData?: boolean;
  adapter?: string;
  distributed?: boolean;
  devices?: string;
  gradients: Transport;
  tuning?: string;
  quiet?: boolean;
  helpConfig?: boolean;
}

/** Reads the flags. Throws a `UserError` for flags that do not go together. */
export function parseTrainOptions(): TrainOptions {
  const program = commandLine(
    "node dist/train.js",
    "Trains the captioner: the VQ-VAE, then the decoder on its codes.",
  )
    .option("--preset <name>", `settings to start from: ${PRESET_NAMES.join(" or ")} (default: emoji)`)
    .option(
      "--stage <name>",
      "vqvae, decoder (needs a trained vqvae: --resume of a run, --init or --tokenizer) or all",
      "all",
    )
    .option("--data <source>", dataHelp)
    .option(
      "--tokenizer <folder>",
      "use this frozen image tokenizer, as import.js wrote it, instead of training one; with --resume: where it lies now",
    )
    .option(
      "--codes-from <file>",
      "with --tokenizer: map of codes to ids (codes in use have ids 1 … n, all others id 0)",
    )
    .option("--prune-codes", "with --tokenizer: such a map to the codes that occur in the training pictures")
    .option("--out <folder>", "run folder to make (default: runs/<preset>-<time>)")
    .option("--resume <folder>", "go on with this run, with its own settings")
    .option("--seed <number>", "seed of every random number", integerOption(0))
    .option(
      "--minutes <number>",
      "end after this time, start and scores included: steps, measures and scores are chosen for this machine",
      numberOption(0.1, 1e6),
    )
    .option(
      "--plan",
      "train nothing: tell parameters, work and memory of a step, the micro-batches that fit, steps and estimated time",
    )
    .option(
      "--memory <GiB>",
      "with --plan: the most memory that a step may take (default: 6)",
      numberOption(0.01, 1e6),
    )
    .option("--config <file>", "JSON file with settings")
    .addOption(
      new Option("--model <name>", "the caption decoder (default: mc-diffusion)").choices(
        captionDecoders.names,
      ),
    )
    .option(
      "--init <folder>",
      "start from the weights of another captioner, such as one trained on other data: takes what fits, words by their text",
    )
    .option(
      "--new-decoder",
      "with --init: take its image tokenizer alone; the decoder begins with random weights",
    )
    .option(
      "--set <key=value>",
      "one setting; may be repeated",
      (value, all: string[]) => [...all, value],
      [],
    )
    .option("--skip-bad", "leave out unreadable rows and pictures of a folder instead of stopping")
    .addOption(
      new Option(
        "--on-loss <way>",
        "when the GPU device is lost: stop, or retry: open it again and go on from the last checkpoint",
      )
        .choices(["stop", "retry"])
        .default("stop"),
    )
    .option(
      "--changed-data",
      "with --resume: go on although pictures, captions, splits or vocabulary are not those that the run began with",
    )
    .addOption(adapterOption())
    .addOption(
      new Option("--gradients <type>", "of several processes: how gradients travel between them")
        .choices(transports)
        .default("float32"),
    )
    .option("--tuning <file>", tuningHelp)
    .option("--quiet", "print no progress")
    .option("--help-config", "list all settings with what they mean");
  for (const option of rankOptions()) program.addOption(option);
  const options = program.parse().opts<TrainOptions>();
  if (!options.helpConfig) checkFlags(options);
  return options;
}

function checkFlags(options: TrainOptions): void {
  if (!["vqvae", "decoder", "all"].includes(options.stage)) {
    throw new UserError(`--stage should be vqvae, decoder or all, not ${options.stage}`, 2);
  }
  checkRankFlags(options);
  if (options.memory !== undefined && !options.plan) throw new UserError("--memory needs --plan", 2);
  if (options.plan && (options.resume !== undefined || options.minutes !== undefined))
    throw new UserError("--plan cannot be given with --resume or --minutes: it plans a run of its own", 2);
  if (options.changedData && options.resume === undefined)
    throw new UserError("--changed-data needs --resume: only a resumed run has earlier data", 2);
  const { codesFrom, pruneCodes } = options;
  if ((codesFrom !== undefined || pruneCodes) && options.tokenizer === undefined)
    throw new UserError(`${pruneCodes ? "--prune-codes" : "--codes-from"} needs --tokenizer`, 2);
  if (codesFrom !== undefined && pruneCodes)
    throw new UserError(
      "--codes-from and --prune-codes both say which codes are in use; give one of them",
      2,
    );
}

/** Throws a `UserError` for options that several processes cannot have. */
export function checkSeveral({ onLoss }: TrainOptions): void {
  if (onLoss === "retry")
    throw new UserError(
      "--on-loss retry cannot be given to several processes: the others cannot wait for a new device; start the job again with --resume",
      2,
    );
}
