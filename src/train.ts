#!/usr/bin/env node
/** `node dist/train.js`: data → VQ-VAE → codes → decoder → captions, in one run folder. */

import { Option } from "commander";
import { Captioner } from "./captioner/captioner.js";
import { checkClipTable, setClipTable, withoutClip } from "./cli/clip-files.js";
import { codeStoreFor } from "./cli/code-store.js";
import { dataHelp, dataSettings, withAbsoluteSplit } from "./cli/data-option.js";
import { loadDataset } from "./cli/load-dataset.js";
import "./baselines.js";
import "./samplers.js";
import {
  adapterOption,
  commandLine,
  defaultRunFolder,
  integerOption,
  numberOption,
  openGpu,
  runCommand,
  tuningHelp,
} from "./cli/options.js";
import { type OwnCodeMap, ownCodeMap } from "./cli/own-code-map.js";
import { withProgress } from "./cli/progress.js";
import { say, tell } from "./cli/terminal.js";
import type { Config } from "./config/config.js";
import { PRESET_NAMES } from "./config/presets.js";
import { describeConfig, resolveConfig, resumeConfig, smallerSizes } from "./config/resolve.js";
import { captionTable, captionWarnings, summarizeCaptions } from "./data/caption-summary.js";
import type { Dataset } from "./data/dataset.js";
import { DeviceLostError, GpuError, OutOfMemoryError } from "./engine/gpu/errors.js";
import { checkFinite } from "./engine/gpu/finite-check.js";
import type { Gpu } from "./engine/gpu/gpu.js";
import { poison } from "./engine/gpu/poison.js";
import { RunFolder } from "./io/run-folder.js";
import { captionDecoders } from "./models/registry.js";
import { readTokenizerFolder } from "./models/tokenizer-folder.js";
import { UserError } from "./platform/errors.js";
import type { JsonRecord } from "./platform/json.js";
import { lockFolder } from "./platform/lock.js";
import {
  absolutePath,
  onInterrupt,
  nodePlatform as platform,
  type StopSignal,
  signalExitCode,
} from "./platform/node.js";
import { formatDuration } from "./report/duration.js";
import { type Tokenizer, vocabularyText } from "./text/tokenizer.js";
import { latestCheckpoint } from "./training/checkpoint.js";
import { closeRun, writeReport } from "./training/closing.js";
import { measureCosts } from "./training/costs.js";
import { estimateSeconds } from "./training/estimate.js";
import { tokenizerSettings, writeCodeMap } from "./training/frozen-tokenizer.js";
import { heldOutRecords, usedRecords } from "./training/held-out.js";
import { initialWeightsOf, keepInitialWeights, takeWeights } from "./training/initial-weights.js";
import { trainCaptioner, type Watcher } from "./training/pipeline.js";
import { buildCaptioner, tryRun } from "./training/preflight.js";
import { dataDifferences, describeData, keepData, keptData, type RunData } from "./training/run-data.js";
import { tellRunPlan } from "./training/run-plan.js";
import { PLANNED_KEYS, TimePlan, workLoad } from "./training/time-plan.js";
import type { StageContext } from "./training/trainer.js";
import { buildVocabulary, resumedVocabulary, writeVocabulary } from "./training/vocabulary.js";
import "./vqgan.js";

interface Options {
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
  set: string[];
  skipBad?: boolean;
  onLoss: "stop" | "retry";
  changedData?: boolean;
  adapter?: string;
  tuning?: string;
  quiet?: boolean;
  helpConfig?: boolean;
}

const { files } = platform;

async function main(): Promise<void> {
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
    .option("--tuning <file>", tuningHelp)
    .option("--quiet", "print no progress")
    .option("--help-config", "list all settings with what they mean");
  const options = program.parse().opts<Options>();
  if (options.helpConfig) {
    say(describeConfig());
    return;
  }
  if (!["vqvae", "decoder", "all"].includes(options.stage)) {
    throw new UserError(`--stage should be vqvae, decoder or all, not ${options.stage}`, 2);
  }
  if (options.memory !== undefined && !options.plan) throw new UserError("--memory needs --plan", 2);
  if (options.plan && (options.resume !== undefined || options.minutes !== undefined))
    throw new UserError("--plan cannot be given with --resume or --minutes: it plans a run of its own", 2);
  const began = platform.now();
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
  const opening = options.resume ? await resumed(options, options.resume) : await started(options);
  const { begun } = opening;
  const gpu = await openTrainingGpu(options);
  const before = begun && (await keptData(files, begun.path));
  const material = async (config: Config): Promise<Material> => {
    const dataset = await loadDataset(config.data, options.quiet, (all) => usedRecords(all, config));
    const heldOut = heldOutRecords(dataset);
    const { tokenizer, restored } = begun
      ? await resumedVocabulary(platform, begun, dataset, config, {
          before,
          otherData: !!options.changedData,
        })
      : { tokenizer: await buildVocabulary(dataset, config, files), restored: null };
    const codes = begun ? null : await ownCodeMap(gpu, { config, dataset, tokenizer }, options);
    return { config, dataset, heldOut, tokenizer, restored, codes };
  };
  const { config, dataset, heldOut, tokenizer, restored, codes, plan } =
    begun || opening.config.minutes === 0
      ? { ...(await material(opening.config)), plan: null }
      : await planned(gpu, opening.config, material, options, began);
  const data = await describeData(dataset, tokenizer, platform.hash);
  if (begun) compareData(begun.path, before, data, options);
  tellCaptions(dataset, tokenizer, config, options.quiet);
  const note = withoutClip(options.preset, config, tokenizer);
  if (note) tell(note);
  if (!begun) await checkClipTable(config, tokenizer);
  const captioner = buildCaptioner(gpu, config, tokenizer, { initialise: options.plan ?? false });
  if (options.plan) {
    await tellRunPlan(captioner, dataset, {
      memory: (options.memory ?? 6) * 2 ** 30,
      now: platform.now,
      tell: say,
    });
    return;
  }
  captioner.codeStore = await codeStoreFor(captioner, config, codes?.base ?? null);
  // A plan has already tried its settings.
  if (!plan) tryRun(captioner);
  // Nothing is written before data, settings and device fit, so a mistake leaves no half-made run behind.
  const run = await opening.openRun(config);
  let stopping: StopSignal | null = null;
  let restoreSignals = () => {};
  try {
    if (restored) tell(`careful: ${run.path}/vocabulary.json was missing; it is restored from ${restored}`);
    if (!begun || restored) await writeVocabulary(files, run.path, tokenizer);
    await keepData(files, run.path, data, before);
    if (codes) await writeCodeMap(files, run.path, codes);
    if (options.init !== undefined) await keepInitialWeights(files, run.path, options.init);
    const context: StageContext = { platform, config, captioner, dataset, run, heldOut };
    if (!options.quiet) await announce(captioner, dataset, run, options.stage, plan);
    // Until here a signal simply ends the process: nothing can be lost.
    restoreSignals = onInterrupt((signal) => {
      stopping = signal;
      tell("\nstopping after this step; the run can be resumed");
    });
    await trainThroughLosses({ ...context, plan }, options, () => stopping);
    tell(`done in ${formatDuration((platform.now() - began) / 1000)}: ${run.path}`);
  } catch (error) {
    if (!(error instanceof Interrupted)) throw await withWayOn(error, run, options);
    tell(`stopped; go on with: node dist/train.js --resume ${run.path}`);
    process.exitCode = signalExitCode[error.signal];
  } finally {
    restoreSignals();
  }
}

/** The parts that a run is made from. */
interface Material {
  config: Config;
  dataset: Dataset;
  heldOut: number[];
  tokenizer: Tokenizer;
  restored: string | null;
  /** The run's own map of codes, if it has one. */
  codes: OwnCodeMap | null;
}

/** A time-limited run corrects its plan here; null in other runs. */
type PlannedContext = StageContext & { plan: TimePlan | null };

/**
 * The settings of a run in a given time, with its parts: the steps of the preset's sizes, or of its smaller sizes if these steps
 * would be too few.
 */
async function planned(
  gpu: Gpu,
  config: Config,
  material: (config: Config) => Promise<Material>,
  { preset, set, stage, quiet }: Options,
  began: number,
): Promise<Material & { plan: TimePlan }> {
  const { now } = platform;
  const vqvaeOnly = stage === "vqvae";
  const deadline = began + 60_000 * config.minutes;
  if (!quiet) tell("plan:    measuring what steps and captions take here");
  /** Null if the decoder would have fewer steps than `least`. */
  const planOf = async (of: Material, least: number): Promise<TimePlan | null> => {
    // Settings that the device cannot run are reported before they are measured.
    const captioner = buildCaptioner(gpu, of.config, of.tokenizer);
    tryRun(captioner);
    const { vqvae, decoder } = of.config;
    const costs = await measureCosts(captioner, now, ({ vqvaeStep, decoderStep }) => {
      const seconds = decoderStep + vqvaeStep * (vqvae.steps / decoder.steps);
      return least === 0 || (deadline - now()) / 1000 >= seconds * least;
    });
    captioner.dispose();
    if (costs === null) return null;
    const work = workLoad(of.dataset, of.heldOut);
    try {
      const plan = new TimePlan({ config: of.config, costs, work, vqvaeOnly, now, began, deadline });
      return decoder.steps >= least ? plan : null;
    } catch (error) {
      if (least > 0 && error instanceof UserError) return null;
      throw error;
    }
  };
  const smaller = vqvaeOnly ? null : smallerSizes(config, preset, set);
  const first = await material(config);
  const plan = await planOf(first, smaller?.below ?? 0);
  if (plan) return { ...first, plan };
  const sizes = smaller!.set.filter((entry) => !PLANNED_KEYS.some((key) => entry.startsWith(`${key}=`)));
  tell(`plan:    the sizes of preset ${preset} allow too few steps here; smaller ones: ${sizes.join(" ")}`);
  const second = await material(smaller!.config);
  return { ...second, plan: (await planOf(second, 0))! };
}

/** Thrown when work ends early at the user's request. */
class Interrupted extends Error {
  constructor(readonly signal: StopSignal) {
    super(`interrupted by ${signal}`);
  }
}

async function openTrainingGpu({ adapter, quiet, tuning }: Options): Promise<Gpu> {
  const gpu = await openGpu(adapter, quiet, tuning);
  if (process.env.MCD_CHECK_FINITE) checkFinite(gpu);
  if (process.env.MCD_POISON) poison(gpu);
  return gpu;
}

/** Maximum number of consecutive device losses without another checkpoint in between. */
const mostLosses = 5;

/** Runs `train`; with `--on-loss retry` opens another device after a loss, each time from the last checkpoint. */
async function trainThroughLosses(
  context: PlannedContext,
  options: Options,
  asked: () => StopSignal | null,
): Promise<void> {
  const { config, run } = context;
  const stopIfAsked = () => {
    const signal = asked();
    if (signal) throw new Interrupted(signal);
  };
  let { captioner } = context;
  let resume = options.resume !== undefined;
  let [losses, before] = [0, -1];
  for (;;) {
    try {
      if (losses > 0) {
        await new Promise((resolve) => setTimeout(resolve, 500 * (losses - 1)));
        stopIfAsked();
        const { codeStore } = captioner;
        captioner = new Captioner(
          await openTrainingGpu({ ...options, quiet: true }),
          config,
          captioner.tokenizer,
          { initialise: false },
        );
        captioner.codeStore = codeStore;
      }
      return await train(
        { ...context, captioner },
        { ...options, resume },
        stopIfAsked,
        () => asked() !== null,
      );
    } catch (error) {
      if (error instanceof Interrupted) throw error;
      const lost = await lossBehind(error, captioner.gpu);
      if (!lost) throw error;
      if (options.onLoss === "stop") throw lost;
      const saved = await savedSteps(run);
      const total = saved.reduce((sum, { step }) => sum + step, 0);
      losses = total > before ? 1 : losses + 1;
      before = total;
      if (losses > mostLosses) {
        throw new UserError(
          `${lost.message}; the device was opened again ${mostLosses} times in a row without reaching another checkpoint`,
        );
      }
      const from = saved.length > 0 ? placeOf(saved) : "the start";
      tell(
        `warning: ${lost.message}; going on from ${from} on a new device (${losses} of ${mostLosses} tries without another checkpoint)`,
      );
      captioner.gpu.dispose();
      resume = true;
    }
  }
}

/** The device loss behind an error; null if there is none. Some errors of a lost device arrive before the loss is reported. */
async function lossBehind(error: unknown, { device }: Gpu): Promise<DeviceLostError | null> {
  if (error instanceof DeviceLostError) return error;
  const moment = new Promise<null>((resolve) => setTimeout(resolve, 500, null));
  const lost = await Promise.race([device.lost, moment]);
  return lost && new DeviceLostError(lost.reason, lost.message);
}

/** The last checkpoint of each stage that has one, in the order of training. */
async function savedSteps(run: RunFolder): Promise<{ stage: string; step: number }[]> {
  const saved: { stage: string; step: number }[] = [];
  for (const stage of ["vqvae", "decoder"]) {
    const { checkpoint } = await latestCheckpoint(files, run.checkpointFolder(stage));
    if (checkpoint) saved.push({ stage, step: checkpoint.step });
  }
  return saved;
}

const placeOf = (saved: { stage: string; step: number }[]) =>
  `${saved.at(-1)!.stage} step ${saved.at(-1)!.step}`;

/**
 * Extends an error that ends a run with the way to resume. A new run without a step leaves no folder that blocks the next try.
 */
async function withWayOn(thrown: unknown, run: RunFolder, { resume }: Options): Promise<unknown> {
  const saved = await savedSteps(run);
  const error =
    thrown instanceof OutOfMemoryError
      ? new UserError(`${thrown.message}; lower vqvae.channels, decoder.dim or data.imageSize`)
      : thrown;
  if (saved.length === 0 && !resume && (await run.readLog()).length === 0) {
    await run.abandon();
    return error;
  }
  if (!(error instanceof UserError || error instanceof GpuError)) {
    tell(`go on with: node dist/train.js --resume ${run.path}`);
    return error;
  }
  const from = saved.length > 0 ? `from ${placeOf(saved)}` : "from the start, as nothing is saved yet,";
  return new UserError(`${error.message}; go on ${from} with: node dist/train.js --resume ${run.path}`);
}

/** Both stages, the scores and the report. `goOn` is called after each batch and throws to end the work. */
async function train(
  context: PlannedContext,
  options: Omit<Options, "resume"> & { resume: boolean },
  goOn: () => void,
  isStopping: () => boolean,
): Promise<void> {
  const { config, run, plan } = context;
  const { quiet, resume, stage } = options;
  const init = await initialWeightsOf(files, run.path);
  const watcher: Watcher = {
    track: (work, body) => withProgress({ ...work, quiet }, body),
    interrupted: isStopping,
    goOn,
    pace(trainer) {
      if (!plan) return undefined;
      // Corrects the plan, and stores the corrections.
      return async (step, ms, isSaved) => {
        const before = trainer.steps;
        const after = plan.after(trainer.stage, step, ms, isSaved);
        if (after !== before) await run.setConfig(config as unknown as JsonRecord);
      };
    },
  };
  await trainCaptioner(context, watcher, {
    resume,
    ...(stage === "all" ? {} : { stages: [stage] }),
    initialised: (network) => (network === "decoder" ? setClipTable(context.captioner) : undefined),
    initial: init === null ? undefined : (of, captioner) => initialWeights(captioner, of, init, quiet),
    ended: () =>
      stage === "vqvae"
        ? writeReport(context)
        : closeRun(context, watcher, { say, scoring: () => plan?.scored() }),
  });
}

/** Gives the network of a stage its first weights, and tells what they are. Returns whether all are from the folder. */
async function initialWeights(
  captioner: Captioner,
  stage: "vqvae" | "decoder",
  folder: string,
  quiet?: boolean,
): Promise<boolean> {
  const { told, complete } = await takeWeights(captioner, stage, files, folder);
  if (!quiet) tell(`init:    ${told}`);
  return complete;
}

/** Throws a `UserError` that lists how the data differs from the run's, unless the user accepts the changes. */
function compareData(path: string, before: RunData | null, now: RunData, { changedData }: Options): void {
  if (before === null) {
    tell(`careful: ${path} does not say what data it began with; it goes on with the data as it is now`);
    return;
  }
  const differences = dataDifferences(before, now);
  if (differences.length === 0) return;
  const list = differences.map((line) => `\n  ${line}`).join("");
  if (!changedData) {
    throw new UserError(
      `the data is not what ${path} began with; put it back, or go on with --changed-data:${list}`,
    );
  }
  tell(`careful: the data is not what ${path} began with:${list}`);
}

/** Prints how training will treat the captions. Throws a `UserError` if nothing could be learned. */
function tellCaptions(dataset: Dataset, tokenizer: Tokenizer, { data }: Config, quiet?: boolean): void {
  const summary = summarizeCaptions(dataset, tokenizer, data.maxLength);
  const warnings = captionWarnings(summary, data);
  if (!quiet) for (const line of captionTable(summary, data.maxLength)) tell(line);
  for (const warning of warnings) tell(`careful: ${warning}`);
}

/** The settings of a run, and access to its folder. */
interface Opening {
  config: Config;
  /** Opens the folder with these settings: those above, or those changed by a plan. */
  openRun: (config: Config) => Promise<RunFolder>;
  /** A resumed run. */
  begun: RunFolder | null;
}

async function started(options: Options): Promise<Opening> {
  if (options.stage === "decoder" && options.tokenizer === undefined && options.init === undefined)
    throw new UserError(
      "--stage decoder needs --resume with a run whose vqvae is trained, or --init with weights that hold one",
      2,
    );
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
async function givenTokenizer({ tokenizer }: Options): Promise<string[]> {
  if (tokenizer === undefined) return [];
  const folder = absolutePath(tokenizer);
  return tokenizerSettings(await readTokenizerFolder(files, folder), folder);
}

async function resumed(options: Options, path: string): Promise<Opening> {
  const started = [
    "preset",
    "config",
    "model",
    "init",
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

async function announce(
  captioner: Captioner,
  dataset: Dataset,
  run: RunFolder,
  stage: Options["stage"],
  plan: TimePlan | null,
): Promise<void> {
  const splits = Object.entries(dataset.splits).map(([name, records]) => `${name} ${records.length}`);
  tell(`data:    ${dataset.name}: pictures: ${splits.join(", ")}; ${vocabularyText(captioner.tokenizer)}`);
  const count = (value: number) => `${(value / 1e6).toFixed(2)} M`;
  tell(
    `model:   ${captioner.config.imageTokenizer} ${count(captioner.imageTokenizer.parameterCount)}, ${captioner.config.model} ${count(captioner.decoder.parameterCount)} parameters`,
  );
  if (plan) for (const line of plan.describe()) tell(line);
  else {
    const { vqvae, decoder } = await estimateSeconds(captioner);
    const seconds = { ...(stage === "decoder" ? {} : { vqvae }), ...(stage === "vqvae" ? {} : { decoder }) };
    const parts = Object.entries(seconds).flatMap(([name, value]) =>
      value === null || value === 0 ? [] : [`${name} ${formatDuration(value)}`],
    );
    if (parts.length > 0) tell(`time:    about ${parts.join(" + ")} on this adapter`);
  }
  tell(`run:     ${run.path}`);
}

await runCommand(main);
