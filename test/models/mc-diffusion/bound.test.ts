import { transitionTable } from "../../../dist/diffusion/coefficients.js";
import { qSample, sampleTimesteps } from "../../../dist/diffusion/forward.js";
import { diffusionLoss, klLoss } from "../../../dist/diffusion/loss.js";
import { Schedule, schedulePresets } from "../../../dist/diffusion/schedule.js";
import type { Gpu } from "../../../dist/engine/gpu/gpu.js";
import { Rng } from "../../../dist/engine/ops/rng.js";
import { noGrad } from "../../../dist/engine/tensor/tape.js";
import { fromArray } from "../../../dist/engine/tensor/tensor.js";
import {
  captionBounds,
  drawVisits,
  logOneHot,
  stepDivergence,
} from "../../../dist/models/mc-diffusion/bound.js";
import { Decoder } from "../../../dist/models/mc-diffusion/decoder.js";
import { randomArray, test } from "../../harness.js";
import { Process, softmax } from "../../reference/diffusion.js";
import { decoderShape } from "../../training/setup.js";

const mean = (values: ArrayLike<number>) => Array.from(values).reduce((a, b) => a + b, 0) / values.length;

/** Mean and its standard error. */
function estimate(values: ArrayLike<number>): { value: number; error: number } {
  const value = mean(values);
  const variance = mean(Array.from(values, (x) => (x - value) ** 2)) * (values.length / (values.length - 1));
  return { value, error: Math.sqrt(variance / values.length) };
}

test("the divergence of a step is that of explicit matrices, and the training step's", async (t, gpu) => {
  const [tokens, steps] = [4, 6];
  for (const preset of schedulePresets) {
    const schedule = new Schedule({ tokens, steps, ends: preset });
    const process = new Process(schedule);
    const table = transitionTable(gpu, schedule);
    const rows: { x0: number; xt: number; t: number }[] = [];
    for (let x0 = 0; x0 < tokens; x0++)
      for (let xt = 0; xt <= tokens; xt++)
        for (let time = 1; time <= steps; time++)
          if (process.forward(x0, time)[xt]! > 1e-12) rows.push({ x0, xt, t: time });
    const column = (name: "x0" | "xt" | "t") => rows.map((row) => row[name]);
    const values = randomArray(4, rows.length * tokens, 2);
    const shape = [rows.length, 1];
    const logits = fromArray(gpu, values, [...shape, tokens]);
    const clean = fromArray(gpu, logOneHot(column("x0"), tokens), [...shape, tokens]);
    const [x0, xt] = [column("x0"), column("xt")].map((ids) => fromArray(gpu, ids, shape, "u32")) as [
      ReturnType<typeof fromArray<"u32">>,
      ReturnType<typeof fromArray<"u32">>,
    ];
    const times = fromArray(gpu, column("t"), [rows.length], "u32");
    const divergences = await stepDivergence(table, clean, logits, xt, times).read();
    const tolerance = { abs: 2e-5, rel: 1e-4 };
    const exact = rows.map((row, i) =>
      process.kl(values.subarray(i * tokens, (i + 1) * tokens), row.x0, row.xt, row.t),
    );
    t.near(divergences, exact, tolerance, `${preset}: ${rows.length} cases of explicit matrices`);
    const targets = { logits, x0, xt, t: times, coefficients: table.coefficients };
    const { terms } = gpu.scope(() => noGrad(() => klLoss(targets)));
    t.near(
      divergences,
      (await terms.read()).subarray(0, rows.length),
      tolerance,
      `${preset}: the training step's KL`,
    );
    table.dispose();
  }
});

/** A decoder of two positions and three tokens, and what it says of all 16 states at all four steps. */
async function tinyModel(gpu: Gpu) {
  const [vocabulary, length, timesteps] = [3, 2, 4];
  const decoder = new Decoder(gpu, { ...decoderShape, vocabulary, length, timesteps });
  decoder.initialise(3);
  // Random weights say nearly the same of all tokens; sharper ones make a model that can be wrong.
  const head = decoder.parameters().find(({ name }) => name === "head.weight")!.tensor;
  head.write((await head.read()).map((weight) => 3 * weight));
  const schedule = new Schedule({ tokens: vocabulary, steps: timesteps });
  const codes = Uint32Array.of(1, 5, 0, 7);
  const states = Array.from({ length: 16 }, (_, i) => [Math.floor(i / 4), i % 4]);
  const logits = await Promise.all(
    [1, 2, 3, 4].map((time) =>
      gpu
        .scope(() =>
          noGrad(() =>
            decoder.forward(
              fromArray(gpu, states.flat(), [16, length], "u32"),
              fromArray(gpu, new Uint32Array(16).fill(time), [16], "u32"),
              decoder.prepare(fromArray(gpu, codes, [1, 4], "u32")),
            ),
          ),
        )
        .read(),
    ),
  );
  /** p̃(x_0 | x_t) at a position. */
  const predicted = (time: number, state: number, position: number) =>
    softmax(logits[time - 1]!.subarray((state * length + position) * 3, (state * length + position + 1) * 3));
  return { decoder, schedule, codes, states, predicted };
}

test("a bound: above the exact -log p, and equal to its own expectation and to the training terms'", async (t, gpu) => {
  const { decoder, schedule, codes, states, predicted } = await tinyModel(gpu);
  const process = new Process(schedule);
  const { steps } = schedule;
  const gamma = schedule.gammaBar[steps]!;
  const priorOf = (token: number) => (token === 3 ? gamma : (1 - gamma) / 3);
  /** p_θ(x_{t-1} | x_t) at each position. */
  const reverse = Array.from({ length: steps }, (_, i) =>
    states.map((state, s) => state.map((xt, l) => process.posterior(predicted(i + 1, s, l), xt, i, i + 1))),
  );
  // The chain through all states: the exact distribution of x_0.
  let distribution = states.map(([a, b]) => priorOf(a!) * priorOf(b!));
  for (let time = steps; time >= 1; time--) {
    distribution = states.map(([a, b]) =>
      distribution.reduce((sum, p, s) => {
        const [first, second] = reverse[time - 1]![s]!;
        return sum + p * first![a!]! * second![b!]!;
      }, 0),
    );
  }
  t.near([distribution.reduce((a, b) => a + b)], [1], { abs: 1e-12 }, "the chain ends in a distribution");
  const divergence = (q: ArrayLike<number>, p: ArrayLike<number>) =>
    Array.from(q).reduce((sum, x, j) => (x > 0 ? sum + x * Math.log(x / p[j]!) : sum), 0);
  const onehot = (token: number) => [0, 1, 2].map((j) => (j === token ? 1 : 0));
  const exactBound = (x0: number[]) => {
    let bound = x0.reduce(
      (sum, token) => sum + divergence(process.forward(token, steps), [0, 1, 2, 3].map(priorOf)),
      0,
    );
    t.near([bound], [2 * schedule.priorKl()], { abs: 1e-14 }, "the prior term");
    for (let time = 1; time <= steps; time++) {
      states.forEach((state, s) => {
        const weight = state.reduce((p, xt, l) => p * process.forward(x0[l]!, time)[xt]!, 1);
        for (const [l, xt] of state.entries()) {
          const truth = process.posterior(onehot(x0[l]!), xt, time - 1, time);
          bound += weight * divergence(truth, reverse[time - 1]![s]![l]!);
        }
      });
    }
    return bound;
  };
  const table = transitionTable(gpu, schedule);
  for (const x0 of [
    [1, 0],
    [2, 2],
  ]) {
    const exact = exactBound(x0);
    const likelihood = -Math.log(distribution[states.findIndex(([a, b]) => a === x0[0] && b === x0[1])]!);
    t.comment(`x_0 = ${x0}: -log p = ${likelihood.toFixed(4)}, bound ${exact.toFixed(4)}`);
    t.ok(exact >= likelihood, `${x0}: the bound lies above -log p`);
    const copies = 1500;
    const many = <T>(value: T) => new Array<T>(copies).fill(value);
    for (const asked of [4, 3, 1]) {
      const { value, error } = estimate(
        await captionBounds(decoder, table, many(Uint32Array.from(x0)), many(codes), {
          steps: asked,
          seed: 5,
          batch: 500,
        }),
      );
      t.ok(
        Math.abs(value - exact) < 4 * error && error < 0.1 * exact,
        `${x0}: from ${asked} steps ${value.toFixed(4)} ± ${error.toFixed(4)} for ${exact.toFixed(4)}`,
      );
    }
    // Algorithm 1's terms: t uniform, λ = 0; T times their mean over tokens, and the prior, by L.
    const random = new Rng(gpu, 9);
    const { terms } = gpu.scope(() =>
      noGrad(() => {
        const clean = fromArray(gpu, many(x0).flat(), [copies, 2], "u32");
        const times = sampleTimesteps(random, table, copies);
        const xt = qSample(random, table, clean, times);
        const y = fromArray(gpu, many([...codes]).flat(), [copies, 4], "u32");
        const head = decoder.beforeHead(xt, times, decoder.prepare(y));
        return { terms: diffusionLoss(table, { head, x0: clean, xt, t: times }, { lambda: 0 }).terms };
      }),
    );
    const kl = (await terms.read()).subarray(0, 2 * copies);
    const training = estimate(
      many(0).map((_, i) => steps * (kl[2 * i]! + kl[2 * i + 1]!) + 2 * schedule.priorKl()),
    );
    t.ok(
      Math.abs(training.value - exact) < 4 * training.error && training.error < 0.1 * exact,
      `${x0}: training terms ${training.value.toFixed(4)} ± ${training.error.toFixed(4)}`,
    );
    random.dispose();
    terms.dispose();
  }
  table.dispose();
  decoder.dispose();
});

/** A decoder that says the same of every position: `logits` [M]. */
function constantDecoder(gpu: Gpu, logits: readonly number[], length: number): Decoder {
  return {
    gpu,
    shape: { vocabulary: logits.length, length, side: 1 },
    prepare: () => null,
    forward: (xt: { shape: readonly number[] }) => {
      const rows = xt.shape[0]! * length;
      const all = new Array(rows).fill(logits).flat();
      return fromArray(gpu, all, [xt.shape[0]!, length, logits.length]);
    },
    picturesAtOnce: 64,
  } as unknown as Decoder;
}

test("a model that knows the caption pays the prior term alone, one that knows nothing L log M", async (t, gpu) => {
  const [tokens, length, steps, copies] = [5, 3, 12, 400];
  const captions = new Array(copies).fill(new Uint32Array(length).fill(2));
  const codes = new Array(copies).fill(Uint32Array.of(0));
  for (const preset of schedulePresets) {
    const schedule = new Schedule({ tokens, steps, ends: preset });
    const table = transitionTable(gpu, schedule);
    const prior = length * schedule.priorKl();
    const sure = constantDecoder(gpu, [0, 0, 60, 0, 0], length);
    const known = await captionBounds(sure, table, captions.slice(0, 20), codes.slice(0, 20), { seed: 1 });
    t.near(known, new Float64Array(20).fill(prior), { abs: 1e-4 }, `${preset}: ${prior.toFixed(6)} nats`);
    const flat = constantDecoder(gpu, [1, 1, 1, 1, 1], length);
    const { value, error } = estimate(await captionBounds(flat, table, captions, codes, { seed: 2 }));
    const least = length * Math.log(tokens);
    const said = `${preset}: ${value.toFixed(3)} ± ${error.toFixed(3)}, L log M = ${least.toFixed(3)}`;
    // Where tokens are only masked, every word is guessed exactly once. Elsewhere a flat p̃ also takes words back.
    if (preset === "absorbing") t.ok(Math.abs(value - least) < 4 * error && error < 0.1 * least, said);
    else t.ok(value > least + 4 * error, said);
    table.dispose();
  }
});

test("the caption pays the prior term of each of its positions, also where it is large", async (t, gpu) => {
  // Of x_0 something is left at step T, so that the prior of sampling is not q(x_T | x_0).
  const ends = { alphaFirst: 0.99999, alphaLast: 0.3, gammaFirst: 0.00001, gammaLast: 0.4 };
  const [tokens, length] = [5, 3];
  const schedule = new Schedule({ tokens, steps: 12, ends });
  const table = transitionTable(gpu, schedule);
  // q(x_T | x_0): 0.3 + 0.06 for the word, 0.06 for each other, 0.4 for [MASK], which the prior has too.
  const ofToken = 0.36 * Math.log(0.36 / 0.12) + 4 * 0.06 * Math.log(0.06 / 0.12);
  const sure = constantDecoder(gpu, [0, 0, 60, 0, 0], length);
  const captions = [new Uint32Array(length).fill(2), new Uint32Array(length).fill(2)];
  const codes = [Uint32Array.of(0), Uint32Array.of(0)];
  const known = await captionBounds(sure, table, captions, codes, { seed: 1 });
  t.near(known, [length * ofToken, length * ofToken], { rel: 1e-4 }, `${(length * ofToken).toFixed(4)} nats`);
  table.dispose();
});

test("the steps that stand for ranges of steps", async (t) => {
  for (const [count, strata] of [
    [100, 10],
    [10, 3],
    [7, 7],
    [5, 1],
  ] as const) {
    const seen = Array.from({ length: strata }, () => new Set<number>());
    const sums = new Float64Array(count);
    for (let sequence = 0; sequence < 1000; sequence++) {
      const drawn = drawVisits(count, strata, 3, sequence);
      drawn.forEach(({ visit, size }, stratum) => {
        seen[stratum]!.add(visit);
        sums[visit]! += size / 1000;
      });
    }
    const name = `${strata} of ${count}`;
    t.equal(
      seen.reduce((sum, visits) => sum + visits.size, 0),
      count,
      `${name}: every step belongs to one range`,
    );
    t.near(sums, new Float64Array(count).fill(1), { abs: 0.5 }, `${name}: each stands for itself on average`);
  }
});

test("seeds, wrong settings, memory", async (t, gpu) => {
  const { decoder, schedule, codes } = await tinyModel(gpu);
  const table = transitionTable(gpu, schedule);
  const captions = new Array(7).fill(Uint32Array.of(1, 2));
  const y = new Array(7).fill(codes);
  const before = gpu.memory.liveBytes;
  const of = (options: object) => captionBounds(decoder, table, captions, y, { batch: 3, ...options });
  const first = await of({ seed: 4 });
  t.same([...(await of({ seed: 4 }))], [...first], "the same seed gives the same bounds");
  t.ok((await of({ seed: 6 })).join() !== first.join(), "another one other draws");
  t.ok(new Set(first).size > 3, "captions of a call have their own draws");
  for (const steps of [0, 5, 1.5])
    await t.throwsMessage(of({ steps }), /whole number from 1 to 4/, `${steps} steps`);
  await t.throwsMessage(
    captionBounds(decoder, table, [Uint32Array.of(1)], [codes]),
    /Row 0 has 1 ids instead of 2/,
    "a caption of another length",
  );
  const part = transitionTable(gpu, schedule, [3, 1, 0]);
  await t.throwsMessage(captionBounds(decoder, part, captions, y), /from step 4, not 3/, "half a process");
  part.dispose();
  t.equal(gpu.memory.liveBytes, before, "live bytes as before");
  table.dispose();
  decoder.dispose();
});
