/** Shared parts of the commands: usage errors, one-sentence failures, opening the device. Node only. */

// Commands know the baselines' models by name.
import "../baselines.js";
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import type { Config } from "../config/config.js";
import { type GuidanceMethod, guidanceMethods } from "../diffusion/guidance.js";
import { samplers } from "../diffusion/samplers.js";
import { GpuError } from "../engine/gpu/errors.js";
import { Gpu } from "../engine/gpu/gpu.js";
import { tuningProblems } from "../engine/gpu/tuning/tuning-problems.js";
import type { TuningTable } from "../engine/gpu/tuning/tuning-table.js";
import { type SamplingConfig, type SamplingOptions, samplingSettings } from "../models/sampling-settings.js";
import { UserError } from "../platform/errors.js";
import { outliveTerminal, outputProblem } from "../platform/node.js";
import { openNodeDevice } from "../platform/node-adapter.js";
import { asStarted } from "./started-as.js";
import { commandOutput, tell, tellError } from "./terminal.js";
import { findTuning } from "./tuning-file.js";

/** A command line that exits with code 2 on usage errors and prints `--help` to standard output. */
export function commandLine(name: string, description: string): Command {
  return new Command(asStarted(name))
    .description(description)
    .configureOutput(commandOutput)
    .exitOverride()
    .showHelpAfterError("(see --help)");
}

/** Parses an option's whole number within bounds, for commander. */
export function integerOption(least: number, most = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === "" || !Number.isInteger(value) || value < least || value > most) {
      throw new InvalidArgumentError(
        `It should be a whole number from ${least}${most < Number.MAX_SAFE_INTEGER ? ` to ${most}` : ""}.`,
      );
    }
    return value;
  };
}

/** Parses an option's number within bounds, for commander. */
export function numberOption(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === "" || !(value >= least && value <= most)) {
      throw new InvalidArgumentError(`It should be a number from ${least} to ${most}.`);
    }
    return value;
  };
}

/** Throws if `--steps` exceeds the denoising steps of the model with these settings. */
export function checkSteps(steps: number | undefined, { decoder }: Config): void {
  if (steps !== undefined && steps > decoder.timesteps) {
    throw new UserError(`--steps should be at most ${decoder.timesteps}, the model's T, not ${steps}`, 2);
  }
}

/** Throws if a file of this path could not be written at the end of the work. */
export function checkOutput(option: string, path: string): void {
  const problem = outputProblem(path);
  if (problem !== null) throw new UserError(`${option} ${path}: ${problem}`, 2);
}

/** The adapter option of commands that compute. */
export function adapterOption(): Option {
  return new Option("--adapter <name>", "gpu, lavapipe, swiftshader or a part of an adapter's name");
}

/** Default run folder: the preset's name and the time. */
export function defaultRunFolder(preset: string): string {
  const time = new Date().toISOString().slice(0, 19).replaceAll(":", "-");
  return `runs/${preset}-${time}`;
}

/** The precision option of commands that load a model. */
export function precisionOption(): Option {
  return new Option(
    "--precision <type>",
    "storage of the decoder's weights and values (default: as trained, where the adapter can)",
  ).choices(["float32", "float16"]);
}

/** Sampling settings as the flags of `samplingFlags` state them. */
export interface SamplingFlags {
  steps?: number;
  guidance?: GuidanceMethod;
  scale?: number;
  topR?: number;
  temperature?: number;
  last?: SamplingConfig["last"];
  beam?: number;
  sampler?: string;
  remask?: number;
  candidates?: number;
}

/** Which baselines are scored, as the flags of `baselineFlags` state it. */
export interface BaselineFlags {
  baselines: boolean;
  neighbours: number;
}

/** Adds the flags of commands that score baselines. */
export function baselineFlags(command: Command): Command {
  return command
    .option("--no-baselines", "leave out the nearest pictures and the model shown other pictures")
    .option(
      "--neighbours <number>",
      "training pictures among which the nearest are searched, evenly spread; 0 = all",
      integerOption(0),
      0,
    );
}

/** Adds the flags of commands that generate captions. */
export function samplingFlags(command: Command): Command {
  return command
    .option("--steps <number>", "denoising steps, at most the model's T", integerOption(1))
    .addOption(
      new Option("--guidance <method>", "guidance of the model's predictions (default: the model's)").choices(
        guidanceMethods,
      ),
    )
    .option("--scale <number>", "guidance scale ω", numberOption(-100, 100))
    .option(
      "--top-r <share>",
      "keep the likeliest words up to this probability mass; 1 = all",
      numberOption(0, 1),
    )
    .option(
      "--temperature <number>",
      "of the word probabilities; 0 = always the likeliest",
      numberOption(0, 100),
    )
    .addOption(
      new Option(
        "--last <way>",
        "the last step takes the likeliest words, or draws them (default: the model's)",
      ).choices(samplingSettings.last.allowed),
    )
    .option(
      "--beam <width>",
      "of models that write word by word: beam search, 1 = the likeliest next word, 0 = draw words (default: 0 with --temperature or --top-r, else the model's)",
      integerOption(0, 64),
    )
    .addOption(
      new Option(
        "--sampler <name>",
        "how words are drawn from step to step, by mc-diffusion (default: the model's)",
      ).choices(samplers.names),
    )
    .option("--remask <share>", "share of the words that --sampler remask takes back", numberOption(0, 1))
    .option(
      "--candidates <number>",
      "captions drawn of each picture, of which the one that agrees most with the others is taken",
      integerOption(1, 64),
    );
}

/** Converts the flags to sampling options. */
export function samplingOf({
  steps,
  guidance: method,
  scale,
  topR,
  temperature,
  last,
  beam,
  sampler,
  remask,
  candidates,
  seed,
}: SamplingFlags & { seed?: number }): SamplingOptions {
  const guidance = { method, scale };
  return { steps, guidance, topR, temperature, last, beam, sampler, remask, candidates, seed };
}

/**
 * Runs a command to its end and sets the exit code: 0, 1 for failures, 2 for wrong usage. Prints one sentence; with MCD_DEBUG
 * set, the stack too.
 */
export async function runCommand(main: () => Promise<void>): Promise<void> {
  outliveTerminal();
  try {
    await main();
    process.exitCode ??= 0;
  } catch (error) {
    if (error instanceof CommanderError) {
      // Commander has already printed it; --help and --version are not errors.
      process.exitCode = error.exitCode === 0 ? 0 : 2;
    } else {
      process.exitCode = error instanceof UserError ? error.exitCode : 1;
      const known = error instanceof UserError || error instanceof GpuError;
      const message = error instanceof Error ? error.message : String(error);
      tellError(
        `error: ${known ? message : `${message} (this is a mistake in the program; MCD_DEBUG=1 shows where)`}`,
      );
      if (process.env.MCD_DEBUG && error instanceof Error) tellError(error.stack ?? "");
    }
  }
}

/** The value of `--tuning`, as the commands describe it. */
export const tuningHelp =
  "tuning table that kernels-bench/run.js --tune wrote, or none (default: MCD_TUNING, else the user's own, if there is one)";

/**
 * Whether Dawn has written two warnings to standard error, as it does if a driver allows more dynamic buffers than Dawn does. No
 * option of Dawn suppresses them.
 */
function warnsOfDynamicBuffers({ limits }: GPUAdapter): boolean {
  const { maxDynamicUniformBuffersPerPipelineLayout, maxDynamicStorageBuffersPerPipelineLayout } = limits;
  return maxDynamicUniformBuffersPerPipelineLayout === 16 && maxDynamicStorageBuffersPerPipelineLayout === 16;
}

/**
 * Opens the device for a command. Reports on standard error the adapter and the ignored entries of the user's tuning table.
 * `tuning` is the value of `--tuning`; null ignores all measured tuning.
 */
export async function openGpu(
  adapter: string | undefined,
  quiet = false,
  tuning?: string | null,
): Promise<Gpu> {
  let table: TuningTable | null | undefined = null;
  if (tuning !== null) {
    const found = await findTuning(tuning);
    if (found.problem !== undefined) tell(`careful: ${found.problem}`);
    table = found.table;
  }
  const opened = await openNodeDevice({ adapter });
  if (!quiet) {
    tell(`adapter: ${opened.description}`);
    if (opened.advice) tell(`         ${opened.advice}`);
    if (warnsOfDynamicBuffers(opened.adapter))
      tell(
        "         Dawn's two warnings of dynamic buffers are normal with this driver: 16 are allowed, this engine uses one.",
      );
  }
  const gpu = Gpu.from(opened.device, { ...opened, tuning: table });
  if (table) {
    for (const problem of tuningProblems(table, gpu.tuning.adapter, gpu.limits)) tell(`careful: ${problem}`);
  }
  return gpu;
}

/** As `openGpu`, for commands whose results come from the device. Throws a `UserError` for Dawn's null backend. */
export async function openComputingGpu(...options: Parameters<typeof openGpu>): Promise<Gpu> {
  const gpu = await openGpu(...options);
  if (/null backend/.test(gpu.description)) {
    gpu.dispose();
    throw new UserError(
      "The adapter null computes nothing, it only times the program around the kernels; choose another with --adapter or MCD_ADAPTER.",
    );
  }
  return gpu;
}

/** Runs `read`, whose errors are about the command line but do not know the option's name. */
export function optionValue<T>(option: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof UserError) throw new UserError(`${option}: ${error.message}`, 2);
    throw error;
  }
}
