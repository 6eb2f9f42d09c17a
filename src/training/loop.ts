/** The training loop of a stage: steps, log, evaluations, samples, checkpoints, a clean stop. */

import type { Config } from "../config/config.js";
import { formatBytes, OutOfMemoryError } from "../engine/gpu/errors.js";
import { asLogEntry, type LogEntry, type RunFolder } from "../io/run-folder.js";
import { type Collective, single } from "../platform/collective.js";
import { UserError } from "../platform/errors.js";
import type { JsonRecord } from "../platform/json.js";
import type { Platform } from "../platform/platform.js";
import type { Progress } from "../report/progress.js";
import { type Checkpoint, type FoundCheckpoint, latestCheckpoint, saveCheckpoint } from "./checkpoint.js";
import { isDue, isLong } from "./follow.js";
import { anyStops, shareState } from "./ranks.js";
import type { Trainer } from "./trainer.js";

/** Options of `runStage`. */
export interface StageOptions {
  platform: Platform;
  run: RunFolder;
  seed: number;
  log: Config["log"];
  progress: Progress;
  /** True once the user has asked to stop. */
  interrupted: () => boolean;
  /** The processes that train together, of which this is rank 0; the others call `followStage`. Default: this one alone. */
  collective?: Collective;
  /**
   * Whether to resume from the run's last checkpoint of this stage, or a function that returns the checkpoint already found. The
   * function is called once, so that nothing keeps the checkpoint in memory.
   */
  resume: boolean | (() => FoundCheckpoint);
  /** Additional state stored in each checkpoint. */
  kept?: JsonRecord;
  /**
   * Called after each step with its duration in milliseconds and whether a checkpoint follows. May change `Trainer.steps`, and
   * then stores the change where a resume finds it.
   */
  pace?: (step: number, ms: number, isSaved: boolean) => Promise<void>;
  /** Called with each step's entry when all of the step's work is done; the next step waits for it. */
  onStep?: (entry: LogEntry) => void | Promise<void>;
  /** Called with the path of written samples. */
  onSample?: (path: string) => void | Promise<void>;
  /** Called when held-out pictures begin to be measured or sampled, and when training goes on after that. */
  onPhase?: (phase: Phase) => void;
}

/** What the loop does: steps, measures on held-out pictures, samples of them. */
export type Phase = "steps" | "measures" | "samples";

/** Contents of a checkpoint's `state.json` beside the step: the seed, and the log entry of that step. */
interface StageState {
  seed: number;
  entry: LogEntry;
}

/** Thrown within measures and samples once the user has asked to stop. */
class Interruption extends Error {}

/**
 * Trains a stage to its end, or until it is interrupted; either way the last step is saved. Training stops for the copy of a
 * checkpoint, not for its writing. A step's checkpoint is written before the step is measured and sampled, so a failing evaluation
 * loses no training: the next run repeats it. An error, too, is thrown only after the last step was saved, if the device still has
 * it.
 */
export async function runStage(
  trainer: Trainer<string>,
  options: StageOptions,
): Promise<"finished" | "interrupted"> {
  const { platform, run, log, progress, collective = single } = options;
  const { gpu, stage } = trainer;
  const folder = run.checkpointFolder(stage);
  const resumed = options.resume === false ? null : await restore(trainer, options);
  let step = await shareState(collective, trainer, resumed?.step ?? 0);
  const { last, damaged } = await run.truncateLog(stage, step);
  if (damaged > 0)
    progress.warn(`warning: ${damaged} lines of ${run.logPath} are not log entries and were left out`);

  let saved = step;
  /** The writing of the last checkpoint, which training does not wait for. */
  let writing: Promise<unknown> = Promise.resolve();
  let latest: LogEntry | null = null;
  /** Milliseconds of all steps, and those of waiting for pictures in them. */
  let [spent, waited] = [0, 0];
  /** Whether the model is in its state after `step`: false while the next step runs, and once that step has failed. */
  let isWhole = true;
  const pending: LogEntry[] = [];
  /** Copies the model's state and begins to write it; `writing` ends with the last file. */
  const save = async (entry: LogEntry) => {
    // One at a time, for the memory, and so that an error of a full disk stops the run.
    await writing;
    await run.appendLog(pending.splice(0));
    const state = { ...options.kept, seed: options.seed, entry } satisfies StageState;
    // Through JSON, so that a NaN of the entry becomes null, as in the log.
    const json = JSON.parse(JSON.stringify(state));
    const weights = await trainer.save();
    if (!allFinite(weights.model)) {
      throw new UserError(
        `${stage} step ${step}: some weights are infinite or NaN, and are not saved; a lower ${stage}.learningRate may help`,
      );
    }
    writing = saveCheckpoint(platform.files, folder, { step, ...weights, state: json }, log.keep);
    // Whoever waits next gets the error.
    writing.catch(() => {});
    saved = step;
  };
  /** Saves the last step if possible and returns the error to throw. */
  const failed = async (error: unknown): Promise<unknown> => {
    try {
      await writing;
    } catch {
      saved = -1;
      writing = Promise.resolve();
    }
    try {
      if (isWhole && latest && saved !== step) await save(latest);
      await writing;
    } catch {
      // The cause of the failure (no memory, a full disk, a lost device) may well make this fail; the first error says more.
    }
    if (!(error instanceof OutOfMemoryError)) return error;
    return new UserError(
      `${stage} step ${isWhole ? step : step + 1}: ${error.message}; lower ${trainer.memorySettings}`,
    );
  };
  const stops = () => anyStops(collective, options.interrupted(), isLong(log, step, trainer.steps));
  const stopIfAsked = () => {
    if (options.interrupted()) throw new Interruption();
  };
  const due = (every: number) => isDue(every, step, trainer.steps);
  /** Runs everything that follows a step: measures, samples, its line in the log. */
  const complete = async (entry: LogEntry) => {
    const { losses, learningRate, ms } = entry;
    // A failure of long work loses no training.
    if (due(log.evaluateEvery) || due(log.sampleEvery)) await writing;
    if (due(log.evaluateEvery)) {
      options.onPhase?.("measures");
      entry.metrics = await trainer.evaluate(stopIfAsked);
      progress.log(
        `${stage} ${step}/${trainer.steps}  ${summary(losses)}  held out: ${summary(entry.metrics)}`,
      );
    } else if (due(log.every)) {
      progress.log(
        `${stage} ${step}/${trainer.steps}  ${summary(losses)}  lr ${learningRate.toExponential(1)}  ${Math.round(ms)} ms${slowest(entry.ranks)}`,
      );
    }
    pending.push(entry);
    if (due(log.sampleEvery)) {
      options.onPhase?.("samples");
      const path = await trainer.sample(step, stopIfAsked);
      await options.onSample?.(path);
    }
    if (due(log.evaluateEvery) || due(log.sampleEvery)) options.onPhase?.("steps");
    if (saved === step || pending.length >= 20) await run.appendLog(pending.splice(0));
    await options.onStep?.(entry);
  };

  /** Whether all ranks have agreed to stop before the last step. */
  let isAgreed = false;
  const train = async () => {
    if (resumed?.entry && last?.step !== step) await complete(resumed.entry);
    while (step < trainer.steps) {
      isAgreed = await stops();
      if (isAgreed) break;
      const began = platform.now();
      gpu.resetPeakMemory();
      isWhole = false;
      const before = trainer.loading?.waited ?? 0;
      const { losses, learningRate, gradNorm, ranks, notFinite = [] } = await trainer.step(step + 1);
      const ms = platform.now() - began;
      const { count, unit } = trainer.perStep;
      const entry: LogEntry = {
        stage,
        step: step + 1,
        losses,
        learningRate,
        gradNorm,
        ms,
        perSecond: (count * 1000) / ms,
        unit,
        bytes: gpu.memory.peakBytes,
      };
      if (trainer.loading && ms > 0) {
        entry.waiting = Math.min(1, (trainer.loading.waited - before) / ms);
        waited += trainer.loading.waited - before;
      }
      if (ranks) entry.ranks = ranks;
      spent += ms;
      if (!Number.isFinite(losses.total)) {
        await run.appendLog([...pending.splice(0), entry]);
        if (!Number.isFinite(gradNorm)) {
          trainer.undo();
          isWhole = true;
        }
        const where = notFinite.length > 0 ? ` on rank ${notFinite.join(", ")}` : "";
        throw new UserError(
          `${stage} step ${step + 1}: the loss is ${losses.total}${where}; a lower ${stage}.learningRate may help, and MCD_CHECK_FINITE=1 finds the kernel`,
        );
      }
      step++;
      isWhole = true;
      latest = entry;
      if (options.pace) {
        const planned = trainer.steps;
        await options.pace(step, ms, due(log.checkpointEvery));
        if (trainer.steps !== planned) progress.setTotal(trainer.steps);
      }
      progress.update(step, `loss ${losses.total!.toPrecision(4)}, ${formatBytes(entry.bytes)}`);
      if (due(log.checkpointEvery)) await save(entry);
      // A user who asks to stop need not wait for measures and samples: the resumed run makes them.
      if (options.interrupted() && (due(log.evaluateEvery) || due(log.sampleEvery))) break;
      await complete(entry);
    }
  };
  try {
    await train();
  } catch (error) {
    if (!(error instanceof Interruption)) throw await failed(error);
  }
  // The others ask before their next step.
  if (collective.size > 1 && !isAgreed && step < trainer.steps) await stops();
  if (latest && saved !== step) await save(latest);
  await writing;
  await run.appendLog(pending.splice(0));
  const { loading } = trainer;
  if (loading && loading.loaded > 0 && spent > 0) {
    const perSecond = (1000 * loading.pictures) / loading.loaded;
    progress.log(
      `${stage}: pictures were ready at ${Number(perSecond.toPrecision(3))} images/s; ${((100 * waited) / spent).toFixed(1)} % of the steps' time was waiting for them`,
    );
  }
  const isStopped = await stops();
  return step >= trainer.steps && !isStopped ? "finished" : "interrupted";
}

/** Whether all weights are finite. Training could not resume from a checkpoint with NaN, and it would displace a good one. */
function allFinite(model: Checkpoint["model"]): boolean {
  for (const { data } of model.values()) {
    if (!(data instanceof Float32Array)) continue;
    for (let i = 0; i < data.length; i++) if (!Number.isFinite(data[i])) return false;
  }
  return true;
}

/**
 * Restores the checkpoint that a run resumes from. Returns its step, and its entry if it holds one; null if there is no
 * checkpoint.
 */
async function restore(
  trainer: Trainer<string>,
  { platform, run, seed, progress, resume }: StageOptions,
): Promise<{ step: number; entry: LogEntry | null } | null> {
  const { checkpoint, path, warnings } =
    typeof resume === "function"
      ? resume()
      : await latestCheckpoint(platform.files, run.checkpointFolder(trainer.stage));
  for (const warning of warnings) progress.warn(`warning: ${warning}`);
  if (!checkpoint || !path) return null;
  if (checkpoint.state.seed !== seed) {
    throw new UserError(
      `${path} was trained with seed ${checkpoint.state.seed}, not ${seed}; resume with its own seed`,
    );
  }
  trainer.load(checkpoint, path);
  progress.log(`${trainer.stage}: resumed at step ${checkpoint.step} from ${path}`);
  return { step: checkpoint.step, entry: asLogEntry(checkpoint.state.entry) };
}

/** The speed of the ranks, for a line of the log. */
function slowest(ranks: LogEntry["ranks"]): string {
  if (!ranks) return "";
  const hidden = ranks.hidden ? `, ${Math.round((100 * ranks.hidden) / ranks.reducing)} % hidden` : "";
  return ` (slowest of ${ranks.count} ranks: ${ranks.slowest}, ${Math.round(ranks.slowestMs)} ms; reduction ${Math.round(ranks.reducing)} ms${hidden})`;
}

function summary(values: Readonly<Record<string, number>>): string {
  return Object.entries(values)
    .map(
      ([name, value]) =>
        `${name} ${Math.abs(value) >= 0.01 || value === 0 ? value.toFixed(3) : value.toExponential(1)}`,
    )
    .join("  ");
}
