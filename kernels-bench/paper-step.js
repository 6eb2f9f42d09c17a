/** A training step of the decoder at the paper's size: made and recorded, for the command and for `npm run gpu-check`. */

import { operationsOf } from "../dist/debug.js";
import { McDiffusion, resolveConfig } from "../dist/index.js";
import { DecoderTraining } from "../dist/training.js";
import { memoryRecorder } from "./memory-curve.js";
import { randomSource } from "./random.js";
import { trafficCounter } from "./traffic.js";

/**
 * @typedef {object} Work What one dispatch does.
 * @property {string} kernel
 * @property {number} flops Of products and attention, as executed; 0 where bytes are what counts.
 * @property {number} bytes See traffic.js.
 *
 * @typedef {ReturnType<typeof trainingOf>} PaperTraining
 * @typedef {ReturnType<typeof recordStep>} RecordedStep
 */

/**
 * The decoder of the preset with M words and captions of L tokens, and its training on random captions and codes.
 * @param {import("./types.js").Gpu} gpu
 * @param {{ words: number, length: number, set: string[] }} options
 */
export function trainingOf(gpu, { words, length, set }) {
  const config = resolveConfig({ preset: "paper", set: [`data.maxLength=${length}`, ...set] });
  const { decoder: settings, vqvae, data } = config;
  const shape = {
    vocabulary: words,
    length,
    codes: vqvae.codes,
    side: data.imageSize / 2 ** vqvae.downsample,
    timesteps: settings.timesteps,
    dim: settings.dim,
    blocks: settings.blocks,
    heads: settings.heads,
    mlpRatio: settings.mlpRatio,
    conditionConvs: settings.conditionConvs,
    conditionBlocks: settings.conditionBlocks,
    summaryTokens: settings.summaryTokens,
    dropout: settings.dropout,
    codeDim: null,
    filler: settings.filler,
  };
  const decoder = new McDiffusion(gpu, shape, { schedule: settings.schedule });
  // Neither the work nor the time of a step depends on the weights, and drawing them takes long.
  for (const { tensor } of decoder.parameters()) tensor.watch = null;
  const random = randomSource(config.seed);
  const pictures = settings.batch / settings.captionsPerImage;
  const training = new DecoderTraining(decoder, settings, config.seed, () => ({
    tokens: random.ids(settings.batch * length, words),
    codes: random.ids(pictures * shape.side ** 2, shape.codes),
  }));
  return { config, decoder, training };
}

/**
 * Records a step without running it.
 * @param {import("./types.js").Gpu} gpu
 * @param {PaperTraining} made
 */
export function recordStep(gpu, { config, decoder, training }) {
  const { parameterCount } = decoder;
  const memory = memoryRecorder(gpu.memory.byLabel);
  const traffic = trafficCounter();
  /** @type {Work[]} */
  const work = [];
  gpu.observer = {
    ...memory.observer,
    dispatch(dispatch, params, variant) {
      memory.observer.dispatch?.(dispatch, params, variant);
      work.push({
        kernel: dispatch.pipeline.kernel.spec.name,
        flops: operationsOf(dispatch, params),
        bytes: traffic(dispatch, params, variant),
      });
    },
  };
  training.plan();
  gpu.observer = null;
  return { config, parameterCount, work, memory: memory.curve() };
}

/** Sums over dispatches. @param {readonly Work[]} work @param {(entry: Work) => number} of */
export const total = (work, of) => work.reduce((sum, entry) => sum + of(entry), 0);

/** What ran, in words. @param {RecordedStep} step @param {{ words: number, length: number }} options */
export function summaryOf({ config, parameterCount, work, memory }, { words, length }) {
  const { batch, microBatches, blocks, dim, timesteps } = config.decoder;
  const places = (config.data.imageSize / 2 ** config.vqvae.downsample) ** 2;
  const millions = (parameterCount / 1e6).toFixed(1);
  return {
    network: `${blocks} blocks of d = ${dim}, ${words} words, L = ${length}, S = ${places}, T = ${timesteps}: ${millions} M parameters`,
    batch: `${batch} captions in ${microBatches} parts`,
    flops: total(work, (entry) => entry.flops),
    memory: memory.peakBytes,
  };
}
