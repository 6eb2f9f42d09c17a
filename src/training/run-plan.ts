/** What a run would cost on this device, told before it starts (`train.js --plan`): nothing is trained or written. */

import type { Captioner } from "../captioner/captioner.js";
import type { Dataset } from "../data/dataset.js";
import { DeviceLostError, formatBytes, OutOfMemoryError } from "../engine/gpu/errors.js";
import type { Module } from "../engine/nn/module.js";
import { type Collective, gatherNumbers, shareJson, single } from "../platform/collective.js";
import { UserError } from "../platform/errors.js";
import { formatDuration } from "../report/duration.js";
import type { DecoderTraining } from "./decoder-training.js";
import { reductionOf } from "./gradient-reduction.js";
import type { StepHook } from "./model-training.js";
import { anyStops } from "./ranks.js";
import { type StepWork, stepWork } from "./step-work.js";
import { trialOfDecoder, trialOfTokenizer } from "./trial.js";

/** The epochs of the paper's training. */
const PAPER_EPOCHS = 200;
/** Seconds for which a step is repeated to measure it; at least one follows the one that compiles the kernels. */
const PROBE_SECONDS = 3;
/** A first step of more seconds is the measure itself. */
const LONG_SECONDS = 60;

export interface RunPlanOptions {
  /** The most memory of a step, in bytes. */
  memory: number;
  /** Milliseconds on any clock. */
  now: () => number;
  /** Receives each line when it is known: probes take a while. */
  tell: (line: string) => void;
  /** The processes that would train together: all of them call. Work and memory are then those of one. Default: one. */
  collective?: Collective;
}

/** A step as this process would take it. */
interface OwnPart {
  readonly captioner: Captioner;
  readonly collective: Collective;
  readonly hook: StepHook | null;
  readonly now: () => number;
}

/** Numbers of parameters by the first part of their names, in the network's order. */
export function parametersByPart(network: Module): Map<string, { trained: number; frozen: number }> {
  const parts = new Map<string, { trained: number; frozen: number }>();
  for (const { name, tensor, trained } of network.parameters()) {
    // Blocks count together.
    const part = name.split(".")[0]!.replace(/\d+$/, "s");
    const count = parts.get(part) ?? { trained: 0, frozen: 0 };
    count[trained ? "trained" : "frozen"] += tensor.size;
    parts.set(part, count);
  }
  return parts;
}

/**
 * The numbers of micro-batches that a batch can be worked through in: each of them has whole pictures, with all captions that they
 * share.
 */
export function microBatchChoices(batch: number, captionsPerImage: number): number[] {
  const pictures = batch / captionsPerImage;
  return Array.from({ length: pictures }, (_, i) => i + 1).filter((count) => pictures % count === 0);
}

/**
 * Tells parameters, work and memory of a step, the micro-batches that fit, the steps of the paper's epochs, and the time, estimated
 * from steps measured here. The captioner's weights are changed. Throws a `UserError` if no step fits.
 */
export async function tellRunPlan(
  captioner: Captioner,
  dataset: Dataset,
  { memory, now, tell, collective = single }: RunPlanOptions,
): Promise<void> {
  const { config, imageTokenizer, decoder } = captioner;
  const hook = reductionOf(collective);
  const own: OwnPart = { captioner, collective, hook, now };
  const { size } = collective;
  if (size > 1)
    tell(`${size} processes: each takes an equal part of a batch; work and memory are those of one`);
  tell("");
  tellParameters(`image tokenizer ${config.imageTokenizer}`, imageTokenizer, tell);
  if (!captioner.trainsTokenizer) tell("  it is frozen: only its codes are used");
  tellParameters(`decoder ${config.model}`, decoder, tell);

  if (captioner.trainsTokenizer) {
    const { vqvae } = config;
    const training = trialOfTokenizer(captioner, hook);
    try {
      const work = stepWork(captioner.gpu, () => training.plan());
      tell("");
      // Convolutions have no operations of their own in `work`: a forward and two backward passes.
      const operations = 6 * (imageTokenizer.multiplyAdds ?? 0) * (vqvae.batch / size);
      tell(`step of the image tokenizer, batch ${vqvae.batch}: ${workText({ ...work, operations })}`);
      if (work.peakBytes > memory)
        tell(`  this is above ${formatBytes(memory)}: lower vqvae.batch or vqvae.channels`);
      const seconds = await secondsOfStep(training, own);
      tell(
        `  estimate: ${stepTime(seconds)} a step, ${vqvae.steps} steps in ${formatDuration(seconds * vqvae.steps)}`,
      );
    } finally {
      training.dispose();
    }
  }

  tell("");
  const { batch, captionsPerImage, checkpointing } = config.decoder;
  tell(
    `step of the decoder, batch ${batch}${checkpointing ? ", with checkpointing" : ""}, by micro-batches:`,
  );
  let chosen: { count: number; work: StepWork } | null = null;
  for (const count of microBatchChoices(batch / size, captionsPerImage)) {
    const work = decoderWork(own, count);
    const fitsHere = typeof work !== "string" && work.peakBytes <= memory;
    const fits = !(await anyStops(collective, !fitsHere, false));
    tell(
      `  ${String(count).padStart(4)}: ${typeof work === "string" ? work : `${workText(work)}${fits ? "" : ": too much"}`}`,
    );
    if (!fits || typeof work === "string") continue;
    chosen = { count, work };
    break;
  }
  if (!chosen) {
    const advice = checkpointing ? "lower decoder.dim or decoder.blocks" : "set decoder.checkpointing=true";
    throw new UserError(
      `no step of batch ${batch} fits in ${formatBytes(memory)}, even one caption at a time; ${advice}, or give more with --memory`,
    );
  }
  const { count } = chosen;
  const given = config.decoder.microBatches;
  tell(
    `  chosen: decoder.microBatches=${count}, the fewest within ${formatBytes(memory)}${given === count ? "" : ` (the settings say ${given})`}`,
  );

  const captions = dataset.splits.train!.reduce(
    (sum, record) => sum + dataset.records[record]!.captions.length,
    0,
  );
  const epoch = captions / batch;
  const steps = Math.round(PAPER_EPOCHS * epoch);
  tell("");
  tell(
    `steps:   ${captions} training captions are ${rounded(epoch)} batches of ${batch}: ${PAPER_EPOCHS} epochs are ${steps} steps; decoder.steps=${config.decoder.steps} are ${rounded(config.decoder.steps / epoch)} epochs`,
  );
  const seconds = await secondsOfDecoderStep(own, count);
  hook?.dispose();
  tell(
    `time:    ESTIMATE from measured micro-batches: ${stepTime(seconds)} a step; ${config.decoder.steps} steps in ${formatDuration(seconds * config.decoder.steps)}, ${PAPER_EPOCHS} epochs in ${formatDuration(seconds * steps)}`,
  );
  tell(
    `speed:   ${rounded(chosen.work.operations / seconds / 1e9)} GFLOP/s of products and attention over the whole step`,
  );
}

function tellParameters(title: string, network: Module, tell: (line: string) => void): void {
  const parts = [...parametersByPart(network)];
  const millions = (count: number) => (count / 1e6).toFixed(3).padStart(8);
  const trained = parts.reduce((sum, [, part]) => sum + part.trained, 0);
  const frozen = parts.reduce((sum, [, part]) => sum + part.frozen, 0);
  tell(`parameters of the ${title}, in millions:`);
  const width = Math.max(5, ...parts.map(([name]) => name.length));
  const line = (name: string, part: { trained: number; frozen: number }) =>
    tell(
      `  ${name.padEnd(width)} ${millions(part.trained)} trained${part.frozen > 0 ? `, ${millions(part.frozen).trim()} not trained` : ""}`,
    );
  for (const [name, part] of parts) line(name, part);
  line("total", { trained, frozen });
}

function workText({ dispatches, operations, boundBytes, peakBytes }: StepWork): string {
  const products = operations > 0 ? `, ${(operations / 1e9).toFixed(1)} GFLOP` : "";
  return `${dispatches} dispatches${products}, ${formatBytes(boundBytes)} bound, peak memory ${formatBytes(peakBytes)}`;
}

const stepTime = (seconds: number) =>
  seconds < 10 ? `${rounded(1000 * seconds)} ms` : formatDuration(seconds);

const rounded = (value: number) => String(Number(value.toPrecision(3)));

/** The work of a step in `count` micro-batches, or a sentence why the device refuses it. */
function decoderWork({ captioner, hook }: OwnPart, count: number): StepWork | string {
  let training: DecoderTraining | null = null;
  try {
    training = trialOfDecoder(captioner, { microBatches: count }, hook);
    return stepWork(captioner.gpu, () => training!.plan());
  } catch (error) {
    if (error instanceof DeviceLostError || !(error instanceof Error)) throw error;
    return error instanceof OutOfMemoryError
      ? "more than this device has"
      : `not possible here (${error.message})`;
  } finally {
    training?.dispose();
    captioner.gpu.trim();
  }
}

/**
 * Seconds of a step in `count` micro-batches, from those of steps in one and in two: the first has the update, and each further one
 * costs the difference.
 */
export function secondsOfParts(count: number, one: number, two: number): number {
  return one + (count - 1) * Math.max(0, two - one);
}

/** Seconds of a whole step, measured on one and two of its micro-batches. */
async function secondsOfDecoderStep(own: OwnPart, count: number): Promise<number> {
  const { captioner, hook } = own;
  const size = captioner.config.decoder.batch / count;
  const measure = async (microBatches: number) => {
    const training = trialOfDecoder(captioner, { microBatches, batch: size * microBatches }, hook);
    try {
      return await secondsOfStep(training, own);
    } finally {
      training.dispose();
      captioner.gpu.trim();
    }
  };
  const one = await measure(1);
  if (count === 1) return one;
  return secondsOfParts(count, one, await measure(2));
}

/** Seconds of a step of the slowest process; all take as many as rank 0. */
async function secondsOfStep(
  training: { step(step: number): Promise<unknown> },
  { collective, now }: OwnPart,
): Promise<number> {
  const slowest = async (seconds: number) => Math.max(...(await gatherNumbers(collective, seconds)));
  const start = now();
  await training.step(1);
  const began = now();
  // Compiling kernels takes seconds: little of a step that takes so long.
  if (await shareJson(collective, began - start > 1000 * LONG_SECONDS))
    return slowest((began - start) / 1000);
  let steps = 0;
  let seconds = 0;
  while (await shareJson(collective, seconds < PROBE_SECONDS && steps < 20)) {
    await training.step(2 + steps);
    steps++;
    seconds = (now() - began) / 1000;
  }
  return slowest(seconds / steps);
}
