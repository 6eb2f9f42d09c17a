/** What comes between the gradients and the update: nothing by default, the sums over processes where several train together. */

import type { Gpu } from "../../dist/engine/gpu/gpu.js";
import type { Tensor } from "../../dist/engine/tensor/tensor.js";
import type { StepHook } from "../../dist/training/model-training.js";
import { randomArray, test } from "../harness.js";
import { decoderTraining, sameBits, tinyConfig, vqvaeTraining, weightsOf } from "./setup.js";

for (const [stage, make] of Object.entries({ decoder: decoderTraining, vqvae: vqvaeTraining })) {
  test(`${stage}: a hook that does nothing changes nothing, and sees the packed gradients`, async (t, gpu) => {
    const config = tinyConfig();
    const train = async (hook?: StepHook) => {
      const tiny = make(gpu, config, hook ? { hook } : {});
      const results = [];
      for (let step = 1; step <= 4; step++) results.push(await tiny.training.step(step));
      const weights = await weightsOf(tiny.model);
      const size = tiny.model
        .parameters()
        .reduce((sum, { tensor, trained }) => sum + (trained ? tensor.size : 0), 0);
      tiny.dispose();
      return { results, weights, size };
    };
    const plain = await train();
    const norms: number[] = [];
    let [calls, elements] = [0, 0];
    const hooked = await train({
      processes: 1,
      async reduce(gradients) {
        calls++;
        elements = gradients.reduce((sum, { size }) => sum + size, 0);
        let squares = 0;
        for (const tensor of gradients) for (const value of await tensor.read()) squares += value * value;
        norms.push(Math.sqrt(squares));
      },
    });
    t.equal(calls, 4, "called once a step");
    t.ok(elements >= hooked.size, `${elements} elements hold the gradients of ${hooked.size} weights`);
    t.near(
      norms,
      plain.results.map(({ gradNorm }) => gradNorm),
      { rel: 1e-4 },
      "complete: their norm is the step's",
    );
    t.same(hooked.results, plain.results, "losses and norms");
    t.ok(sameBits(hooked.weights, plain.weights), "weights, to the bit");
  });
}

/** Adds up what `count` trainings of one process have, as a collective would. */
function collective(count: number): StepHook[] {
  let arrived: { tensors: readonly Tensor[]; mean: number; go: () => void }[] = [];
  const together = async () => {
    const all = arrived;
    arrived = [];
    const lists = await Promise.all(
      all.map(({ tensors }) => Promise.all(tensors.map((tensor) => tensor.read()))),
    );
    const sums = lists[0]!.map((first, i) =>
      first.map((_, k) => lists.reduce((sum, list) => sum + list[i]![k]!, 0)),
    );
    for (const { tensors, mean, go } of all) {
      tensors.forEach((tensor, i) => {
        tensor.write(i < mean ? sums[i]!.map((value) => value / count) : sums[i]!);
      });
      go();
    }
  };
  const hook: StepHook = {
    processes: count,
    reduce: (gradients, sums) =>
      new Promise((go, fail) => {
        arrived.push({ tensors: [...gradients, ...sums], mean: gradients.length, go });
        if (arrived.length === count) together().catch(fail);
      }),
  };
  return Array.from({ length: count }, (_, rank) => ({ ...hook, rank }));
}

test("vqvae: two trainings of half a batch each, with the sums of both, are one of the whole batch", async (t, gpu: Gpu) => {
  const pixels = (step: number, count: number) =>
    Uint8Array.from(randomArray(step + 1, count, 100), (value) => Math.max(0, Math.min(255, 128 + value)));
  const config = (batch: number) => tinyConfig(`vqvae.batch=${batch}`, "vqvae.restartAfter=0");
  const size = config(4).data.imageSize ** 2 * 3;
  const whole = vqvaeTraining(gpu, config(4), {
    images: (step, images) => images.set(pixels(step, 4 * size)),
  });
  const halves = collective(2).map((hook, rank) =>
    vqvaeTraining(gpu, config(4), {
      hook,
      images: (step, images) =>
        images.set(pixels(step, 4 * size).subarray(rank * 2 * size, (rank + 1) * 2 * size)),
    }),
  );
  for (let step = 1; step <= 5; step++) {
    const [one, ...parts] = await Promise.all([whole, ...halves].map(({ training }) => training.step(step)));
    const mean = parts.reduce((sum, { losses }) => sum + losses.total! / 2, 0);
    t.near(
      [mean],
      [one!.losses.total!],
      { rel: 1e-4 },
      `step ${step}: the mean of their losses is the whole batch's`,
    );
    for (const part of parts) {
      t.near(
        [part.gradNorm],
        [one!.gradNorm],
        { rel: 1e-3 },
        "the norm of the gradient is the whole batch's",
      );
      t.near(
        [part.losses.perplexity!, part.losses.used!],
        [one!.losses.perplexity!, one!.losses.used!],
        { rel: 1e-4 },
        "so are perplexity and codes in use",
      );
    }
  }
  const weights = await Promise.all([whole, ...halves].map(({ vqvae }) => weightsOf(vqvae)));
  t.ok(sameBits(weights[1]!, weights[2]!), "both have the same weights and codebook, to the bit");
  t.near(weights[1]!, weights[0]!, { abs: 2e-3 }, "and those of the whole batch to within rounding");
  for (const training of [whole, ...halves]) training.dispose();
});
