/** What ranks do together beside the gradients. */

import { platform } from "#test-host";
import { RunFolder } from "../../dist/io/run-folder.js";
import { measureCosts } from "../../dist/training/costs.js";
import { followStage } from "../../dist/training/follow.js";
import { GradientReduction } from "../../dist/training/gradient-reduction.js";
import { runStage } from "../../dist/training/loop.js";
import { localCollectives } from "../../dist/training/port-collective.js";
import { anyStops, firstDifference, steppedTogether } from "../../dist/training/ranks.js";
import { sharePlanned } from "../../dist/training/time-plan.js";
import type { StepResult, Trainer } from "../../dist/training/trainer.js";
import { test } from "../harness.js";
import { MemoryFiles } from "../io/memory-files.js";
import { build } from "../tiny-captioner.js";
import { stageOptions, tinyConfig } from "../training/setup.js";

test("a step's numbers: mean losses, the slowest rank, and whose loss is NaN", async (t) => {
  const { ranks, close } = localCollectives(3);
  const results = await Promise.all(
    ranks.map((own) =>
      steppedTogether(new GradientReduction(own), async () => {
        await new Promise((resolve) => setTimeout(resolve, own.rank === 1 ? 120 : 1));
        const kl = own.rank;
        return {
          losses: { total: own.rank === 2 ? Number.NaN : 1, kl },
          learningRate: 0.5,
          gradNorm: 2,
        } satisfies StepResult;
      }),
    ),
  );
  close();
  for (const { losses, ranks, notFinite } of results) {
    t.ok(Number.isNaN(losses.total!), "one NaN is everyone's");
    t.equal(losses.kl, 1, "the mean");
    t.same(notFinite, [2], "the rank of the NaN");
    t.equal(ranks?.slowest, 1, "the slowest");
    t.ok(ranks!.slowestMs > 90, "its time");
    t.equal(ranks?.count, 3, "how many");
  }
});

test("one rank that wants to stop stops all", async (t) => {
  const { ranks, close } = localCollectives(3);
  const ask = (wishes: boolean[]) => Promise.all(ranks.map((own, i) => anyStops(own, wishes[i]!, true)));
  t.same(await ask([false, false, false]), [false, false, false], "none asks");
  t.same(await ask([false, false, true]), [true, true, true], "the last asks");
  close();
});

test("the first difference of two settings", async (t) => {
  const settings = { seed: 1, decoder: { dim: 8, betas: [1, 2] } };
  t.equal(firstDifference(settings, structuredClone(settings)), null, "none");
  t.equal(
    firstDifference(settings, { seed: 1, decoder: { dim: 8, betas: [1, 3] } }),
    "decoder.betas.1 is 3 here and 2 there",
    "a number deep inside",
  );
  t.equal(
    firstDifference(settings, { seed: 1 }),
    'decoder is missing here and {"dim":8,"betas":[1,2]} there',
    "a section",
  );
});

/** A trainer whose weights are one number, which each step raises. */
function counting(gpu: Trainer["gpu"], start: number, step: (n: number) => StepResult) {
  const weights = Float32Array.of(start);
  const trainer: Trainer = {
    gpu,
    stage: "decoder",
    steps: 6,
    perStep: { count: 1, unit: "tokens" },
    step: async (n) => {
      weights[0]! += 1;
      return step(n);
    },
    undo() {},
    memorySettings: "",
    evaluate: async () => ({}),
    sample: async () => "",
    withUsedWeights: (body) => body(),
    save: async () => ({
      model: new Map([["w", { dtype: "F32" as const, shape: [1], data: weights.slice() }]]),
      optimizer: new Map(),
    }),
    load: ({ model }) => weights.set(model.get("w")!.data as Float32Array),
    dispose() {},
  };
  return { trainer, weights };
}

const fine = (): StepResult => ({ losses: { total: 1 }, learningRate: 1, gradNorm: 1 });

test("rank 0's state is everyone's, and all end at the same step", async (t, gpu) => {
  const { ranks, close } = localCollectives(2);
  const config = tinyConfig("log.checkpointEvery=2", "log.evaluateEvery=0", "log.sampleEvery=0");
  const files = new MemoryFiles();
  const run = await RunFolder.create(files, "run", {});
  const [first, second] = [counting(gpu, 10, fine), counting(gpu, 20, fine)];
  let asked = false;
  const outcomes = await Promise.all([
    runStage(first.trainer, {
      ...stageOptions({ ...platform, files }, run, config),
      collective: ranks[0]!,
    }),
    followStage(
      {
        ...second.trainer,
        step: async (n) => {
          asked = n === 3;
          return second.trainer.step(n);
        },
      },
      { collective: ranks[1]!, log: config.log, interrupted: () => asked },
    ),
  ]);
  close();
  t.same(outcomes, ["interrupted", "interrupted"], "both stop");
  t.same([first.weights[0], second.weights[0]], [13, 13], "three steps from the weights of rank 0");
});

test("a plan that is corrected ends all ranks at the same step", async (t, gpu) => {
  for (const [name, wanted] of [
    ["fewer steps", 4],
    ["more steps", 9],
    ["the time is over", 3],
  ] as const) {
    const { ranks, close } = localCollectives(2);
    const files = new MemoryFiles();
    const run = await RunFolder.create(files, "run", {});
    const configs = ranks.map(() =>
      tinyConfig("log.checkpointEvery=3", "log.evaluateEvery=2", "log.sampleEvery=0", "decoder.steps=6"),
    );
    const all = configs.map((config, i) => {
      const { trainer, weights } = counting(gpu, 0, fine);
      const own: Trainer = { ...trainer };
      Object.defineProperty(own, "steps", { get: () => config.decoder.steps });
      const pace = async (step: number) => {
        if (i === 0 && step === 3) {
          config.decoder.steps = wanted;
          config.log.evaluateEvery = 3;
        }
        await sharePlanned(ranks[i]!, config);
      };
      return { own, weights, config, pace };
    });
    const [first, second] = all;
    const outcomes = await Promise.all([
      runStage(first!.own, {
        ...stageOptions({ ...platform, files }, run, first!.config),
        collective: ranks[0]!,
        pace: first!.pace,
      }),
      followStage(second!.own, {
        collective: ranks[1]!,
        log: second!.config.log,
        interrupted: () => false,
        pace: second!.pace,
      }),
    ]);
    close();
    t.same(outcomes, ["finished", "finished"], `${name}: both end`);
    t.same(
      all.map(({ weights }) => weights[0]),
      [wanted, wanted],
      "after as many steps",
    );
  }
});

test("the slowest process decides what a run is planned with", async (t, gpu) => {
  const { ranks, close } = localCollectives(2);
  const captioners = ranks.map(() => build(gpu, "vqvae.batch=8", "decoder.batch=8"));
  // The clock of the second process runs ten times as fast.
  const all = await Promise.all(
    ranks.map((own, i) =>
      measureCosts(
        captioners[i]!,
        () => performance.now() * (i === 1 ? 10 : 1),
        () => i === 0,
        own,
      ),
    ),
  );
  t.ok(all[0]!.decoderStep > 0 && all[0]!.bound > 0, "all is measured: the first process decides to go on");
  t.same(all[1], all[0], "the same on both");
  const stopped = await Promise.all(
    ranks.map((own, i) =>
      measureCosts(
        captioners[i]!,
        () => performance.now(),
        () => i === 1,
        own,
      ),
    ),
  );
  t.same(stopped, [null, null], "or not");
  for (const captioner of captioners) captioner.dispose();
  close();
});

test("a NaN names its rank", async (t, gpu) => {
  const { ranks, close } = localCollectives(2);
  const config = tinyConfig("log.evaluateEvery=0", "log.sampleEvery=0");
  const files = new MemoryFiles();
  const run = await RunFolder.create(files, "run", {});
  const bad = (n: number): StepResult =>
    n < 3 ? fine() : { ...fine(), losses: { total: Number.NaN }, gradNorm: Number.NaN, notFinite: [1] };
  const [first, second] = [counting(gpu, 0, bad), counting(gpu, 0, bad)];
  // It waits for the end of the job.
  void followStage(second.trainer, { collective: ranks[1]!, log: config.log, interrupted: () => false });
  await t.throwsMessage(
    runStage(first.trainer, {
      ...stageOptions({ ...platform, files }, run, config),
      collective: ranks[0]!,
    }),
    /decoder step 3: the loss is NaN on rank 1; a lower decoder.learningRate may help/,
    "the sentence",
  );
  close();
});
