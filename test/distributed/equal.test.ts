/**
 * Trainings of 2 and 4 ranks that share a batch against one that has it whole: losses and weights of McDiffusion (Algorithm 1 in
 * micro-batches with dropout; masked blocks) and of VqVae. Other decoders: `training/part-rng.test.ts` has the random numbers that
 * their parts draw.
 */

import type { Config } from "../../dist/config/config.js";
import type { Gpu } from "../../dist/engine/gpu/gpu.js";
import type { Module } from "../../dist/engine/nn/module.js";
import { noGrad } from "../../dist/engine/tensor/tape.js";
import { fromArray } from "../../dist/engine/tensor/tensor.js";
import { VqVae } from "../../dist/models/vqvae/vqvae.js";
import { GradientReduction } from "../../dist/training/gradient-reduction.js";
import type { Transport } from "../../dist/training/half-sums.js";
import type { StepHook } from "../../dist/training/model-training.js";
import { localCollectives } from "../../dist/training/port-collective.js";
import type { StepResult } from "../../dist/training/trainer.js";
import { test } from "../harness.js";
import { decoderTraining, sameBits, tinyConfig, vqvaeTraining, weightsOf } from "../training/setup.js";

const STEPS = 6;
/** Chooses the pictures of the VQ-VAE: such that `nearestError` is large. */
const PICTURES = 1;

/** Results of training alone, or as one of `size` ranks: the mean over the ranks, and the weights of each. */
async function trained(
  size: number,
  make: (hook: StepHook | undefined) => ReturnType<typeof decoderTraining> | ReturnType<typeof vqvaeTraining>,
  before: (step: number, model: Module) => Promise<void> = async () => {},
) {
  const { ranks, close } = localCollectives(size);
  // Buckets of 1 kB, so that there are several.
  const hooks = ranks.map((rank) => new GradientReduction(rank, { bucketBytes: 1024 }));
  const all = size === 1 ? [make(undefined)] : hooks.map(make);
  const steps: StepResult[][] = [];
  for (let step = 1; step <= STEPS; step++) {
    await before(step, all[0]!.model);
    steps.push(await Promise.all(all.map(({ training }) => training.step(step))));
  }
  const weights = await Promise.all(all.map(({ model }) => weightsOf(model)));
  for (const { dispose } of all) dispose();
  for (const hook of hooks) hook.dispose();
  close();
  const means = steps.map((each) =>
    Object.fromEntries(
      Object.keys(each[0]!.losses).map((name) => [
        name,
        each.reduce((sum, { losses }) => sum + losses[name]! / each.length, 0),
      ]),
    ),
  );
  return { means, norms: steps.map((each) => each.map(({ gradNorm }) => gradNorm)), weights };
}

type Make = (gpu: Gpu) => (hook: StepHook | undefined) => ReturnType<typeof decoderTraining>;

const decoder =
  (set: string[], dropout = 0): Make =>
  (gpu) =>
  (hook) =>
    decoderTraining(gpu, tinyConfig("decoder.batch=8", "decoder.warmup=20", ...set), {
      shape: { dropout },
      ...(hook && { hook }),
    });

const pixelsOf = (config: Config) => config.data.imageSize ** 2 * 3;
/** Byte `place` of the whole batch of a step, from 0: what a rank's part shows must not depend on the ranks. */
const byteOf = (step: number, place: number) =>
  (Math.sin(Math.floor((step * 97 + place) / 24) * 12.9898 + PICTURES) * 43758.5453) & 255;

const tokenizerConfig = () => tinyConfig("vqvae.batch=8", "vqvae.warmup=20");

const tokenizer = (gpu: Gpu) => (hook: StepHook | undefined) => {
  const config = tokenizerConfig();
  return vqvaeTraining(gpu, config, {
    images: (step, images) => {
      const first = (hook?.rank ?? 0) * images.length;
      for (let i = 0; i < images.length; i++) images[i] = byteOf(step, first + i);
    },
    ...(hook && { hook }),
  });
};

/**
 * The smallest |x̂ − x| of a step's batch. The gradient of the absolute error is the sign of x̂ − x: where that is smaller than what
 * another order of sums changes in x̂ (1e-6), ranks and a process alone may rightly have different gradients.
 */
async function nearestError(step: number, model: Module): Promise<number> {
  const { gpu } = model;
  const config = tokenizerConfig();
  const { imageSize } = config.data;
  const values = Float32Array.from(
    { length: 8 * pixelsOf(config) },
    (_, place) => byteOf(step - 1, place) / 127.5 - 1,
  );
  const images = fromArray(gpu, values, [8, imageSize, imageSize, 3]);
  const vqvae = model as VqVae;
  const decoded = gpu.scope(() => noGrad(() => vqvae.decode(vqvae.encode(images))));
  const seen = await decoded.read();
  for (const tensor of [images, decoded]) tensor.dispose();
  return seen.reduce(
    (least, value, i) => Math.min(least, Math.abs(value - values[i]!)),
    Number.POSITIVE_INFINITY,
  );
}

const cases = {
  "decoder: Algorithm 1 in micro-batches with dropout": decoder(
    ["decoder.microBatches=2", "decoder.captionsPerImage=1"],
    0.1,
  ),
  "decoder: masked blocks": decoder(["decoder.maskShape=blocks", "decoder.pDrop=0.3"]),
  "vqvae: codes restart from the vectors of all": tokenizer,
};

for (const [name, make] of Object.entries(cases)) {
  test(`${name}: 1, 2 and 4 ranks`, async (t, gpu) => {
    const errors: number[] = [];
    const one = await trained(1, make(gpu) as never, async (step, model) => {
      if (model instanceof VqVae) errors.push(await nearestError(step, model));
    });
    const least = Math.min(...errors);
    t.comment(`least error of a pixel: ${least.toExponential(1)}`);
    t.ok(
      least > 1e-5,
      `no gradient hangs on rounding: the least error of a pixel is ${least.toExponential(1)}`,
    );
    for (const size of [2, 4]) {
      const many = await trained(size, make(gpu) as never);
      let worst = 0;
      many.means.forEach((losses, step) => {
        for (const [key, value] of Object.entries(losses)) {
          const wanted = one.means[step]![key]!;
          worst = Math.max(worst, Math.abs(value - wanted) / Math.max(1e-3, Math.abs(wanted)));
        }
      });
      t.comment(`${size} ranks: losses differ by ${worst.toExponential(1)} at most, relatively`);
      t.ok(worst < 1e-5, `${size} ranks: the losses of one, to ${worst.toExponential(1)}`);
      many.norms.forEach((each, step) => {
        t.near(
          each,
          each.map(() => one.norms[step]![0]!),
          { rel: 1e-3 },
          "norm of the whole batch's gradient",
        );
      });
      for (const weights of many.weights.slice(1))
        t.ok(sameBits(weights, many.weights[0]!), "every rank has the same weights, to the bit");
      const again = await trained(size, make(gpu) as never);
      t.ok(sameBits(again.weights[0]!, many.weights[0]!), "and again the same bits");
    }
  });
}

/** The gradients of the first step of two ranks, as they travelled by `transport`. */
async function firstGradients(gpu: Gpu, transport: Transport): Promise<Float32Array[]> {
  const { ranks, close } = localCollectives(2);
  const reduced: Float32Array[] = [];
  const hooks = ranks.map((own) => new GradientReduction(own, { bucketBytes: 1024, transport }));
  const all = hooks.map((hook) =>
    decoder(["decoder.maskShape=blocks"])(gpu)({
      processes: 2,
      rank: hook.rank,
      async reduce(gradients, sums) {
        await hook.reduce(gradients, sums);
        reduced[hook.rank] = await gradients[0]!.read();
      },
    }),
  );
  await Promise.all(all.map(({ training }) => training.step(1)));
  for (const { dispose } of all) dispose();
  for (const hook of hooks) hook.dispose();
  close();
  return reduced;
}

test("gradients in 16 bits", async (t, gpu) => {
  const [exact] = await firstGradients(gpu, "float32");
  const length = (values: Float32Array) => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
  // Two roundings of 8 and of 11 bits.
  for (const [transport, bound] of [
    ["bfloat16", 2 ** -8],
    ["float16", 2 ** -11],
  ] as const) {
    const [first, second] = await firstGradients(gpu, transport);
    t.ok(sameBits(first!, second!), `${transport}: both ranks get the same bits`);
    const apart = length(first!.map((value, i) => value - exact![i]!)) / length(exact!);
    t.comment(`${transport}: the gradient is off by ${apart.toExponential(1)} of its norm`);
    t.ok(apart > bound / 8 && apart < bound, `${transport}: off by ${apart.toExponential(1)} of its norm`);
  }
});
