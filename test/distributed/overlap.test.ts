/** Gradients that leave the device while the backward pass runs: the numbers of those that wait, and where the step is cut. */

import type { Gpu } from "../../dist/engine/gpu/gpu.js";
import { add, mul } from "../../dist/engine/ops/elementwise.js";
import { fromArray, type Tensor } from "../../dist/engine/tensor/tensor.js";
import { cutWork } from "../../dist/training/cut-work.js";
import { GradientReduction } from "../../dist/training/gradient-reduction.js";
import type { StepHook } from "../../dist/training/model-training.js";
import { localCollectives } from "../../dist/training/port-collective.js";
import { test } from "../harness.js";
import { decoderTraining, sameBits, tinyConfig, vqvaeTraining, weightsOf } from "../training/setup.js";

const STEPS = 4;

/** Trainings of two ranks: their weights, norms, times of the reductions, and how often a step was submitted. */
async function trained(
  gpu: Gpu,
  overlaps: boolean,
  make: (hook: StepHook) => ReturnType<typeof decoderTraining>,
) {
  const { ranks, close } = localCollectives(2);
  const hooks = ranks.map((own) => new GradientReduction(own, { bucketBytes: 2048, overlaps }));
  const all = hooks.map(make);
  const norms: number[] = [];
  let submits = 0;
  for (let step = 1; step <= STEPS; step++) {
    const before = gpu.counters.submits;
    const results = await Promise.all(all.map(({ training }) => training.step(step)));
    submits = gpu.counters.submits - before;
    norms.push(...results.flatMap(({ gradNorm, losses }) => [gradNorm, losses.total!]));
  }
  const weights = await Promise.all(all.map(({ model }) => weightsOf(model)));
  const times = hooks.map((hook) => hook.takeTime());
  for (const { dispose } of all) dispose();
  for (const hook of hooks) hook.dispose();
  close();
  return { weights, norms, times, submits };
}

const trainings = {
  "decoder in micro-batches": (gpu: Gpu) => (hook: StepHook) =>
    decoderTraining(gpu, tinyConfig("decoder.batch=8", "decoder.microBatches=2"), { hook }),
  "vqvae with restarts": (gpu: Gpu) => (hook: StepHook) =>
    vqvaeTraining(gpu, tinyConfig("vqvae.batch=8"), { hook }) as unknown as ReturnType<
      typeof decoderTraining
    >,
};

for (const [name, make] of Object.entries(trainings)) {
  test(`${name}: the same bits with and without overlap`, async (t, gpu) => {
    const waiting = await trained(gpu, false, make(gpu));
    const early = await trained(gpu, true, make(gpu));
    t.ok(
      early.submits > waiting.submits,
      `${early.submits} submissions a step instead of ${waiting.submits}`,
    );
    t.same(early.norms, waiting.norms, "norms and losses");
    for (const rank of [0, 1]) t.ok(sameBits(early.weights[rank]!, waiting.weights[rank]!), "weights");
    for (const { hidden } of waiting.times) t.equal(hidden, 0, "nothing is hidden without");
    for (const { hidden, reducing } of early.times)
      t.ok(hidden >= 0 && hidden <= reducing, `${hidden.toFixed(1)} of ${reducing.toFixed(1)} ms hidden`);
  });
}

test("a process alone submits its step once, as without a hook", async (t, gpu) => {
  const { training, dispose } = decoderTraining(gpu, tinyConfig("decoder.batch=8"));
  await training.step(1);
  const before = gpu.counters.submits;
  const dispatches = gpu.counters.dispatches;
  await training.step(2);
  t.ok(
    gpu.counters.submits - before <= 6,
    `${gpu.counters.submits - before} submissions: writes and the reads of numbers included`,
  );
  t.ok(gpu.counters.dispatches - dispatches > 50, "of many dispatches");
  dispose();
});

test("work is cut behind the last command that touches a tensor", async (t, gpu) => {
  const values = fromArray(gpu, new Float32Array(192).fill(1), [192]).keep();
  const parts = [128, 64, 0].map((offset) => values.alias([64], [1], offset));
  const added = (target: Tensor, source: Tensor) =>
    gpu.copyBuffer(source.storage, 4 * source.offset, target.storage, 4 * target.offset, 256);
  const { work, result } = gpu.capture(() => {
    const two = add(parts[0]!, parts[0]!);
    added(parts[2]!, two);
    const four = mul(two, two);
    added(parts[0]!, four);
    added(parts[1]!, two);
    return add(four, two).keep();
  });
  const cut = cutWork(work, parts);
  t.same(
    cut.map(({ complete }) => complete.map((tensor) => parts.indexOf(tensor as never))),
    [[2], [0], [1], []],
    "in the order in which they are written for the last time, and the rest",
  );
  const last = cut.slice(0, 3).map(({ part }) => part.commands.at(-1)!);
  t.same(
    last.map((command) => (command.kind === "copy" ? command.targetOffset : command.kind)),
    [0, 512, 256],
    "each part ends with that write",
  );
  t.same(
    cut.flatMap(({ part }) => part.commands),
    work.replay.commands,
    "all commands in their order",
  );
  for (const { part } of cut) work.run(part);
  t.same([...new Set(await result.read())], [6], "all of it runs");
  t.same([...new Set(await parts[2]!.read())], [2], "in order");
  t.same([...new Set(await parts[0]!.read())], [4], "in order");
  const untouched = fromArray(gpu, [1], [1]).keep();
  t.same(cutWork(work, [untouched])[0]!.complete, [untouched], "what nothing touches is complete before all");
  work.dispose();
  for (const tensor of [...parts, values, result, untouched]) tensor.dispose();
});
