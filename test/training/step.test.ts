import { type TransitionTable, transitionTable } from "../../dist/diffusion/coefficients.js";
import { diffusionLoss, type KlResult, klLoss } from "../../dist/diffusion/loss.js";
import { sample } from "../../dist/diffusion/sampler.js";
import { checkFinite } from "../../dist/engine/gpu/finite-check.js";
import type { Gpu } from "../../dist/engine/gpu/gpu.js";
import type { Rng } from "../../dist/engine/ops/rng.js";
import { fromArray } from "../../dist/engine/tensor/tensor.js";
import type { Decoder } from "../../dist/models/mc-diffusion/decoder.js";
import { DiffusionObjective, type Drawn } from "../../dist/models/mc-diffusion/objective.js";
import type { StepResult } from "../../dist/training/trainer.js";
import { test } from "../harness.js";
import {
  decoderShape,
  decoderTraining,
  pairs,
  sameBits,
  tinyConfig,
  vqvaeTraining,
  weightsOf,
} from "./setup.js";

const stages = { decoder: decoderTraining, vqvae: vqvaeTraining };

for (const [stage, make] of Object.entries(stages)) {
  test(`${stage}: a replayed step is the step itself, to the bit`, async (t, gpu) => {
    const config = tinyConfig("decoder.dropout=0.2");
    const train = async (finite: boolean) => {
      // A switched-on search for NaN runs every step op by op, without a capture.
      checkFinite(gpu, finite);
      const tiny = make(gpu, config, { shape: { dropout: 0.2 } });
      const results: StepResult[] = [];
      for (let step = 1; step <= 6; step++) results.push(await tiny.training.step(step));
      const weights = await weightsOf(tiny.model);
      tiny.dispose();
      checkFinite(gpu, false);
      return { results, weights };
    };
    const before = gpu.counters.dispatches;
    const replayed = await train(false);
    const dispatches = gpu.counters.dispatches - before;
    const walked = await train(true);
    t.ok(dispatches > 0, "the replayed steps ran");
    t.same(walked.results, replayed.results, "losses, learning rates and gradient norms");
    t.ok(sameBits(walked.weights, replayed.weights), "weights");
    t.ok(
      replayed.results.some(({ losses }, i) => i > 0 && losses.total !== replayed.results[0]!.losses.total),
      "the steps are not all alike",
    );
    t.ok(
      replayed.results.every(({ gradNorm, losses }) => gradNorm > 0 && Number.isFinite(losses.total)),
      "and train",
    );
  });

  const many = stage === "decoder" ? 100 : 30;
  test(`${stage}: ${many} steps take nothing that they do not give back`, async (t, gpu) => {
    const tiny = make(gpu, tinyConfig());
    const state = () => {
      const { liveBytes, pooledBytes } = gpu.memory;
      const { buffers, bindGroups, pipelines } = gpu.counters;
      return { liveBytes, pooledBytes, buffers, bindGroups, pipelines };
    };
    const run = async (from: number, to: number) => {
      for (let step = from; step <= to; step++) await tiny.training.step(step);
    };
    await run(1, 3);
    const before = state();
    const dispatched = gpu.counters.dispatches;
    await run(4, 3 + many);
    t.same(state(), before, "live and pooled bytes, buffers, bind groups, pipelines are as after warm-up");
    t.ok(gpu.counters.dispatches > dispatched, "although steps ran");
    tiny.dispose();
  });

  test(`${stage}: the search for NaN can be switched on and off between steps`, async (t, gpu) => {
    const train = async (finite: readonly boolean[]) => {
      const tiny = make(gpu, tinyConfig());
      const losses = [];
      for (const [i, on] of finite.entries()) {
        checkFinite(gpu, on);
        losses.push((await tiny.training.step(i + 1)).losses);
      }
      tiny.dispose();
      checkFinite(gpu, false);
      return losses;
    };
    t.same(
      await train([true, false, true, false]),
      await train([false, false, false, false]),
      "the same losses",
    );
  });

  test(`${stage}: training gives all its memory back`, async (t, gpu) => {
    const before = gpu.memory.liveBytes;
    const tiny = make(gpu, tinyConfig());
    await tiny.training.step(1);
    await tiny.training.save();
    tiny.dispose();
    t.equal(gpu.memory.liveBytes, before, "live bytes as before");
  });

  test(`${stage}: the first step moves the weights`, async (t, gpu) => {
    const tiny = make(gpu, tinyConfig());
    const trained = tiny.model.parameters().filter((parameter) => parameter.trained);
    const before = await Promise.all(trained.map(({ tensor }) => tensor.read()));
    await tiny.training.step(1);
    const after = await Promise.all(trained.map(({ tensor }) => tensor.read()));
    const still = trained.filter((_, i) => sameBits(before[i]!, after[i]!)).map(({ name }) => name);
    // Nothing is masked in some batches, and then nothing moves what stands for a masked code.
    t.same(
      still.filter((name) => name !== "codeMask"),
      [],
      "every one of them",
    );
    tiny.dispose();
  });

  test(`${stage}: the same seed trains the same, another one does not`, async (t, gpu) => {
    const train = async (seed: number) => {
      const tiny = make(gpu, tinyConfig(`seed=${seed}`));
      const losses = [];
      for (let step = 1; step <= 3; step++) losses.push((await tiny.training.step(step)).losses);
      tiny.dispose();
      return losses;
    };
    const first = await train(7);
    t.same(await train(7), first, "same losses");
    t.ok(JSON.stringify(await train(8)) !== JSON.stringify(first), "other losses");
  });
}

test("decoder: head and loss in one, in one chunk or several, train as logits and then the loss", async (t, gpu) => {
  const config = tinyConfig("decoder.dropout=0.2");
  type Way = (decoder: Decoder, random: Rng, table: TransitionTable, drawn: Drawn) => KlResult;
  const { lambda } = config.decoder;
  const train = async (way?: Way) => {
    let asked = 0;
    class Other extends DiffusionObjective {
      override lossOf(drawn: Drawn): KlResult {
        asked++;
        return way!(this.decoder, this.random, this.table, drawn);
      }
    }
    const tiny = decoderTraining(gpu, config, {
      shape: { dropout: 0.2 },
      ...(way && {
        objective: (decoder, settings, random) => new Other(decoder, decoder.schedule, settings, random),
      }),
    });
    const results = [];
    for (let step = 1; step <= 5; step++) results.push(await tiny.training.step(step));
    const weights = await weightsOf(tiny.model, { keyBiases: false });
    tiny.dispose();
    t.equal(asked > 0, way !== undefined, "the other way was taken where there is one");
    return {
      losses: results.flatMap(({ losses, gradNorm }) => [...Object.values(losses), gradNorm]),
      weights,
    };
  };
  const apart = await train((decoder, random, table, { x0, xt, t, y, weights }) => {
    const logits = decoder.forward(xt, t, decoder.prepare(y), { random });
    return klLoss(
      { logits, x0, xt, t, coefficients: table.coefficients },
      { lambda, adaptive: config.decoder.adaptiveAuxiliary, weights },
    );
  });
  const chunked = await train((decoder, random, table, { x0, xt, t, y, weights }) => {
    const head = decoder.beforeHead(xt, t, decoder.prepare(y), { random });
    const options = { lambda, adaptive: config.decoder.adaptiveAuxiliary, weights };
    return diffusionLoss(table, { head, x0, xt, t }, { ...options, chunkBytes: 4 * 9 * 10 });
  });
  for (const [name, way] of [
    ["one chunk", await train()],
    ["several chunks", chunked],
  ] as const) {
    // Adam divides by the gradient's size, so rounding shows most where gradients are next to nothing; those of the
    // keys' biases are nothing, and left out.
    t.near(
      way.losses,
      apart.losses,
      { rel: 1e-4 },
      `${name}: losses and gradient norms of five steps to 1e-4`,
    );
    t.near(
      way.weights,
      apart.weights,
      { abs: 1e-3 },
      `${name}: weights to 1e-3, a fifth of one step's reach`,
    );
  }
});

async function captions(gpu: Gpu, tiny: ReturnType<typeof decoderTraining>): Promise<number[][]> {
  const { decoder, schedule } = tiny;
  const table = transitionTable(gpu, schedule);
  const codes = fromArray(
    gpu,
    pairs.flatMap((pair) => pair.codes),
    [pairs.length, 4],
    "u32",
  );
  const result = await sample({
    table,
    predict: (xt, t, y) => decoder.forward(xt, t, decoder.prepare(y!)),
    batch: pairs.length,
    length: decoderShape.length,
    condition: codes,
    seed: 3,
    temperature: 1e-3,
    last: "argmax",
  });
  const drawn = Array.from(await result.read());
  for (const owned of [result, codes, table]) owned.dispose();
  return pairs.map((_, i) => drawn.slice(i * decoderShape.length, (i + 1) * decoderShape.length));
}

test("a tiny decoder learns four captions by heart", async (t, gpu) => {
  const steps = 140;
  const config = tinyConfig(
    `decoder.steps=${steps}`,
    "decoder.batch=16",
    "decoder.learningRate=0.01",
    "decoder.warmup=10",
    "decoder.pCond=0.1",
    "decoder.pMask=0.1",
  );
  const tiny = decoderTraining(gpu, config, { sameBatch: true });
  const wrong = await captions(gpu, tiny);
  t.ok(
    wrong.some((caption, i) => caption.join() !== pairs[i]!.tokens.join()),
    "before training the captions are wrong",
  );
  const losses: number[] = [];
  for (let step = 1; step <= steps; step++) losses.push((await tiny.training.step(step)).losses.total!);
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [first, last] = [mean(losses.slice(0, 20)), mean(losses.slice(-20))];
  t.comment(`loss ${first.toFixed(3)} → ${last.toFixed(3)}`);
  t.ok(last < first / 8, `the loss falls to less than an eighth (${(first / last).toFixed(1)} times)`);
  for (const [name, said] of [
    ["the weights", await captions(gpu, tiny)],
    ["the averaged weights", await tiny.training.optimizer.withAverages(() => captions(gpu, tiny))],
  ] as const) {
    t.same(
      said,
      pairs.map(({ tokens }) => tokens),
      `${name} say every training caption for its codes`,
    );
  }
  tiny.dispose();
});

test("averaged weights are lent and given back", async (t, gpu) => {
  const config = tinyConfig("decoder.emaDecay=0.8", "decoder.emaEvery=2", "decoder.learningRate=0.01");
  const tiny = decoderTraining(gpu, config);
  const { optimizer } = tiny.training;
  // The average by hand, from the weights after each second step: Σ 0.8³⁻ⁱ wᵢ / Σ 0.8³⁻ⁱ.
  let average = (await weightsOf(tiny.model)).fill(0);
  for (let step = 1; step <= 6; step++) {
    await tiny.training.step(step);
    const weights = await weightsOf(tiny.model);
    const share = 0.8 ** (3 - step / 2) / (1 + 0.8 + 0.8 ** 2);
    if (step % 2 === 0) average = average.map((value, i) => value + share * weights[i]!);
  }
  const trained = await weightsOf(tiny.model);
  const lent = await optimizer.withAverages(() => weightsOf(tiny.model));
  t.near(lent, average, { abs: 1e-6, rel: 1e-5 }, "inside, the weights are the averages");
  t.ok(
    lent.some((value, i) => Math.abs(value - trained[i]!) > 1e-4),
    "which are not the trained ones",
  );
  t.ok(sameBits(await weightsOf(tiny.model), trained), "afterwards the trained ones are back, to the bit");
  await t.throwsMessage(
    optimizer.withAverages(async () => {
      throw new Error("evaluation failed");
    }),
    /evaluation failed/,
    "an error inside comes through",
  );
  t.ok(sameBits(await weightsOf(tiny.model), trained), "and still the trained ones are back");
  const { losses } = await tiny.training.step(7);
  t.ok(Number.isFinite(losses.total), "training goes on");
  const last = await optimizer.withAverages(() => weightsOf(tiny.model));
  optimizer.useAverages();
  t.ok(sameBits(await weightsOf(tiny.model), last), "useAverages puts them in for good");
  tiny.dispose();

  const without = decoderTraining(gpu, tinyConfig("decoder.emaDecay=0"));
  await without.training.step(1);
  const plain = await weightsOf(without.model);
  const same = await without.training.optimizer.withAverages(() => weightsOf(without.model));
  t.ok(sameBits(same, plain), "without averaging, the weights themselves");
  without.training.optimizer.useAverages();
  t.ok(sameBits(await weightsOf(without.model), plain), "in both ways");
  without.dispose();
});
