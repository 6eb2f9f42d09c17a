/** The work of a recorded step, against what the shapes of a few ops say. */
import { Gpu } from "../../dist/engine/gpu/gpu.js";
import * as choices from "../../dist/engine/gpu/tuning/choices.js";
import { attention } from "../../dist/engine/ops/attention.js";
import { add } from "../../dist/engine/ops/elementwise.js";
import { linear, matmul } from "../../dist/engine/ops/matmul.js";
import { sum } from "../../dist/engine/ops/reduce.js";
import { backward } from "../../dist/engine/tensor/autograd.js";
import { copyStrided } from "../../dist/engine/tensor/strided.js";
import { zeros } from "../../dist/engine/tensor/tensor.js";
import { planned } from "../../dist/training/captured-step.js";
import { microBatchChoices, parametersByPart, secondsOfParts } from "../../dist/training/run-plan.js";
import { stepWork } from "../../dist/training/step-work.js";
import { test } from "../harness.js";
import { decoderTraining, tinyConfig } from "./setup.js";

test("operations, dispatches and bytes of a product, forward and backward", async (t, gpu) => {
  const [m, k, n] = [33, 65, 17];
  const a = zeros(gpu, [m, k]).requireGrad();
  const b = zeros(gpu, [k, n]).requireGrad();
  const before = gpu.counters.dispatches;
  const forward = stepWork(gpu, () => planned(gpu, () => void matmul(a, b)));
  t.equal(gpu.counters.dispatches, before, "nothing ran");
  t.equal(forward.operations, 2 * m * k * n, "2·m·n·k forward");
  t.equal(forward.dispatches, 1, "one dispatch");
  const least = 4 * (m * k + k * n + m * n);
  t.ok(forward.boundBytes >= least, "the three matrices are bound, and placeholders");
  const both = stepWork(gpu, () => planned(gpu, () => backward(sum(matmul(a, b)))));
  t.equal(both.operations, 3 * 2 * m * k * n, "three such products with the gradients");
});

test("operations of a product whose terms are split count once", async (t, gpu) => {
  const [rows, inputs, outputs] = [4096, 8, 12];
  const x = zeros(gpu, [rows, inputs]).requireGrad();
  const weight = zeros(gpu, [inputs, outputs]).requireGrad();
  let splits = 0;
  const before = gpu.observer;
  gpu.observer = {
    dispatch(_, uniforms) {
      splits = Math.max(splits, Number(uniforms.splits ?? 0));
    },
  };
  planned(gpu, () => backward(sum(linear(x, weight, null))));
  gpu.observer = before;
  t.ok(splits > 1, `the weight's gradient is split in ${splits}`);
  const { operations } = stepWork(gpu, () => planned(gpu, () => backward(sum(linear(x, weight, null)))));
  t.equal(operations, 3 * 2 * rows * inputs * outputs, "forward and two gradients");
});

test("seconds of a step: each micro-batch beyond the first costs the difference", async (t) => {
  t.equal(secondsOfParts(1, 3, 5), 3, "one");
  t.equal(secondsOfParts(4, 3, 5), 9, "3 + 3·2");
  t.equal(secondsOfParts(4, 3, 2.9), 3, "noise does not make it shorter");
});

test("bytes of a copy: those of both buffers", async (t, gpu) => {
  const [from, to] = [zeros(gpu, [100]), zeros(gpu, [100])];
  const { dispatches, operations, boundBytes } = stepWork(gpu, () =>
    planned(gpu, () => copyStrided(from, to, { accumulate: false })),
  );
  t.same([dispatches, operations], [1, 0], "one dispatch without products");
  t.equal(boundBytes, from.storage.bytes + to.storage.bytes, "both are bound as a whole");
});

test("operations of attention: two products of the scores' size forward, with the gradients nine, or seven in one pass", async (t, {
  device,
}) => {
  const gpu = Gpu.from(device, { software: true });
  const [batches, heads, queries, keys, width] = [2, 2, 12, 20, 8];
  const q = zeros(gpu, [batches, queries, heads * width]).requireGrad();
  const k = zeros(gpu, [batches, keys, heads * width]).requireGrad();
  const v = zeros(gpu, [batches, keys, heads * width]).requireGrad();
  const one = 2 * batches * heads * queries * keys * width;
  const scored = (record: () => void) => stepWork(gpu, () => planned(gpu, record)).operations / one;
  t.equal(
    scored(() => void attention(q, k, v, heads)),
    2,
    "forward",
  );
  const both = () => scored(() => backward(sum(attention(q, k, v, heads).output)));
  if (gpu.certainLanes >= 4) t.equal(both(), 2 + 5, "and backward in one pass");
  gpu.tuning.set(choices.attentionBackward, { KERNEL: "portable" });
  t.equal(both(), 2 + 3 + 4, "and backward in two passes");
  for (const tensor of [q, k, v]) tensor.dispose();
  await gpu.idle();
});

test("the memory of a step has its peak within the recording, beside what was there", async (t, gpu) => {
  const x = zeros(gpu, [1024]);
  const before = gpu.memory.liveBytes;
  const { peakBytes } = stepWork(gpu, () =>
    planned(gpu, () => {
      const y = add(x, x);
      gpu.scope(() => add(add(y, y), y));
      add(y, x);
    }),
  );
  t.equal(peakBytes - before, 3 * 4096, "three tensors at a time, not four");
  t.equal(gpu.memory.liveBytes, before, "given back");
});

test("fewer micro-batches take more memory and the same work", async (t, gpu) => {
  const work = [1, 2, 4].map((count) => {
    const tiny = decoderTraining(gpu, tinyConfig(`decoder.microBatches=${count}`, "decoder.batch=8"));
    try {
      return stepWork(gpu, () => tiny.training.plan());
    } finally {
      tiny.dispose();
    }
  });
  const [one, two, four] = work as [(typeof work)[0], (typeof work)[0], (typeof work)[0]];
  t.ok(one!.peakBytes > two!.peakBytes && two!.peakBytes > four!.peakBytes, "memory falls");
  t.ok(one!.dispatches < two!.dispatches && two!.dispatches < four!.dispatches, "dispatches rise");
  t.ok(Math.abs(four!.operations / one!.operations - 1) < 0.2, "operations stay");
});

test("parameters by part, and the micro-batches of a batch", async (t, gpu) => {
  const tiny = decoderTraining(gpu, tinyConfig());
  const parts = parametersByPart(tiny.model);
  const sum = [...parts.values()].reduce((total, { trained }) => total + trained, 0);
  t.equal(sum, tiny.model.parameterCount, "the parts add up to the trained parameters");
  t.ok(parts.has("blocks") && !parts.has("block0"), "blocks count together");
  tiny.dispose();
  t.same(microBatchChoices(12, 2), [1, 2, 3, 6], "whole pictures only");
});
