import { Gpu } from "../../../dist/engine/gpu/gpu.js";
import { AdamW } from "../../../dist/engine/optim/adamw.js";
import { learningRateAt } from "../../../dist/engine/optim/learning-rate.js";
import { fromArray, type Tensor } from "../../../dist/engine/tensor/tensor.js";
import { randomArray, test } from "../../harness.js";

const betas = [0.9, 0.96] as const;
const epsilon = 1e-8;

/** The update of AdamW as its paper states it, in float64. */
class Reference {
  readonly w: Float64Array;
  readonly average: Float64Array;
  private readonly m: Float64Array;
  private readonly v: Float64Array;
  private step = 0;

  constructor(initial: Float64Array) {
    this.w = initial.slice();
    this.average = initial.slice();
    this.m = new Float64Array(initial.length);
    this.v = new Float64Array(initial.length);
  }

  update(
    gradient: Float64Array,
    rate: number,
    decays: (i: number) => number,
    clip: number,
    averageWeight: number,
  ): number {
    this.step++;
    const norm = Math.sqrt(gradient.reduce((sum, g) => sum + g * g, 0));
    const factor = clip > 0 ? Math.min(1, clip / norm) : 1;
    for (let i = 0; i < gradient.length; i++) {
      const g = gradient[i]! * factor;
      this.m[i] = betas[0] * this.m[i]! + (1 - betas[0]) * g;
      this.v[i] = betas[1] * this.v[i]! + (1 - betas[1]) * g * g;
      const mHat = this.m[i]! / (1 - betas[0] ** this.step);
      const vHat = this.v[i]! / (1 - betas[1] ** this.step);
      this.w[i]! -= rate * (mHat / (Math.sqrt(vHat) + epsilon) + decays(i) * this.w[i]!);
      this.average[i] = (1 - averageWeight) * this.average[i]! + averageWeight * this.w[i]!;
    }
    return norm;
  }
}

for (const [clip, software, pack] of [
  [0, true, 64 * 4200],
  [0.5, true, 64 * 4200],
  [0.5, false, 64 * 4200],
  [0.5, true, 64 * 1500],
  [0.5, false, 64 * 1500],
] as const) {
  const way = `${software ? "lanes" : "workgroups"}${pack < 64 * 4200 ? ", three packs" : ""}`;
  test(`AdamW follows its float64 reference, clip ${clip}, norm by ${way}`, async (t, { device }) => {
    const gpu = Gpu.from(device, { software });
    const count = 64 * 4200; // more than one round of the norm's first level
    const initial = randomArray(1, count);
    const blockDecay = Float32Array.from({ length: count / 64 }, (_, block) => (block % 3 === 0 ? 1 : 0));
    const firsts = Array.from({ length: Math.ceil(count / pack) }, (_, i) => i * pack);
    const part = <A extends Float64Array | Float32Array>(all: A, first: number, unit = 1) =>
      all.slice(first / unit, Math.min(count, first + pack) / unit) as A;
    const packs = firsts.map((first) => {
      const own = part(initial, first);
      return {
        values: fromArray(gpu, own, [own.length]),
        gradients: fromArray(gpu, own, [own.length]),
        blockDecay: part(blockDecay, first, 64),
      };
    });
    const joined = async (tensors: readonly Tensor[]) =>
      (await Promise.all(tensors.map((tensor) => tensor.read()))).flatMap((values) => [...values]);
    const optimizer = new AdamW({
      gpu,
      packs,
      betas,
      epsilon,
      weightDecay: 0.045,
      clip,
    });
    const reference = new Reference(initial);
    for (let step = 1; step <= 5; step++) {
      const gradient = randomArray(step + 1, count, 0.01);
      const [learningRate, averageWeight] = [1e-3 * step, step % 2 === 0 ? 0.1 : 0];
      packs.forEach(({ gradients }, i) => {
        gradients.write(part(gradient, firsts[i]!));
      });
      optimizer.setSchedule({ learningRate, step, averageWeight });
      optimizer.step();
      const norm = reference.update(
        gradient,
        learningRate,
        (i) => 0.045 * blockDecay[Math.floor(i / 64)]!,
        clip,
        averageWeight,
      );
      const [measured, skipped] = await optimizer.norm.read();
      t.near([measured!, skipped!], [norm, 0], { rel: 1e-5 }, `step ${step}: norm`);
    }
    t.near(
      await joined(packs.map(({ values }) => values)),
      reference.w,
      { abs: 2e-6 },
      "weights after five steps",
    );
    const averages = optimizer.states.map(({ average }) => average);
    t.near(await joined(averages), reference.average, { abs: 2e-6 }, "averaged weights");
    optimizer.dispose();
  });
}

test("a gradient that is not finite leaves everything as it was", async (t, gpu) => {
  const parameters = fromArray(gpu, randomArray(1, 64), [64]);
  const before = await parameters.read();
  const gradients = fromArray(gpu, new Float32Array(64).fill(Number.NaN, 3, 4), [64]);
  const optimizer = new AdamW({
    gpu,
    packs: [{ values: parameters, gradients, blockDecay: Float32Array.of(1) }],
  });
  optimizer.setSchedule({ learningRate: 1, step: 1 });
  optimizer.step();
  t.near(await parameters.read(), before, {}, "weights");
  t.near(await optimizer.states[0]!.firstMoment.read(), new Float32Array(64), {}, "moments");
  t.equal((await optimizer.norm.read())[1], 1, "the step is marked as skipped");
  optimizer.dispose();
});

test("learning rate: warm-up from a start, then constant, linear or cosine", async (t) => {
  const base = { peak: 4.5e-4, from: 1e-6, warmup: 1000, steps: 3000 };
  t.near(
    [learningRateAt(1, base), learningRateAt(1000, base), learningRateAt(2500, base)],
    [1e-6, 4.5e-4, 4.5e-4],
    { rel: 1e-12 },
    "constant",
  );
  t.near([learningRateAt(2000, { ...base, decay: "linear" })], [2.25e-4], { rel: 1e-12 }, "linear, half way");
  t.near(
    [learningRateAt(1500, { ...base, decay: "cosine" })],
    [4.5e-4 * 0.5 * (1 + Math.SQRT1_2)],
    { rel: 1e-12 },
    "cosine, a quarter",
  );
  const short = (warmup: number, step: number) => learningRateAt(step, { peak: 1, warmup, steps: 5 });
  t.same([short(0, 1), short(1, 1), short(1, 2)], [1, 1, 1], "short warm-ups");
});

test("learning rate: every step of a warm-up without a start moves the weights", async (t) => {
  const schedule = { peak: 1e-3, warmup: 4, steps: 10 } as const;
  const rates = (decay: "constant" | "cosine" | "linear") =>
    Array.from({ length: 10 }, (_, i) => learningRateAt(i + 1, { ...schedule, decay }));
  t.near(
    rates("constant").slice(0, 5),
    [0.25e-3, 0.5e-3, 0.75e-3, 1e-3, 1e-3],
    { rel: 1e-12 },
    "warm-up: n / 4",
  );
  t.near(
    rates("linear").slice(3),
    [6, 5, 4, 3, 2, 1, 0].map((n) => (n * 1e-3) / 6),
    { abs: 1e-18 },
    "linear",
  );
  t.near(
    rates("cosine").slice(3),
    Array.from({ length: 7 }, (_, n) => 0.5e-3 * (1 + Math.cos((Math.PI * n) / 6))),
    { abs: 1e-18 },
    "cosine",
  );
  for (const decay of ["linear", "cosine"] as const)
    t.equal(rates(decay)[9], 0, `the last step of ${decay} has the rate at the end`);
  t.equal(learningRateAt(10, { ...schedule, decay: "linear", end: 1e-5 }), 1e-5, "which may be another");
});
