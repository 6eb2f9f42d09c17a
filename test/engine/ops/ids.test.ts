/** Ids and steps out of range: NaN or no token instead of a plausible number, and a name while `checkFinite` is on. */

import { transitionTable } from "../../../dist/diffusion/coefficients.js";
import { qSample } from "../../../dist/diffusion/forward.js";
import { klLoss } from "../../../dist/diffusion/loss.js";
import { posteriorLogProbs } from "../../../dist/diffusion/posterior.js";
import { pSample } from "../../../dist/diffusion/sample-step.js";
import { Schedule } from "../../../dist/diffusion/schedule.js";
import { posteriorDense } from "../../../dist/diffusion/transition-matrix.js";
import { IdError } from "../../../dist/engine/gpu/errors.js";
import { checkFinite } from "../../../dist/engine/gpu/finite-check.js";
import type { Gpu } from "../../../dist/engine/gpu/gpu.js";
import { crossEntropy } from "../../../dist/engine/ops/cross-entropy.js";
import { embedding } from "../../../dist/engine/ops/embedding.js";
import { Rng } from "../../../dist/engine/ops/rng.js";
import { logSoftmax } from "../../../dist/engine/ops/softmax.js";
import { backward } from "../../../dist/engine/tensor/autograd.js";
import { fromArray, type Tensor } from "../../../dist/engine/tensor/tensor.js";
import { batchSums } from "../../../dist/models/vqvae/codebook.js";
import { randomArray, test } from "../../harness.js";

const NONE = 2 ** 32 - 1;
const [tokens, steps] = [3, 5];
const schedule = new Schedule({ tokens, steps, ends: "vq-diffusion-paper" });
const ids = (gpu: Gpu, values: number[], label = "ids") =>
  fromArray(gpu, values, [values.length], "u32", label);

/** Which rows of `width` are NaN altogether, and which have none. */
function nanRows(values: Float32Array, width: number): ("all" | "none" | "some")[] {
  return Array.from({ length: values.length / width }, (_, row) => {
    const count = values.subarray(row * width, (row + 1) * width).filter(Number.isNaN).length;
    return count === width ? "all" : count === 0 ? "none" : "some";
  });
}

/** The `IdError` of what `call` computes while the check is on, or null. */
async function named(gpu: Gpu, call: () => Tensor<"f32" | "u32">): Promise<IdError | null> {
  checkFinite(gpu);
  try {
    await gpu.scope(call).read();
    return null;
  } catch (error) {
    if (error instanceof IdError) return error;
    throw error;
  } finally {
    checkFinite(gpu, false);
  }
}

test("crossEntropy: a target that is no class", async (t, gpu) => {
  const logits = fromArray(gpu, randomArray(1, 12), [4, 3]).requireGrad();
  const run = (values: number[]) => crossEntropy(logits, ids(gpu, values, "classes"), { ignore: 9 });
  const { loss, rows } = run([0, 7, 2, 9]);
  t.same(nanRows(await rows.read(), 1), ["none", "all", "none", "none"], "its row alone is NaN");
  t.ok(Number.isNaN(await loss.item()), "and so the mean");
  backward(loss);
  t.same(nanRows(await logits.grad!.read(), 3), ["none", "all", "none", "none"], "its gradient alone is NaN");
  const error = await named(gpu, () => run([0, 7, 2, 9]).loss);
  t.same([error?.op, error?.tensor, error?.value], ["crossEntropy", "classes", 7], `${error}`);
  t.equal(await named(gpu, () => run([0, 1, 2, 9]).loss), null, "an ignored target is none");
});

test("klLoss: tokens and steps that do not exist", async (t, gpu) => {
  const every = transitionTable(gpu, schedule);
  const jumps = transitionTable(gpu, schedule, [5, 3, 0]);
  const good = { x0: [0, 1, 2, 1], xt: [3, 1, 0, 2], t: [1, 3, 5, 3] };
  for (const [name, at, value, table] of [
    ["x0", 1, 9, every],
    ["x0", 0, 3, every],
    ["xt", 2, 4, every],
    ["t", 1, 0, every],
    ["t", 3, 6, every],
    ["t", 2, NONE, every],
    ["t", 0, 2 ** 32 / 5, every],
    ["t", 1, 2, jumps],
  ] as const) {
    const values = {
      ...good,
      t: [5, 3, 5, 3],
      [name]: good[name].map((v, i) => (i === at ? Math.floor(value) : v)),
    };
    if (name === "t") values.t = [5, 3, 5, 3].map((v, i) => (i === at ? Math.floor(value) : v));
    const logits = fromArray(gpu, randomArray(2, 12), [4, tokens]).requireGrad();
    const run = () =>
      klLoss(
        {
          logits,
          x0: ids(gpu, values.x0, "x0"),
          xt: ids(gpu, values.xt, "xt"),
          t: ids(gpu, values.t, "t"),
          coefficients: table.coefficients,
        },
        { lambda: 0.5, adaptive: true },
      );
    const { loss, terms } = run();
    const expected = [0, 1, 2, 3].map((row) => (row === at ? "all" : "none"));
    const label = `${name}[${at}] = ${value}`;
    t.same(nanRows(await terms.read(), 1), [...expected, ...expected, ...expected], `${label}: terms`);
    t.ok(Number.isNaN(await loss.item()), `${label}: loss`);
    backward(loss);
    t.same(nanRows(await logits.grad!.read(), tokens), expected, `${label}: gradient`);
    const error = await named(gpu, () => run().loss);
    t.same([error?.op, error?.tensor, error?.value], ["klLoss", name, Math.floor(value)], `${error}`);
  }
  for (const table of [every, jumps]) table.dispose();
});

test("posterior: tokens and steps that do not exist", async (t, gpu) => {
  const table = transitionTable(gpu, schedule, [5, 3, 0]);
  const logProbs = logSoftmax(fromArray(gpu, randomArray(3, 15), [5, tokens]));
  const run = (xt: number[], t: number[]) =>
    posteriorLogProbs(logProbs, ids(gpu, xt, "xt"), ids(gpu, t, "t"), table.coefficients);
  const got = await run([0, 3, 4, 1, 3], [5, 3, 5, 4, NONE]).read();
  t.same(nanRows(got, tokens + 1), ["none", "none", "all", "all", "all"], "rows");
  const sums = [0, 1].map((row) =>
    got.subarray(row * 4, row * 4 + 4).reduce((sum, value) => sum + Math.exp(value), 0),
  );
  t.near(sums, [1, 1], { rel: 1e-5 }, "the others are distributions");
  const token = await named(gpu, () => run([0, 3, 4, 1, 3], [5, 3, 5, 5, 3]));
  t.same([token?.op, token?.tensor, token?.value], ["posterior", "xt", 4], `${token}`);
  const step = await named(gpu, () => run([0, 3, 1, 1, 3], [5, 3, 5, 4, 3]));
  t.same([step?.op, step?.tensor, step?.value], ["posterior", "t", 4], `${step}`);
  t.equal(await named(gpu, () => run([0, 3, 1, 1, 3], [5, 3, 5, 5, 3])), null, "good ones pass");
  const matrix = fromArray(gpu, new Float32Array(9).fill(1 / 3), [3, 3]);
  const matrices = { toT: matrix, barU: matrix, barT: matrix };
  const dense = posteriorDense(logProbs, ids(gpu, [0, 3, 2, 9, 1]), matrices);
  t.same(nanRows(await dense.read(), 3), ["none", "all", "none", "all", "none"], "dense");
  table.dispose();
});

test("qSample and pSample: no token instead of one that looks right", async (t, gpu) => {
  const table = transitionTable(gpu, schedule, [5, 3, 0]);
  const rng = new Rng(gpu, 1);
  const noised = (x0: number[], t: number[]) => qSample(rng, table, ids(gpu, x0, "x0"), ids(gpu, t, "t"));
  const drawn = await noised([0, 3, 1, 2, 2, 1], [5, 5, 3, 4, 0, 6]).read();
  t.same(
    [...drawn].map((id) => (id <= tokens ? "token" : id)),
    ["token", NONE, "token", NONE, NONE, NONE],
    "x_t",
  );
  const error = await named(gpu, () => noised([0, 7], [5, 5]));
  t.same([error?.op, error?.tensor, error?.value], ["qSample", "x0", 7], `${error}`);
  const scores = fromArray(gpu, randomArray(4, 9), [3, tokens]);
  const step = (xt: number[], t: number) => pSample(rng, scores, ids(gpu, xt, "xt"), table.thresholds, t);
  const sampled = await step([0, 4, 3], 5).read();
  t.same(
    [...sampled].map((id) => (id <= tokens ? "token" : id)),
    ["token", NONE, "token"],
    "x_u",
  );
  t.same([...(await step([0, 1, 3], 4).read())], [NONE, NONE, NONE], "a step that is not visited");
  for (const bad of [0, 6, 1.5, Number.NaN])
    await t.throwsMessage(() => step([0, 1, 3], bad), /whole number from 1 to 5/, `step ${bad}`);
  const wrong = await named(gpu, () => step([0, 4, 3], 5));
  t.same([wrong?.op, wrong?.tensor, wrong?.value], ["pSample", "xt", 4], `${wrong}`);
  rng.dispose();
  table.dispose();
});

test("embedding and batchSums name ids beyond their tables", async (t, gpu) => {
  const table = fromArray(gpu, randomArray(5, 20), [5, 4], "f32", "words");
  const error = await named(gpu, () => embedding(table, ids(gpu, [0, 5], "codes")));
  t.same([error?.op, error?.tensor, error?.value], ["embedding", "codes", 5], `${error}`);
  t.equal(await named(gpu, () => embedding(table, ids(gpu, [0, 7]), { zeroId: 7 })), null, "zeroId is none");
  const z = fromArray(gpu, randomArray(6, 8), [2, 4]);
  const found = await named(gpu, () => batchSums(z, ids(gpu, [4, 8], "ids"), 5).sums);
  t.same([found?.op, found?.value], ["batchSums", 8], `${found}`);
  const before = gpu.memory.liveBytes;
  await named(gpu, () => embedding(table, ids(gpu, [0, 5])));
  t.ok(gpu.memory.liveBytes - before <= 1024, "the check holds no memory");
});
