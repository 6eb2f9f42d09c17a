/** The first steps of the quick preset, as the phases train them: on the stored codes, within the time there is. */

import type { Captioner } from "../../dist/captioner/captioner.js";
import type { Dataset } from "../../dist/data/dataset.js";
import type { Gpu } from "../../dist/engine/gpu/gpu.js";
import type { Stage } from "../../dist/training/trainer.js";
import { type FirstLosses, firstLosses } from "../browser/numbers.js";
import type { Context, Host } from "./phase.js";
import { type StoredLosses, storedCodes } from "./stored-losses.js";

export async function storedLosses({ host }: Context): Promise<StoredLosses> {
  return JSON.parse(await host.text("quick-losses.json")) as StoredLosses;
}

export interface QuickOptions {
  steps: number;
  /** The only stage to train; default both. */
  only?: Stage | undefined;
  set?: readonly string[];
  /** Where in the phase this training lies, from 0 to 1. */
  from?: number;
  to?: number;
  what?: string;
  /** Called with the captioner of each stage, in which this stage alone is trained. */
  trained?(captioner: Captioner, stage: Stage): Promise<void>;
}

const datasets = new WeakMap<Host, Promise<Dataset>>();

/** The training pictures, loaded once for all trainings of a phase. */
function datasetOf(host: Host): Promise<Dataset> {
  const dataset = datasets.get(host) ?? host.dataset();
  datasets.set(host, dataset);
  return dataset;
}

/**
 * Trains both stages, each from the first weights: the decoder's losses are then the same however many steps the VQ-VAE has had.
 */
export async function trainQuick(
  context: Context,
  gpu: Gpu,
  { steps, only: alone, set = [], from = 0, to = 1, what = "", trained }: QuickOptions,
): Promise<FirstLosses> {
  const stored = await storedLosses(context);
  context.progress(from, `${what}training pictures`);
  const dataset = await datasetOf(context.host);
  const onStep = (stage: Stage, step: number) => {
    const done = alone ? step / steps : (stage === "vqvae" ? 0 : 0.5) + (0.5 * step) / steps;
    context.progress(from + (to - from) * done, `${what}${stage}, step ${step} of ${steps}`);
  };
  const data = { dataset, codes: storedCodes(stored) };
  const train = (only: Stage) =>
    firstLosses(gpu, context.host.platform, data, steps, {
      only,
      set,
      onStep,
      trained: async (captioner) => trained?.(captioner, only),
    });
  if (alone) return train(alone);
  const { vqvae } = await train("vqvae");
  return { ...(await train("decoder")), vqvae };
}

/** Steps that fit into `seconds`, at most `most`, by the time that a few have taken after the kernels were compiled. */
export async function stepsWithin(
  context: Context,
  gpu: Gpu,
  seconds: number,
  most: number,
  only?: Stage,
): Promise<number> {
  await trainQuick(context, gpu, { steps: 1, only, to: 0.05, what: "compiling: " });
  const began = performance.now();
  await trainQuick(context, gpu, { steps: 3, only, from: 0.05, to: 0.1, what: "how long a step takes: " });
  const each = (performance.now() - began) / 3000;
  const left = Math.min(seconds, (context.until - performance.now()) / 1000);
  return Math.max(2, Math.min(most, Math.floor((0.9 * left) / each)));
}
