/** Profile of whole training steps: what they take in time, dispatches and memory, and which kernels take it. */

import { Captioner } from "../dist/captioner.js";
import { resolveConfig } from "../dist/config.js";
import { WordTokenizer } from "../dist/text/words.js";
import { DecoderTraining } from "../dist/training/decoder-training.js";
import { VqVaeTraining } from "../dist/training/vqvae-training.js";
import { quantile } from "./measure.js";
import { randomSource } from "./random.js";
import { align, bytes, percent, significant } from "./report.js";

/**
 * @typedef {import("./types.js").Gpu} Gpu
 *
 * @typedef {object} StepProfile
 * @property {string} stage
 * @property {string} shape
 * @property {number} ms Median wall clock of a step, reading its losses back included.
 * @property {number} spread
 * @property {number} steps
 * @property {number} encodeMs Median time in JavaScript to replay the captured work.
 * @property {number} encodeBestMs
 * @property {number} firstMs The first step: compiling, recording, capturing.
 * @property {number} dispatches Per step.
 * @property {number} submits
 * @property {number} buffersCreated Per step after the warm-up.
 * @property {number} bindGroupsCreated
 * @property {number} pipelines
 * @property {number} peakBytes Most in use during the first step and later ones, besides the captured work.
 * @property {[string, number][]} peakByLabel
 * @property {number} capturedBytes
 * @property {[string, number][]} capturedByLabel
 * @property {import("../dist/gpu/profiler.js").KernelTime[] | null} kernels Per step; null without timestamps.
 */

/** As many words as the full emoji captions have; the quick preset's subset has fewer. */
const vocabulary = 1741;
const warmup = 2;
const timedMs = 4000;
const mostSteps = 20;
const fewestSteps = 3;
const profiledSteps = 2;
const seed = 1;

/**
 * One profile of a decoder step and one of a VQ-VAE step, on random data.
 * @param {Gpu} gpu
 * @param {string} preset
 * @param {number | undefined} count Steps to time.
 * @param {(text: string) => void} progress
 * @returns {Promise<StepProfile[]>}
 */
export async function profileSteps(gpu, preset, count, progress) {
  const config = resolveConfig({ preset });
  const words = Array.from({ length: vocabulary - 2 }, (_, i) => `word${i}`);
  const captioner = new Captioner(gpu, config, new WordTokenizer(words));
  const random = randomSource(1);
  const { length, codes, dim, blocks } = captioner.decoder.shape;
  const profiles = [];

  progress("decoder step");
  const captions = {
    tokens: random.ids(config.decoder.batch * length, vocabulary),
    codes: random.ids(config.decoder.batch * captioner.positions, codes),
  };
  const decoder = new DecoderTraining(
    captioner.decoder,
    captioner.schedule,
    config.decoder,
    seed,
    () => captions,
  );
  profiles.push(
    await profileStep(gpu, decoder, count, {
      stage: "decoder",
      shape: `${config.decoder.batch} captions of ${length} tokens, ${captioner.positions} codes, M = ${vocabulary}, d = ${dim}, ${blocks} blocks, ${captioner.decoder.parameterCount} parameters`,
    }),
  );
  decoder.dispose();

  progress("VQ-VAE step");
  const { imageSize } = config.data;
  const picture = Uint8Array.from(random.ids(config.vqvae.batch * imageSize ** 2 * 3, 256));
  const vqvae = new VqVaeTraining(captioner.vqvae, config.vqvae, seed, (_, images) => images.set(picture));
  profiles.push(
    await profileStep(gpu, vqvae, count, {
      stage: "vqvae",
      shape: `${config.vqvae.batch} pictures of ${imageSize}×${imageSize}, ${config.vqvae.codes} codes, ${captioner.vqvae.parameterCount} parameters`,
    }),
  );
  vqvae.dispose();
  return profiles;
}

/**
 * @param {Gpu} gpu
 * @param {{ step(step: number): Promise<unknown> }} training
 * @param {number | undefined} count
 * @param {{ stage: string, shape: string }} title
 * @returns {Promise<StepProfile>}
 */
async function profileStep(gpu, training, count, title) {
  const watched = watchCaptures(gpu);
  try {
    let step = 0;
    const timed = async () => {
      const began = performance.now();
      await training.step(++step);
      await gpu.idle();
      return performance.now() - began;
    };
    gpu.resetPeakMemory();
    const atStart = gpu.counters;
    const firstMs = await timed();
    const pipelines = gpu.counters.pipelines - atStart.pipelines;
    for (let i = 0; i < warmup; i++) await timed();

    watched.encodeTimes.length = 0;
    const before = gpu.counters;
    /** @type {number[]} */
    const times = [];
    const wanted = count ?? mostSteps;
    const began = performance.now();
    const goesOn = () =>
      count !== undefined || times.length < fewestSteps || performance.now() - began < timedMs;
    while (times.length < wanted && goesOn()) times.push(await timed());
    const after = gpu.counters;
    const { peakBytes, peakByLabel } = gpu.memory;
    const encodeMs = quantile(watched.encodeTimes, 0.5);
    const encodeBestMs = Math.min(...watched.encodeTimes);

    let kernels = null;
    // Dawn's null backend has timestamps too, of no meaning.
    if (gpu.has("timestamp-query") && !/null backend/.test(gpu.description)) {
      const body = async () => {
        for (let i = 0; i < profiledSteps; i++) await training.step(++step);
      };
      kernels = (await gpu.profile(body)).map(({ kernel, dispatches, microseconds }) => ({
        kernel,
        dispatches: dispatches / profiledSteps,
        microseconds: microseconds / profiledSteps,
      }));
    }
    const [captured] = watched.works;
    const perStep = (/** @type {keyof typeof before} */ name) => (after[name] - before[name]) / times.length;
    const ms = quantile(times, 0.5);
    return {
      ...title,
      ms,
      spread: (quantile(times, 0.75) - quantile(times, 0.25)) / 2 / ms,
      steps: times.length,
      encodeMs,
      encodeBestMs,
      firstMs,
      dispatches: perStep("dispatches"),
      submits: perStep("submits"),
      buffersCreated: perStep("buffers"),
      bindGroupsCreated: perStep("bindGroups"),
      pipelines,
      peakBytes,
      peakByLabel,
      capturedBytes: captured?.memory.peakBytes ?? 0,
      capturedByLabel: captured?.memory.peakByLabel ?? [],
      kernels,
    };
  } finally {
    watched.stop();
  }
}

/**
 * Listens to the device: what is captured, and how long JavaScript takes to replay it.
 * @param {Gpu} gpu
 */
function watchCaptures(gpu) {
  /** @type {import("../dist/gpu/gpu.js").CapturedWork[]} */
  const works = [];
  /** @type {number[]} */
  const encodeTimes = [];
  const original = gpu.capture;
  gpu.capture = (body) => {
    const captured = original.call(gpu, body);
    const { work } = captured;
    const run = work.run;
    work.run = () => {
      const began = performance.now();
      run();
      encodeTimes.push(performance.now() - began);
    };
    works.push(work);
    return /** @type {any} */ (captured);
  };
  return {
    works,
    encodeTimes,
    stop: () => {
      gpu.capture = original;
    },
  };
}

/** Rows of the lists by kernel and by label. */
const shown = 12;

/** @param {StepProfile} profile */
export function describeStep(profile) {
  const { kernels } = profile;
  const lines = [
    `${profile.stage} step: ${profile.shape}`,
    `  ${significant(profile.ms)} ms ±${percent(profile.spread)} (median of ${profile.steps}), of it ${significant(profile.encodeMs)} ms (at best ${significant(profile.encodeBestMs)}) encoding in JavaScript; first step ${significant(profile.firstMs)} ms with ${profile.pipelines} pipelines`,
    `  ${profile.dispatches} dispatches, ${profile.submits} submits, ${profile.buffersCreated} buffers and ${profile.bindGroupsCreated} bind groups created per step after the warm-up`,
    `  memory: ${bytes(profile.peakBytes)} at the peak outside the captured work, ${bytes(profile.capturedBytes)} in it`,
    "",
    ...labels("outside the captured work, at the peak", profile.peakByLabel),
    ...labels("in the captured work, at its peak", profile.capturedByLabel),
  ];
  if (kernels === null) {
    lines.push("kernels: no timestamps on this adapter");
    return lines.join("\n");
  }
  const total = kernels.reduce((sum, { microseconds }) => sum + microseconds, 0);
  const rows = kernels.map(({ kernel, dispatches, microseconds }) => [
    `  ${kernel}`,
    percent(microseconds / total),
    significant(microseconds / 1000),
    significant(dispatches),
  ]);
  lines.push(
    ...align([["kernels, by timestamps", "share", "ms", "dispatches"], ...rows]),
    `  ${significant(total / 1000)} ms in kernels; each has a pass of its own while profiled`,
  );
  return lines.join("\n");
}

/**
 * @param {string} title
 * @param {readonly [string, number][]} list
 */
function labels(title, list) {
  const rest = list.slice(shown);
  const rows = list.slice(0, shown).map(([label, size]) => [`  ${label}`, bytes(size)]);
  if (rest.length > 0) {
    rows.push([`  ${rest.length} more`, bytes(rest.reduce((sum, [, size]) => sum + size, 0))]);
  }
  return [...align([[title, ""], ...rows]), ""];
}
