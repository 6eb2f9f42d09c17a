/**
 * Plans a run in a given time: how many steps each stage gets, how often they are measured and saved and how many pictures are
 * scored, from the cost of each on this machine. Corrects the plan when the machine turns out faster or slower.
 */

import type { Config } from "../config/config.js";
import type { Dataset } from "../data/dataset.js";
import { boundSteps } from "../evaluation/held-out-bound.js";
import { recordsOf, testSplits } from "../evaluation/pictures.js";
import { type Collective, shareJson } from "../platform/collective.js";
import { UserError } from "../platform/errors.js";
import { formatDuration } from "../report/duration.js";
import type { Costs } from "./costs.js";
import { shown } from "./held-out.js";
import type { Stage } from "./trainer.js";

/** Settings that a plan sets. */
export const PLANNED_KEYS: readonly string[] = [
  "vqvae.steps",
  "vqvae.warmup",
  "decoder.steps",
  "decoder.warmup",
  "log.evaluateEvery",
  "log.sampleEvery",
  "log.checkpointEvery",
  "log.scored",
];

/** Gives every process the planned settings of rank 0, which alone has the plan. */
export async function sharePlanned(collective: Collective, { vqvae, decoder, log }: Config): Promise<void> {
  const planned = await shareJson(collective, { vqvae, decoder, log });
  Object.assign(vqvae, planned.vqvae);
  Object.assign(decoder, planned.decoder);
  Object.assign(log, planned.log);
}

/** Share of the minutes for scores, bound and report at the end; more if the least number of pictures takes more. */
const CLOSING_SHARE = 0.15;
/** Share of the minutes for measures while the decoder trains. */
const MEASURING_SHARE = 0.06;
const MOST_MEASURES = 6;
/** Scored pictures of a split: fewer say too little, more are left to `evaluate.js`. */
const SCORED = { least: 8, most: 100 };
/** Number of checkpoints of the decoder; a plan is corrected at each. */
const CHECKPOINTS = 16;
/** The warm-up takes at most this share of a stage. */
const WARMUP_SHARE = 0.1;
/** Seconds at the end that do not depend on the number of pictures: weights, resampling, pages. */
const CLOSING_SECONDS = 4;
/** Fewest steps of the decoder that count as training. */
const LEAST_STEPS = 50;
/** Smaller corrections, as a share, do not justify another learning-rate schedule. */
const SMALLEST_CORRECTION = 0.02;

/** Pictures, and their captions. */
export interface PictureCount {
  pictures: number;
  captions: number;
}

/** Quantities beside the settings that determine the duration of a run's parts. */
export interface WorkLoad {
  trainingPictures: number;
  /** Pictures that are measured during training. */
  heldOut: PictureCount;
  /** Pictures of all test splits, if `scored` pictures of each are scored. */
  tested(scored: number): PictureCount;
}

export function workLoad(dataset: Dataset, heldOut: readonly number[]): WorkLoad {
  const count = (records: readonly number[]): PictureCount => ({
    pictures: records.length,
    captions: records.reduce((sum, record) => sum + dataset.records[record]!.captions.length, 0),
  });
  return {
    trainingPictures: dataset.splits.train!.length,
    heldOut: count(heldOut),
    tested: (scored) => count(testSplits(dataset).flatMap((split) => recordsOf(dataset, split, scored))),
  };
}

export interface TimePlanOptions {
  /** The configuration to plan: the plan sets its `PLANNED_KEYS`. The ratio of the two stages' steps stays as it is. */
  config: Config;
  costs: Costs;
  work: WorkLoad;
  /** Whether only the VQ-VAE is trained. */
  vqvaeOnly: boolean;
  /** The current time in milliseconds, on the clock of `began` and `deadline`. */
  now: () => number;
  began: number;
  deadline: number;
}

export class TimePlan {
  readonly config: Config;
  readonly #options: TimePlanOptions;
  readonly #costs: Costs;
  /** Steps of the decoder for each of the VQ-VAE. */
  readonly #ratio: number;
  /** Seconds that the run is planned for. */
  readonly #total: number;
  /** Time of a step over the measured one: the mean of the last two corrections. */
  #slowness = 1;
  readonly #since = { steps: 0, ms: 0 };

  /** Throws a `UserError` if the time is too short for training. */
  constructor(options: TimePlanOptions) {
    const { config, vqvaeOnly } = options;
    this.#options = options;
    this.config = config;
    const { vqvaeStep } = options.costs;
    // Skipped work costs nothing.
    const alone = { vqvaeStep, decoderStep: 0, encode: 0, caption: 0, bound: 0 };
    this.#costs = vqvaeOnly ? alone : options.costs;
    this.#ratio = vqvaeOnly ? 0 : config.decoder.steps / config.vqvae.steps;
    const { log, vqvae, decoder } = config;
    const total = (options.deadline - options.began) / 1000;
    this.#total = total;
    log.scored = this.#affordable(SCORED.most, CLOSING_SHARE * total);
    const measures = Math.min(
      MOST_MEASURES,
      Math.max(1, Math.floor((MEASURING_SHARE * total) / this.#measuring())),
    );
    const left = this.#left();
    const training = left - this.#closing() - this.#encoding() - measures * this.#measuring();
    const { decoderStep } = this.#costs;
    const steps = training / (vqvaeStep + this.#ratio * decoderStep);
    vqvae.steps = Math.max(1, Math.floor(steps));
    if (vqvaeOnly ? steps < LEAST_STEPS : steps * this.#ratio < LEAST_STEPS) {
      const least = LEAST_STEPS * (vqvaeOnly ? vqvaeStep : vqvaeStep / this.#ratio + decoderStep);
      const minutes = (total - training + least) / 60;
      throw new UserError(
        `minutes=${config.minutes} is too short: start, measures and scores take ${formatDuration(total - training)} here, which leaves ${Math.max(0, Math.floor(vqvaeOnly ? steps : steps * this.#ratio))} steps; give at least ${Math.ceil(10 * minutes) / 10}`,
      );
    }
    if (!vqvaeOnly) decoder.steps = Math.floor(steps * this.#ratio);
    vqvae.warmup = Math.min(vqvae.warmup, Math.round(WARMUP_SHARE * vqvae.steps));
    decoder.warmup = Math.min(decoder.warmup, Math.round(WARMUP_SHARE * decoder.steps));
    const longest = vqvaeOnly ? vqvae.steps : decoder.steps;
    log.evaluateEvery = Math.ceil(longest / measures);
    log.checkpointEvery = Math.ceil(longest / CHECKPOINTS);
    log.sampleEvery = 0;
  }

  /**
   * Called after each step with its duration in milliseconds. Returns the number of steps of the stage. It changes only if
   * `isSaved` says that a checkpoint follows, so that a resume goes on with the same schedule, or if the time is over. Also sets
   * `config`.
   */
  after(stage: Stage, step: number, ms: number, isSaved: boolean): number {
    const costs = this.#costs;
    const settings = this.config[stage];
    this.#since.steps++;
    this.#since.ms += ms;
    const measured = stage === "vqvae" ? costs.vqvaeStep : costs.decoderStep;
    const stepSeconds = this.#since.ms / this.#since.steps / 1000;
    const isLast = step >= settings.steps;
    if (isSaved || isLast) {
      this.#slowness = Math.sqrt(this.#slowness * Math.min(10, Math.max(0.1, stepSeconds / measured)));
      Object.assign(this.#since, { steps: 0, ms: 0 });
    }
    if (isLast) return settings.steps;
    if (this.#left() < stepSeconds + this.#closing(SCORED.least) + this.#measuring()) {
      settings.steps = step;
      return step;
    }
    if (!isSaved) return settings.steps;
    const left = this.#leftForSteps(stage, step);
    if (stage === "vqvae") {
      const ratio = this.#ratio;
      const decoderStep = costs.decoderStep * this.#slowness;
      // The stages share the time left so that the ratio of their steps stays as it is.
      const all = Math.floor((left + step * stepSeconds) / (stepSeconds + ratio * decoderStep));
      this.#setSteps(stage, step, all);
      if (ratio > 0) this.config.decoder.steps = Math.max(LEAST_STEPS, Math.floor(settings.steps * ratio));
    } else this.#setSteps(stage, step, step + Math.floor(left / stepSeconds));
    return settings.steps;
  }

  /** Number of pictures of each split that there is time to score. Also sets `config`. */
  scored(): number {
    const { log } = this.config;
    log.scored = this.#affordable(log.scored, this.#left());
    return log.scored;
  }

  /** Lines to print: the choices, the reasons, and the effect of more time. */
  describe(): string[] {
    const { costs, work, vqvaeOnly } = this.#options;
    const { minutes, vqvae, decoder, log } = this.config;
    const ms = (seconds: number) => `${(1000 * seconds).toPrecision(seconds < 0.01 ? 2 : 3)} ms`;
    const passes = (steps: number) => {
      const count = (steps * decoder.batch) / decoder.captionsPerImage / work.trainingPictures;
      return `${Number(count.toPrecision(2))} passes over the ${work.trainingPictures} pictures`;
    };
    const stages = [`vqvae ${vqvae.steps} steps of ${ms(costs.vqvaeStep)}`];
    if (!vqvaeOnly)
      stages.push(`decoder ${decoder.steps} steps of ${ms(costs.decoderStep)}, ${passes(decoder.steps)}`);
    const first = `plan:    ${formatDuration(60 * minutes)} in all: ${stages.join("; ")}`;
    if (vqvaeOnly) return [first];
    const more = decoder.steps + (60 * minutes) / (costs.decoderStep + costs.vqvaeStep / this.#ratio);
    return [
      `${first};`,
      `         ${formatDuration(this.#closing())} for scores of at most ${log.scored} pictures a split; ${formatDuration(120 * minutes)} would bring ${passes(more)}`,
    ];
  }

  #setSteps(stage: Stage, step: number, wanted: number): void {
    const settings = this.config[stage];
    const steps = Math.max(step + 1, wanted);
    if (Math.abs(steps - settings.steps) >= SMALLEST_CORRECTION * settings.steps) settings.steps = steps;
  }

  /** Seconds until the deadline. */
  #left(): number {
    return (this.#options.deadline - this.#options.now()) / 1000;
  }

  /** Seconds for the remaining steps, of both stages while the first is trained. */
  #leftForSteps(stage: Stage, step: number): number {
    const { decoder, log } = this.config;
    const done = stage === "decoder" ? step : 0;
    const measures = Math.ceil((decoder.steps - done) / log.evaluateEvery);
    if (measures > 1 && measures * this.#measuring() > 2 * MEASURING_SHARE * this.#total) {
      // Only the last measure remains.
      log.evaluateEvery = decoder.steps;
      return this.#leftForSteps(stage, step);
    }
    const encoding = stage === "vqvae" ? this.#encoding() : 0;
    const closing = this.#closing(this.#affordable(log.scored, CLOSING_SHARE * this.#total));
    return this.#left() - closing - encoding - measures * this.#measuring();
  }

  /** Number of pictures of each split, at most `scored`, whose closing fits in `seconds`, but no fewer than the least. */
  #affordable(scored: number, seconds: number): number {
    let count = scored;
    while (count > SCORED.least && this.#closing(count) > seconds) count--;
    return count;
  }

  /** Seconds from the last step to the end, if `scored` pictures of each split are scored. */
  #closing(scored = this.config.log.scored): number {
    const costs = this.#costs;
    const { work } = this.#options;
    const { pictures, captions } = work.tested(scored);
    const encoded = work.trainingPictures + pictures + 2 * shown;
    // Each picture is captioned twice: with its own codes and, as a control, with another's.
    const seconds =
      encoded * costs.encode + (2 * pictures + shown) * costs.caption + captions * boundSteps * costs.bound;
    return CLOSING_SECONDS + this.#slowness * seconds;
  }

  /** Seconds of one measure of the decoder. */
  #measuring(): number {
    const { caption, bound } = this.#costs;
    const { pictures, captions } = this.#options.work.heldOut;
    return this.#slowness * (pictures * caption + captions * boundSteps * bound);
  }

  /** Seconds between the stages. */
  #encoding(): number {
    const { work, config } = this.#options;
    return this.#slowness * work.trainingPictures * (1 + config.data.augment) * this.#costs.encode;
  }
}
