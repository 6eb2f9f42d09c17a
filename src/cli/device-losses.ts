/** Training that survives the loss of the GPU device, and the way on after an error. */

import { Captioner } from "../captioner/captioner.js";
import { DeviceLostError, GpuError, OutOfMemoryError } from "../engine/gpu/errors.js";
import { checkFinite } from "../engine/gpu/finite-check.js";
import type { Gpu } from "../engine/gpu/gpu.js";
import { poison } from "../engine/gpu/poison.js";
import type { RunFolder } from "../io/run-folder.js";
import { OtherRankError } from "../platform/collective.js";
import { UserError } from "../platform/errors.js";
import { nodePlatform as platform, type StopSignal } from "../platform/node.js";
import { latestCheckpoint } from "../training/checkpoint.js";
import { openComputingGpu } from "./options.js";
import { asStarted } from "./started-as.js";
import { tell } from "./terminal.js";
import type { TrainOptions } from "./train-options.js";
import { type PlannedContext, trainStages } from "./train-stages.js";

const { files } = platform;

/** Thrown when work ends early at the user's request. */
export class Interrupted extends Error {
  constructor(readonly signal: StopSignal) {
    super(`interrupted by ${signal}`);
  }
}

/** The device that training uses, with the checks that MCD_CHECK_FINITE and MCD_POISON switch on. */
export async function openTrainingGpu({
  adapter,
  quiet,
  tuning,
}: Pick<TrainOptions, "adapter" | "quiet" | "tuning">): Promise<Gpu> {
  const gpu = await openComputingGpu(adapter, quiet, tuning);
  if (process.env.MCD_CHECK_FINITE) checkFinite(gpu);
  if (process.env.MCD_POISON) poison(gpu);
  return gpu;
}

/** Maximum number of consecutive device losses without another checkpoint in between. */
const mostLosses = 5;

/** Runs `trainStages`; with `--on-loss retry` opens another device after a loss, each time from the last checkpoint. */
export async function trainThroughLosses(
  context: PlannedContext,
  options: TrainOptions,
  asked: () => StopSignal | null,
  stopped: () => void,
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
      return await trainStages(
        { ...context, captioner },
        { ...options, resume },
        stopIfAsked,
        () => asked() !== null,
        stopped,
      );
    } catch (error) {
      if (error instanceof Interrupted || error instanceof OtherRankError) throw error;
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
export async function withWayOn(
  thrown: unknown,
  run: RunFolder,
  { resume }: TrainOptions,
  rank: number,
): Promise<unknown> {
  const saved = await savedSteps(run);
  const error =
    thrown instanceof OutOfMemoryError
      ? new UserError(`${thrown.message}; lower vqvae.channels, decoder.dim or data.imageSize`)
      : thrown;
  if (rank === 0 && saved.length === 0 && !resume && (await run.readLog()).length === 0) {
    await run.abandon();
    return error;
  }
  if (!(error instanceof UserError || error instanceof GpuError)) {
    tell(`go on with: ${asStarted("node dist/train.js")} --resume ${run.path}`);
    return error;
  }
  const from = saved.length > 0 ? `from ${placeOf(saved)}` : "from the start, as nothing is saved yet,";
  return new UserError(
    `${error.message}; go on ${from} with: ${asStarted("node dist/train.js")} --resume ${run.path}`,
  );
}
