/** The settings of a new or a resumed run of `train.js`, and its folder. */

import { Captioner } from "../captioner/captioner.js";
import type { Config } from "../config/config.js";
import { resolveConfig, resumeConfig } from "../config/resolve.js";
import { RunFolder } from "../io/run-folder.js";
import { readTokenizerFolder } from "../models/tokenizer-folder.js";
import { UserError } from "../platform/errors.js";
import type { JsonRecord } from "../platform/json.js";
import { lockFolder } from "../platform/lock.js";
import { absolutePath, nodePlatform as platform } from "../platform/node.js";
import { tokenizerSettings } from "../training/frozen-tokenizer.js";
import { PLANNED_KEYS } from "../training/time-plan.js";
import { dataSettings, withAbsoluteSplit } from "./data-option.js";
import { defaultRunFolder } from "./options.js";
import type { TrainOptions } from "./train-options.js";

const { files } = platform;

/** The settings of a run, and access to its folder. */
export interface Opening {
  config: Config;
  /** Opens the folder with these settings: those above, or those changed by a plan. */
  openRun: (config: Config) => Promise<RunFolder>;
  /** A resumed run. */
  begun: RunFolder | null;
}

/** A new run. Throws a `UserError` for flags and settings that do not fit. */
export async function started(options: TrainOptions): Promise<Opening> {
  if (options.stage === "decoder" && options.tokenizer === undefined && options.init === undefined)
    throw new UserError(
      "--stage decoder needs --resume with a run whose vqvae is trained, or --init with weights that hold one",
      2,
    );
  if (options.newDecoder && options.init === undefined)
    throw new UserError("--new-decoder needs --init with the weights whose image tokenizer to take", 2);
  if (options.stage === "vqvae" && options.tokenizer !== undefined)
    throw new UserError("--stage vqvae trains an image tokenizer, and that of --tokenizer is frozen", 2);
  // Weights that cannot be read are reported before anything is made.
  if (options.init !== undefined) await Captioner.settings(files, options.init);
  const chosen = options.set.find((entry) =>
    PLANNED_KEYS.includes(entry.slice(0, entry.indexOf("=")).trim()),
  );
  if (options.minutes !== undefined && chosen !== undefined)
    throw new UserError(`--minutes chooses what --set ${chosen} sets; leave one of them out`, 2);
  const config = await withAbsoluteSplit(
    resolveConfig({
      preset: options.preset,
      file: options.config ? { name: options.config, text: await files.readText(options.config) } : undefined,
      set: [
        ...(await givenTokenizer(options)),
        ...(options.data === undefined ? [] : await dataSettings(options.data)),
        ...(options.seed === undefined ? [] : [`seed=${options.seed}`]),
        ...(options.model === undefined ? [] : [`model=${options.model}`]),
        ...(options.skipBad ? ["data.skipBad=true"] : []),
        ...(options.minutes === undefined ? [] : [`minutes=${options.minutes}`]),
        ...options.set,
      ],
    }),
  );
  const path = options.out ?? defaultRunFolder(options.preset ?? "emoji");
  await RunFolder.checkFree(files, path);
  const openRun = async (config: Config) => {
    await files.makeDirectory(path);
    await lockFolder(path);
    return RunFolder.create(files, path, config as unknown as JsonRecord);
  };
  return { config, openRun, begun: null };
}

/** The settings of the image tokenizer that --tokenizer names. */
async function givenTokenizer({ tokenizer }: TrainOptions): Promise<string[]> {
  if (tokenizer === undefined) return [];
  const folder = absolutePath(tokenizer);
  return tokenizerSettings(await readTokenizerFolder(files, folder), folder);
}

/** The run of the folder `path`, to go on with. */
export async function resumed(options: TrainOptions, path: string): Promise<Opening> {
  const started = [
    "preset",
    "config",
    "model",
    "init",
    "newDecoder",
    "seed",
    "minutes",
    "data",
    "out",
    "codesFrom",
    "pruneCodes",
  ] as const;
  for (const name of started) {
    const flag = name.replace(/[A-Z]/, (letter) => `-${letter.toLowerCase()}`);
    if (options[name] !== undefined)
      throw new UserError(`--${flag} cannot be given with --resume: a run keeps its settings`, 2);
  }
  const run = await RunFolder.open(files, path);
  const file = { name: `${path}/config.json`, text: JSON.stringify(run.config) };
  // The folder may have moved; its settings are the run's.
  const moved = (await givenTokenizer(options)).filter((entry) => /^\w+\.folder=/.test(entry));
  const config = resumeConfig(file, [...moved, ...options.set]);
  return {
    config,
    begun: run,
    async openRun(config) {
      await lockFolder(path);
      await run.setConfig(config as unknown as JsonRecord);
      return run;
    },
  };
}
