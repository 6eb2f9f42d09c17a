/** Captions of the settings of a sweep, with their push and reference-free scores; what is kept already is not made again. */

import type { Captioner } from "../../captioner/captioner.js";
import { PushMeter } from "../../diffusion/push.js";
import { type SamplingOptions, samplingSettingsOf } from "../../models/sampling-settings.js";
import type { Platform } from "../../platform/platform.js";
import type { LineStore } from "./line-store.js";
import type { SplitPictures } from "./pictures.js";
import { type SweepPoint, samplingOf } from "./points.js";
import type { ReferenceFree } from "./reference-free.js";

/** What is kept of a setting: for each seed a caption and a reference-free score of each picture. */
export interface Said {
  readonly captions: readonly (readonly string[])[];
  readonly free: readonly Float64Array[];
  /** Mean KL(p_guided ‖ p_full) over seeds, steps and positions, nats; the temperature counts as guidance, top-r does not. */
  readonly push: number;
}

/** What all parts of a sweep use. */
export interface SweepTools {
  readonly captioner: Captioner;
  /** SHA-256 of the weights. */
  readonly weights: string;
  /** The caller's sampling options that no point changes: `last`, `sampler`, … */
  readonly sampling: SamplingOptions;
  readonly free: ReferenceFree;
  readonly store: LineStore;
  readonly hash: Platform["hash"];
  /** Network passes made since the last call. */
  readonly onPasses?: ((passes: number) => void) | undefined;
}

/** A temperature of 0 is this one in the sampler. */
const greedyTemperature = 1e-3;

/** The keys of a setting's lines for a seed: of its captions, and of their reference-free scores. */
async function keysOf(
  { captioner, weights, sampling, free, hash }: SweepTools,
  pictures: SplitPictures,
  { key }: SweepPoint,
  seed: number,
): Promise<{ captions: string; free: string }> {
  const { last, allowUnknown, sampler, remask, candidates } = samplingSettingsOf(captioner.config, sampling);
  const { precision } = captioner.config.decoder;
  const rest = [precision, last, allowUnknown, sampler, remask, candidates];
  const captions = await hash("sha-256", JSON.stringify([weights, pictures.hash, key, seed, ...rest]));
  return { captions, free: await hash("sha-256", JSON.stringify([captions, free.id])) };
}

/** Network passes that a setting still needs, the reference-free score's included. */
export async function passesLeft(
  tools: SweepTools,
  pictures: SplitPictures,
  point: SweepPoint,
  seeds: readonly number[],
): Promise<number> {
  const { candidates } = samplingSettingsOf(tools.captioner.config, tools.sampling);
  let passes = 0;
  for (const seed of seeds) {
    const keys = await keysOf(tools, pictures, point, seed);
    const { length } = pictures.records;
    if (!keptCaptions(tools.store, keys.captions, length)) passes += point.passes * candidates * length;
    if (!keptScores(tools.store, keys.free, length)) passes += tools.free.passes * length;
  }
  return passes;
}

/** The captions of a setting with all seeds: kept ones, or new ones, which are then kept. */
export async function say(
  tools: SweepTools,
  pictures: SplitPictures,
  point: SweepPoint,
  seeds: readonly number[],
): Promise<Said> {
  const captions: (readonly string[])[] = [];
  const free: Float64Array[] = [];
  let push = 0;
  const { length } = pictures.records;
  for (const seed of seeds) {
    const keys = await keysOf(tools, pictures, point, seed);
    const line = { point: point.key, split: pictures.split, seed };
    let kept = keptCaptions(tools.store, keys.captions, length);
    if (!kept) {
      kept = await draw(tools, pictures, point, seed);
      await tools.store.add({ key: keys.captions, ...line, ...kept });
    }
    captions.push(kept.captions);
    push += kept.push / seeds.length;
    let scores = keptScores(tools.store, keys.free, length);
    if (!scores) {
      scores = await tools.free.score(pictures, kept.captions);
      // JSON has no NaN: null is read back as one.
      await tools.store.add({ key: keys.free, ...line, of: tools.free.name, scores: [...scores] });
      tools.onPasses?.(tools.free.passes * length);
    }
    free.push(scores);
  }
  return { captions, free, push };
}

interface Drawn {
  readonly captions: readonly string[];
  readonly push: number;
}

async function draw(
  { captioner, sampling, onPasses }: SweepTools,
  { codes }: SplitPictures,
  { settings, passes }: SweepPoint,
  seed: number,
): Promise<Drawn> {
  const { candidates } = samplingSettingsOf(captioner.config, sampling);
  const meter = new PushMeter(settings.temperature || greedyTemperature);
  let told = 0;
  try {
    const captions = await captioner.captionCodes(codes, {
      ...sampling,
      ...samplingOf(settings),
      seed,
      watch: (scores, _tokens, _attention, logits) => meter.add(logits!, scores),
      onBatch: (done) => {
        onPasses?.((done - told) * passes * candidates);
        told = done;
      },
    });
    return { captions: captions.map(({ text }) => text), push: await meter.mean() };
  } finally {
    meter.dispose();
  }
}

function keptCaptions(store: LineStore, key: string, count: number): Drawn | null {
  const { captions, push } = store.get(key) ?? {};
  const whole =
    typeof push === "number" &&
    Array.isArray(captions) &&
    captions.length === count &&
    captions.every((text) => typeof text === "string");
  return whole ? { captions: captions as readonly string[], push } : null;
}

function keptScores(store: LineStore, key: string, count: number): Float64Array | null {
  const { scores } = store.get(key) ?? {};
  const whole =
    Array.isArray(scores) &&
    scores.length === count &&
    scores.every((score) => score === null || typeof score === "number");
  return whole
    ? Float64Array.from(scores as readonly (number | null)[], (score) => score ?? Number.NaN)
    : null;
}
