/** Profile of whole training steps: what they take in time, dispatches and memory, and which kernels take it. */

import { timeline, timesByKernel } from "../dist/debug.js";
import { Captioner, resolveConfig, WordTokenizer } from "../dist/index.js";
import { DecoderTraining, TokenizerTraining } from "../dist/training.js";
import { quantile, spreadOf } from "./measure.js";
import { memoryRecorder } from "./memory-curve.js";
import { add } from "./numbers.js";
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
 * @property {import("./memory-curve.js").MemoryCurve} memory While the step is recorded; all that is in use, whoever took it.
 * @property {number} capturedPeakBytes The most of its own that the captured work uses at once.
 * @property {number} capturedBytes What its buffers take.
 * @property {number} capturedBuffers
 * @property {{ begin: number, us: number }[] | null} timeline Microseconds from the first dispatch of the fastest of
 *   the profiled steps, in the order of `memory.dispatches`; null without timestamps.
 * @property {import("../dist/engine/index.js").KernelTime[] | null} kernels The same by kernel.
 *
 * @typedef {object} Options
 * @property {readonly string[]} set Settings, `key=value`, over the preset's.
 * @property {number} [count] Steps to time.
 * @property {boolean} timestamps Whether the device has some that mean something.
 * @property {(text: string) => void} progress
 */

/** As many words as the full emoji captions have; the quick preset's subset has fewer. */
const vocabulary = 1741;
const warmup = 2;
const timedMs = 4000;
const mostSteps = 20;
const fewestSteps = 3;
const profiledSteps = 3;
const seed = 1;

/**
 * One profile of a decoder step and one of a VQ-VAE step, on random data.
 * @param {Gpu} gpu
 * @param {string} preset
 * @param {Options} options
 * @returns {Promise<StepProfile[]>}
 */
export async function profileSteps(gpu, preset, options) {
  const { progress } = options;
  const config = resolveConfig({ preset, set: options.set });
  const words = Array.from({ length: vocabulary - 2 }, (_, i) => `word${i}`);
  const captioner = new Captioner(gpu, config, new WordTokenizer(words));
  const random = randomSource(1);
  const { length, codes } = captioner.decoder.shape;
  const { dim, blocks } = config.decoder;
  const profiles = [];

  progress("decoder step");
  const captions = {
    tokens: random.ids(config.decoder.batch * length, vocabulary),
    codes: random.ids((config.decoder.batch / config.decoder.captionsPerImage) * captioner.positions, codes),
  };
  const decoder = new DecoderTraining(captioner.decoder, config.decoder, seed, () => captions);
  profiles.push(
    await profileStep(gpu, decoder, options, {
      stage: "decoder",
      shape: `${config.decoder.batch} captions of ${length} tokens, ${captioner.positions} codes, M = ${vocabulary}, d = ${dim}, ${blocks} blocks, ${captioner.decoder.parameterCount} parameters, ${config.decoder.precision}`,
    }),
  );
  decoder.dispose();

  const { imageSize } = config.data;
  const picture = Uint8Array.from(random.ids(config.vqvae.batch * imageSize ** 2 * 3, 256));
  const vqvae = new TokenizerTraining(captioner.imageTokenizer, config.vqvae, seed, (_, images) =>
    images.set(picture),
  );
  profiles.push(
    await profileStep(gpu, vqvae, options, {
      stage: "vqvae",
      shape: `${config.vqvae.batch} pictures of ${imageSize}×${imageSize}, ${config.vqvae.codes} codes, ${captioner.imageTokenizer.parameterCount} parameters`,
    }),
  );
  vqvae.dispose();
  return profiles;
}

/**
 * @param {Gpu} gpu
 * @param {{ step(step: number): Promise<unknown> }} training
 * @param {Options} options
 * @param {{ stage: string, shape: string }} title
 * @returns {Promise<StepProfile>}
 */
async function profileStep(gpu, training, { count, timestamps, progress }, title) {
  const watched = watchCaptures(gpu);
  try {
    let step = 0;
    const timed = async () => {
      const began = performance.now();
      await training.step(++step);
      await gpu.idle();
      return performance.now() - began;
    };
    progress(`${title.stage}: first step`);
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
    while (times.length < wanted && goesOn()) {
      progress(`${title.stage}: step ${times.length + 1}`);
      times.push(await timed());
    }
    const after = gpu.counters;
    const encodeMs = quantile(watched.encodeTimes, 0.5);
    const encodeBestMs = Math.min(...watched.encodeTimes);

    const [captured] = watched.captures;
    if (!captured || watched.captures.length !== 1)
      throw new Error(`${title.stage}: a step is not one captured work`);
    const memory = captured.recorder.curve();
    let fastest = null;
    for (let i = 0; timestamps && i < profiledSteps; i++) {
      progress(`${title.stage}: profiling step ${i + 1} of ${profiledSteps}`);
      const dispatches = await timeline(gpu, async () => {
        await training.step(++step);
      });
      if (dispatches.some(({ kernel }, at) => kernel !== memory.dispatches[at]?.kernel)) {
        throw new Error(`${title.stage}: what ran is not what was captured`);
      }
      if (fastest === null || lasting(dispatches) < lasting(fastest)) fastest = dispatches;
    }
    const held = captured.work.memory;
    const perStep = (/** @type {keyof typeof before} */ name) => (after[name] - before[name]) / times.length;
    return {
      ...title,
      ms: quantile(times, 0.5),
      spread: spreadOf(times),
      steps: times.length,
      encodeMs,
      encodeBestMs,
      firstMs,
      dispatches: perStep("dispatches"),
      submits: perStep("submits"),
      buffersCreated: perStep("buffers"),
      bindGroupsCreated: perStep("bindGroups"),
      pipelines,
      memory,
      capturedPeakBytes: held.peakBytes,
      capturedBytes: held.liveBytes + held.pooledBytes,
      capturedBuffers: held.buffersCreated,
      timeline: fastest?.map(({ begin, end }) => ({ begin: begin / 1000, us: (end - begin) / 1000 })) ?? null,
      kernels: fastest && timesByKernel(fastest),
    };
  } finally {
    watched.stop();
  }
}

/** @param {readonly import("../dist/engine/index.js").DispatchTime[]} dispatches */
const lasting = (dispatches) => dispatches.reduce((sum, { begin, end }) => sum + end - begin, 0);

/**
 * Listens to the device: what is captured, the memory it takes, and how long JavaScript takes to replay it.
 * @param {Gpu} gpu
 */
function watchCaptures(gpu) {
  /** @type {{ work: import("../dist/engine/index.js").CapturedWork, recorder: ReturnType<typeof memoryRecorder> }[]} */
  const captures = [];
  /** @type {number[]} */
  const encodeTimes = [];
  const original = gpu.capture;
  /**
   * @template T
   * @param {() => T} body
   */
  const watched = (body) => {
    const recorder = memoryRecorder(gpu.memory.byLabel);
    gpu.observer = recorder.observer;
    try {
      gpu.capture = original;
      const captured = gpu.capture(body);
      const { work } = captured;
      const run = work.run;
      work.run = () => {
        const began = performance.now();
        run();
        encodeTimes.push(performance.now() - began);
      };
      captures.push({ work, recorder });
      return captured;
    } finally {
      gpu.capture = watched;
      gpu.observer = null;
    }
  };
  gpu.capture = watched;
  return {
    captures,
    encodeTimes,
    stop: () => {
      gpu.capture = original;
    },
  };
}

/** Rows of the list by label. */
const shown = 12;
/** Characters of a strip. */
const stripWidth = 48;

/** @param {StepProfile} profile */
export function describeStep(profile) {
  const { kernels, timeline, memory } = profile;
  const lines = [
    `${profile.stage} step: ${profile.shape}`,
    `  ${significant(profile.ms)} ms ±${percent(profile.spread)} (median of ${profile.steps}), of it ${significant(profile.encodeMs)} ms (at best ${significant(profile.encodeBestMs)}) encoding in JavaScript; first step ${significant(profile.firstMs)} ms with ${profile.pipelines} pipelines`,
    `  ${profile.dispatches} dispatches, ${profile.submits} submits, ${profile.buffersCreated} buffers and ${profile.bindGroupsCreated} bind groups created per step after the warm-up`,
    `  memory: ${bytes(memory.peakBytes)} in use at the peak, ${peakPlace(memory)}; the captured work holds ${bytes(profile.capturedBytes)} in ${profile.capturedBuffers} buffers and uses at most ${bytes(profile.capturedPeakBytes)} at once`,
    "",
    `memory in use, from the first dispatch to the last  0 ${levels(memory)} ${bytes(memory.peakBytes)}`,
    ...labels("at the peak", memory.peakByLabel),
  ];
  if (kernels === null || timeline === null) {
    lines.push("kernels: no timestamps on this adapter");
    return lines.join("\n");
  }
  const total = kernels.reduce((sum, { microseconds }) => sum + microseconds, 0);
  const rows = kernels.map(({ kernel, dispatches, microseconds }) => {
    const own = memory.dispatches.filter((dispatch) => dispatch.kernel === kernel);
    return [
      `  ${kernel}`,
      percent(microseconds / total),
      significant(microseconds / 1000),
      String(dispatches),
      bytes(own.reduce((sum, dispatch) => sum + dispatch.bytes, 0)),
      strip(profile, kernel),
    ];
  });
  const head = ["kernels, by timestamps", "share", "ms", "dispatches", "moved", "when".padEnd(stripWidth)];
  lines.push(
    ...align([head, ...rows]),
    `  ${significant(total / 1000)} ms in kernels, in the fastest of ${profiledSteps} steps; each dispatch has a pass of its own while profiled`,
  );
  return lines.join("\n");
}

/** @param {import("./memory-curve.js").MemoryCurve} memory */
export function peakPlace({ peakAt, dispatches }) {
  const next = dispatches[peakAt];
  return next
    ? `before dispatch ${peakAt + 1} of ${dispatches.length} (${next.kernel})`
    : "after the last dispatch";
}

/** The curve of memory in one line: the most in use in each stretch of dispatches. @param {import("./memory-curve.js").MemoryCurve} memory */
function levels({ dispatches, peakBytes }) {
  const marks = "▁▂▃▄▅▆▇█";
  const columns = Math.min(stripWidth, dispatches.length);
  let line = "";
  for (let column = 0; column < columns; column++) {
    const [from, to] = [column, column + 1].map((at) => Math.floor((at * dispatches.length) / columns));
    const most = Math.max(...dispatches.slice(from, to).map(({ liveBytes }) => liveBytes));
    line += marks[Math.min(marks.length - 1, Math.floor((most / peakBytes) * marks.length))];
  }
  return line;
}

/**
 * When in the step a kernel runs: the darker, the larger its share of that stretch of time.
 * @param {StepProfile} profile
 * @param {string} kernel
 */
function strip({ timeline, memory }, kernel) {
  const all = timeline ?? [];
  const duration = Math.max(...all.map(({ begin, us }) => begin + us));
  const column = duration / stripWidth;
  const busy = new Float64Array(stripWidth);
  all.forEach(({ begin, us }, i) => {
    if (memory.dispatches[i]?.kernel !== kernel) return;
    for (let at = Math.floor(begin / column); at < stripWidth && at * column < begin + us; at++) {
      add(busy, at, Math.min(begin + us, (at + 1) * column) - Math.max(begin, at * column));
    }
  });
  const marks = "·░▒▓█";
  return Array.from(busy, (time) => marks[Math.min(4, Math.ceil((time / column) * 4 - 1e-9))]).join("");
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
