/** Bit Diffusion in the ordinary training, and as a kind that a configuration names. */

import "../../../dist/baselines.js";
import { Captioner } from "../../../dist/captioner/captioner.js";
import type { Config } from "../../../dist/config/config.js";
import { resolveConfig } from "../../../dist/config/resolve.js";
import type { Gpu } from "../../../dist/engine/gpu/gpu.js";
import { fromArray, type Tensor, untracked } from "../../../dist/engine/tensor/tensor.js";
import { readWeights } from "../../../dist/engine/weights/weights.js";
import { BitDiffusion } from "../../../dist/models/bit-diffusion/bit-diffusion.js";
import type { BitDiffusionSettings } from "../../../dist/models/bit-diffusion/settings.js";
import { widened } from "../../../dist/models/bit-diffusion/size.js";
import { Decoder } from "../../../dist/models/mc-diffusion/decoder.js";
import type { DecoderShape } from "../../../dist/models/mc-diffusion/decoder-shape.js";
import { samplingSettingsOf } from "../../../dist/models/sampling-settings.js";
import { DecoderTraining } from "../../../dist/training/decoder-training.js";
import { test } from "../../harness.js";
import { MemoryFiles } from "../../io/memory-files.js";
import { build as buildCaptioner, pictures, saved } from "../../tiny-captioner.js";
import { decoderShape, pairs, sameBits, tinyConfig, weightsOf } from "../../training/setup.js";
import { settings } from "./setup.js";

/** Training on the four pairs of test/training/setup.ts, `copies` times in a batch. */
function training(gpu: Gpu, config: Config, changes: Partial<BitDiffusionSettings> = {}) {
  const own = { ...settings, ...changes };
  const decoder = new BitDiffusion(gpu, decoderShape, { settings: own, rates: config.decoder });
  decoder.initialise(config.seed);
  const { batch } = config.decoder;
  const batches = () => {
    const all = Array.from({ length: batch }, (_, i) => pairs[i % pairs.length]!);
    const flat = (of: (pair: (typeof pairs)[number]) => number[]) => Uint32Array.from(all.flatMap(of));
    return { tokens: flat(({ tokens }) => tokens), codes: flat(({ codes }) => codes) };
  };
  const made = new DecoderTraining(decoder, config.decoder, config.seed, batches, { settings: own });
  return {
    decoder,
    training: made,
    dispose() {
      made.dispose();
      decoder.dispose();
    },
  };
}

for (const loss of ["sigmoid-cross-entropy", "squared-error"] as const) {
  test(`${loss}: a batch is learned by heart, and said under every guidance`, async (t, gpu) => {
    const config = tinyConfig(
      ...["decoder.batch=16", "decoder.steps=90", "decoder.learningRate=0.01"],
      ...["decoder.pCond=0.2", "decoder.pDrop=0.1", "decoder.emaDecay=0"],
    );
    const tiny = training(gpu, config, { loss });
    const losses: number[] = [];
    for (let step = 1; step <= 90; step++) losses.push((await tiny.training.step(step)).losses.total!);
    const mean = (values: number[]) => values.reduce((sum, x) => sum + x, 0) / values.length;
    const [first, last] = [mean(losses.slice(0, 3)), mean(losses.slice(-15))];
    t.ok(last < 0.2 * first, `the loss falls: ${first.toFixed(3)} → ${last.toFixed(3)}`);
    const codes = fromArray(
      gpu,
      pairs.flatMap((pair) => pair.codes),
      [4, 4],
      "u32",
    ).keep();
    for (const method of ["none", "cfg", "mcs"] as const) {
      const sampling = samplingSettingsOf(config, {
        guidance: { method, scale: 1.5, maskRate: 0.25 },
        seed: 3,
      });
      let said: Tensor<"u32"> | null = null;
      for (const { u, tokens } of tiny.decoder.generate(codes, sampling, { endId: 0 }))
        if (u === 0) said = tokens.alias();
      t.same(
        [...(await said!.read())],
        pairs.flatMap(({ tokens }) => tokens),
        `captions of the pictures, guidance ${method}`,
      );
      said!.dispose();
    }
    codes.dispose();
    tiny.dispose();
  });
}

test("a step replayed and a training resumed give the same bits, in parts and with recomputed blocks too", async (t, gpu) => {
  for (const set of [
    [],
    ["decoder.microBatches=2", "decoder.checkpointing=true", "decoder.captionsPerImage=2"],
  ]) {
    const config = tinyConfig("decoder.batch=8", "decoder.steps=6", ...set);
    // Captions of one picture lie side by side.
    const run = async (steps: number[], from?: Awaited<ReturnType<DecoderTraining["save"]>>) => {
      const tiny = training(gpu, config);
      if (from) tiny.training.load({ ...from, step: steps[0]! - 1 } as never, "here");
      const losses: unknown[] = [];
      for (const step of steps) losses.push((await tiny.training.step(step)).losses);
      const result = { losses, state: await tiny.training.save(), weights: await weightsOf(tiny.decoder) };
      tiny.dispose();
      return result;
    };
    const unbroken = await run([1, 2, 3, 4, 5, 6]);
    const half = await run([1, 2, 3]);
    const resumed = await run([4, 5, 6], half.state);
    const name = set.length === 0 ? "whole" : "parts";
    t.same([...half.losses, ...resumed.losses], unbroken.losses, `${name}: losses`);
    t.ok(sameBits(resumed.weights, unbroken.weights), `${name}: weights, to the bit`);
    t.ok(!sameBits(half.weights, unbroken.weights), `${name}: which move`);
  }
});

test("training masks the condition of its share of the captions, as mc-diffusion's does", async (t, gpu) => {
  const config = tinyConfig("decoder.batch=64", "decoder.pCond=0.4", "decoder.pMask=1");
  const tiny = training(gpu, config);
  const seen = untracked(gpu, [64, 4], "u32", "seen");
  const { prepare } = tiny.decoder;
  tiny.decoder.prepare = (codes, options) => {
    gpu.copyBuffer(codes.storage, 4 * codes.offset, seen.storage, 0, 4 * codes.size);
    return prepare.call(tiny.decoder, codes, options);
  };
  let masked = 0;
  for (let step = 1; step <= 5; step++) {
    await tiny.training.step(step);
    const codes = await seen.read();
    for (let i = 0; i < 64; i++) {
      const own = [...codes.subarray(4 * i, 4 * i + 4)];
      const whole = own.join() === pairs[i % 4]!.codes.join();
      if (own.every((code) => code === decoderShape.codes)) masked++;
      else if (!whole) t.ok(false, "a caption has its whole condition, or none with P_mask = 1");
    }
  }
  const [count, rate] = [320, 0.4];
  const off = Math.abs(masked - rate * count) / Math.sqrt(count * rate * (1 - rate));
  t.ok(off < 3.3, `${masked} of ${count} captions without it`);
  seen.dispose();
  tiny.dispose();
});

test("as many parameters as mc-diffusion, without tables over the vocabulary", (t, gpu) => {
  const emoji: Partial<DecoderShape> = { vocabulary: 1724, length: 12, codes: 64, side: 8, timesteps: 100 };
  for (const [title, changes] of [
    [
      "the emoji preset's sizes",
      { ...emoji, dim: 128, blocks: 4, heads: 4, mlpRatio: 4, conditionBlocks: 0, summaryTokens: 8 },
    ],
    ["blocks over the condition, no summary", { ...emoji, dim: 64, conditionBlocks: 2, summaryTokens: 0 }],
    ["convolutions over the condition", { ...emoji, dim: 64, conditionConvs: 2, summaryTokens: 0 }],
    ["few words", { vocabulary: 5 }],
  ] as [string, Partial<DecoderShape>][]) {
    const shape = { ...decoderShape, ...changes };
    const ours = new Decoder(gpu, shape);
    const bits = new BitDiffusion(gpu, widened(shape), { settings, rates: tinyConfig().decoder });
    const [expected, actual] = [ours.parameterCount, bits.parameterCount];
    t.ok(Math.abs(actual / expected - 1) < 0.01, `${title}: ${actual} for ${expected}`);
    ours.dispose();
    bits.dispose();
  }
});

const chosen = ["model=bit-diffusion", "bitDiffusion.step=ddpm"];

test("a captioner on bits is saved, loaded and captions", async (t, gpu) => {
  const files = new MemoryFiles();
  const made = buildCaptioner(gpu, ...chosen);
  t.ok(made.decoder instanceof BitDiffusion, "the kind that the configuration names");
  await made.save(files, "weights", await saved(made));
  const loaded = await Captioner.fromFolder(gpu, files, "weights");
  t.same(
    (loaded.config as unknown as { bitDiffusion: BitDiffusionSettings }).bitDiffusion,
    { ...settings, step: "ddpm", sameSize: true },
    "with its settings",
  );
  const [ours, theirs] = [await readWeights(made.decoder), await readWeights(loaded.decoder)];
  t.ok(
    [...ours].every(([name, { data }]) =>
      sameBits(data as Float32Array, theirs.get(name)!.data as Float32Array),
    ),
    "and its weights",
  );
  const three = pictures(3);
  const options = { guidance: "mcs", seed: 4 } as const;
  const said = await loaded.captionAll(three, options);
  t.same(said, await made.captionAll(three, options), "the loaded one says the same");
  const size = 16;
  const data = new Uint8ClampedArray(size * size * 4).fill(255);
  for (let i = 0; i < size * size; i++) data.set(three.subarray(3 * i, 3 * i + 3), 4 * i);
  const picture = { width: size, height: size, data };
  let count = 0;
  for await (const step of loaded.denoise(picture, { ...options, alternatives: 3, attention: true })) {
    count++;
    t.ok(
      step.alternatives.every(
        (each) => each.reduce((sum, { probability }) => sum + probability, 0) <= 1.0001,
      ),
      `step ${step.t}: probabilities of the likeliest words`,
    );
    t.equal(step.attention!.data.length, 6 * 16, "and where they look");
  }
  t.equal(count, 5, "each step");
  const filled = await loaded.caption(picture, { ...options, words: "a _ cat" });
  t.ok(/^a \S+ cat$/.test(filled.text), `given words stay: ${filled.text}`);
  loaded.dispose();
  made.dispose();
});

test("settings of bit-diffusion are checked", async (t) => {
  const resolve = (...set: string[]) => resolveConfig({ set });
  t.equal(resolve("model=bit-diffusion").model, "bit-diffusion", "the name is known");
  await t.throwsMessage(
    () => resolve("bitDiffusion.loss=squared-error"),
    /bitDiffusion belongs to bit-diffusion, which this run does not use/,
    "its section without it",
  );
  await t.throwsMessage(
    () => resolve("model=bit-diffusion", "decoder.importanceSampling=true"),
    /importanceSampling=true belongs to mc-diffusion/,
    "what it cannot do",
  );
  await t.throwsMessage(
    () => resolve("model=bit-diffusion", "decoder.conditionEmbedding=words"),
    /conditionEmbedding=words starts codes from vectors of words, which bit-diffusion does not have/,
    "nor this",
  );
  await t.throwsMessage(
    () => resolve("model=bit-diffusion", "sampling.steps=200"),
    /sampling.steps=200 should be at most decoder.timesteps=100/,
    "more steps than T",
  );
});
