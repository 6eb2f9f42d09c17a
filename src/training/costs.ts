/** Measures the cost of each part of a run on this machine by running a little of it. */

import { imagesPerBatch } from "../captioner/batch.js";
import type { Captioner } from "../captioner/captioner.js";
import { type Collective, gatherNumbers, shareJson, single } from "../platform/collective.js";
import { reductionOf } from "./gradient-reduction.js";
import { trialOfDecoder, trialOfTokenizer } from "./trial.js";

/** Seconds. */
export interface Costs {
  /** One training step of each stage. */
  vqvaeStep: number;
  decoderStep: number;
  /** Encoding one picture. */
  encode: number;
  /** One caption, with the run's own `sampling`. */
  caption: number;
  /** One caption at one step t of the bound. */
  bound: number;
}

/** Seconds for which each part is repeated. */
const LEAST_SECONDS = 0.6;
const MOST_TIMES = 20;

/**
 * Measures a run with this captioner's settings. This trains the captioner, which is useless afterwards. Every part runs once
 * before it is timed, so that kernel compilation does not count (the run reuses the compiled kernels). Pictures and captions are
 * all zeros: no timing depends on their values. Returns null if `goesOn` finds the measured steps too slow to measure the rest. Of
 * several processes each takes its part of a step, reductions included; the slowest decides, and rank 0's `goesOn`.
 */
export async function measureCosts(
  captioner: Captioner,
  now: () => number,
  goesOn: (steps: Pick<Costs, "vqvaeStep" | "decoderStep">) => boolean,
  collective: Collective = single,
): Promise<Costs | null> {
  const secondsOf = async (body: () => Promise<unknown>) => {
    await body();
    const began = now();
    let [times, seconds] = [0, 0];
    // All take the same number of steps.
    while (await shareJson(collective, times < MOST_TIMES && seconds < LEAST_SECONDS)) {
      await body();
      seconds = (now() - began) / 1000;
      times++;
    }
    return Math.max(...(await gatherNumbers(collective, seconds / times)));
  };
  const { config, imageTokenizer, decoder, positions } = captioner;
  const { data, sampling } = config;
  const hook = reductionOf(collective);
  const tokenizing = captioner.trainsTokenizer ? trialOfTokenizer(captioner, hook) : null;
  const captioning = trialOfDecoder(captioner, {}, hook);
  let [vqvaeSteps, decoderSteps] = [0, 0];
  const vqvaeStep = tokenizing ? await secondsOf(() => tokenizing.step(++vqvaeSteps)) : 0;
  const decoderStep = await secondsOf(() => captioning.step(++decoderSteps));
  tokenizing?.dispose();
  captioning.dispose();
  hook?.dispose();
  if (!(await shareJson(collective, goesOn({ vqvaeStep, decoderStep })))) return null;

  const atOnce = imageTokenizer.picturesAtOnce ?? imagesPerBatch;
  const pictures = new Uint8Array(atOnce * data.imageSize ** 2 * 3);
  const encode = await secondsOf(() => captioner.encodeAll(pictures));
  const codes = new Uint32Array(imagesPerBatch * positions);
  const steps = Math.min(2, sampling.steps);
  const captions = await secondsOf(() => captioner.captionCodes(codes, { steps }));
  const words = new Uint32Array(data.maxLength);
  const { likelihood } = decoder;
  const bounds = likelihood
    ? await secondsOf(() =>
        likelihood!.bound(
          Array(imagesPerBatch).fill(words),
          Array(imagesPerBatch).fill(codes.subarray(0, positions)),
          { steps: 1, seed: 0 },
        ),
      )
    : 0;
  return {
    vqvaeStep,
    decoderStep,
    encode: encode / atOnce,
    caption: (captions / imagesPerBatch) * (sampling.steps / steps),
    bound: bounds / imagesPerBatch,
  };
}
