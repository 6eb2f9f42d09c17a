/**
 * Captions of the settings of a sweep, with their push and reference-free scores; what is kept already is not made again.
 */

import type { Captioner } from "../../captioner/captioner.js";
import { PushMeter } from "../../diffusion/push.js";
import { type SamplingOptions, samplingSettingsOf } from "../../models/sampling-settings.js";
import { type Collective, gatherJson, ownPart, shareJson, single } from "../../platform/collective.js";
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
  /** Where the first process keeps what is done; null on the others. */
  readonly store: LineStore | null;
  /** Processes that share the work; default: this one alone. */
  readonly collective?: Collective | undefined;
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

/** A setting with a seed that is not kept whole: captions are drawn unless they are `kept`, and scored without references. */
export interface Job {
  readonly point: SweepPoint;
  readonly seed: number;
  readonly kept: Drawn | null;
}

/** What is left to do of the settings `points` with all `seeds`, the same list on every process. */
export async function jobsOf(
  tools: SweepTools,
  pictures: SplitPictures,
  points: readonly SweepPoint[],
  seeds: readonly number[],
): Promise<Job[]> {
  const { store, collective = single } = tools;
  const jobs: Job[] = [];
  const { length } = pictures.records;
  for (const point of store ? points : []) {
    for (const seed of seeds) {
      const keys = await keysOf(tools, pictures, point, seed);
      const kept = keptCaptions(store!, keys.captions, length);
      if (!kept || !keptScores(store!, keys.free, length)) jobs.push({ point, seed, kept });
    }
  }
  return shareJson(collective, jobs);
}

/** Network passes of a job, the reference-free score's included. */
export function passesOfJob(tools: SweepTools, { length }: SplitPictures["records"], job: Job): number {
  return passesToDraw(tools, length, job) + tools.free.passes * length;
}

function passesToDraw({ captioner, sampling }: SweepTools, length: number, { point, kept }: Job): number {
  const { candidates } = samplingSettingsOf(captioner.config, sampling);
  return kept ? 0 : point.passes * candidates * length;
}

/**
 * Does the jobs, each process another one at a time: whole settings and seeds, so that captions and push are those of one process to
 * the bit. The first process keeps captions as soon as they are drawn. `onJob` is called with each job of this process.
 */
export async function doJobs(
  tools: SweepTools,
  pictures: SplitPictures,
  jobs: readonly Job[],
  onJob?: (job: Job) => void,
): Promise<void> {
  const { store, free, collective = single, onPasses } = tools;
  const { rank, size } = collective;
  const { length } = pictures.records;
  for (let first = 0; first < jobs.length; first += size) {
    const round = jobs.slice(first, first + size);
    const job = round[rank];
    if (job) onJob?.(job);
    const drawn = await ownPart(
      collective,
      async () => job && (job.kept ?? (await draw(tools, pictures, job))),
    );
    const all = await gatherJson(collective, drawn ?? null);
    for (const [i, { point, seed, kept }] of round.entries()) {
      if (kept) continue;
      if (i !== rank) onPasses?.(passesToDraw(tools, length, round[i]!));
      const { captions } = await keysOf(tools, pictures, point, seed);
      await store?.add({ key: captions, ...lineOf(pictures, round[i]!), ...all[i]! });
    }
    const scores = await ownPart(
      collective,
      async () => drawn && [...(await free.score(pictures, drawn.captions))],
    );
    for (const [i, own] of (await gatherJson(collective, scores ?? null)).entries()) {
      const of = round[i];
      if (!of) continue;
      const keys = await keysOf(tools, pictures, of.point, of.seed);
      // JSON has no NaN: null is read back as one.
      await store?.add({ key: keys.free, ...lineOf(pictures, of), of: free.name, scores: own! });
      onPasses?.(free.passes * length);
    }
  }
}

const lineOf = ({ split }: SplitPictures, { point, seed }: Job) => ({ point: point.key, split, seed });

/** What is kept of a setting with all seeds, once its jobs are done. */
export async function said(
  tools: SweepTools & { readonly store: LineStore },
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
    const kept = keptCaptions(tools.store, keys.captions, length)!;
    captions.push(kept.captions);
    push += kept.push / seeds.length;
    free.push(keptScores(tools.store, keys.free, length)!);
  }
  return { captions, free, push };
}

/** Captions of a setting with a seed, and their mean push. */
interface Drawn {
  readonly captions: readonly string[];
  readonly push: number;
}

async function draw(
  { captioner, sampling, onPasses }: SweepTools,
  { codes }: SplitPictures,
  { point: { settings, passes }, seed }: Job,
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
