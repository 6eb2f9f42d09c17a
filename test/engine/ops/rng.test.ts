import {
  gumbel,
  normalPair,
  PhiloxStream,
  philox,
  replay,
  uniformOpen,
  type Words,
} from "../../../dist/engine/ops/philox.js";
import { Rng } from "../../../dist/engine/ops/rng.js";
import { fromArray } from "../../../dist/engine/tensor/tensor.js";
import { randomArray, test } from "../../harness.js";
import { chiSquareZ, kolmogorovSmirnov, moments, normalCdf } from "../../reference/statistics.js";

const hex = (words: Words) => words.map((word) => word.toString(16).padStart(8, "0")).join(" ");

test("Philox4x32-10: the known answers published with Random123", (t) => {
  t.equal(hex(philox([0, 0, 0, 0], [0, 0])), "6627e8d5 e169c58d bc57ac4c 9b00dbd8", "all zeros");
  const ones = 0xffffffff;
  t.equal(
    hex(philox([ones, ones, ones, ones], [ones, ones])),
    "408f276d 41c83b0e a20bc7c6 6d5451fd",
    "all ones",
  );
  const pi: Words = [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344];
  t.equal(hex(philox(pi, [0xa4093822, 0x299f31d0])), "d16cfe09 94fdcceb 5001e420 24126ea1", "digits of pi");
});

test("Gumbel and normal numbers are accurate at the ends of their range too", (t) => {
  const words = [
    0, 1, 2, 3, 0x7ffffffe, 0x7fffffff, 0x80000000, 0x80000001, 0xfffffffc, 0xfffffffe, 0xffffffff,
  ];
  for (let i = 0; i < 32; i++) words.push((1 << i) >>> 0, ((1 << i) - 1) >>> 0, ~(1 << i) >>> 0);
  const stream = new PhiloxStream(3, 0, 0);
  for (let i = 0; i < 50000; i++) words.push(stream.word(i));
  const exact = words.map((word) => -Math.log(-Math.log(((word | 1) >>> 0) / 2 ** 32)));
  t.near(words.map(gumbel), exact, { abs: 4e-5 }, "Gumbel within 4e-5 of -ln(-ln u)");
  const angle = words.map((_, i) => words[(i * 7919) % words.length]!);
  const pairs = words.map((word, i) => normalPair(word, angle[i]!));
  const radius = words.map((word) => Math.sqrt(-2 * Math.log(((word | 1) >>> 0) / 2 ** 32)));
  const turn = angle.map((word) => (2 * Math.PI * ((word >>> 30) + (((word << 2) | 2) >>> 0) / 2 ** 32)) / 4);
  t.near(
    pairs.map((pair) => pair[0]),
    radius.map((r, i) => r * Math.cos(turn[i]!)),
    { abs: 2e-5 },
    "normal, cosine",
  );
  t.near(
    pairs.map((pair) => pair[1]),
    radius.map((r, i) => r * Math.sin(turn[i]!)),
    { abs: 2e-5 },
    "normal, sine",
  );
  t.ok(
    [0, 0xffffffff].every((word) => uniformOpen(word) > 0 && uniformOpen(word) < 1),
    "the open uniform is open",
  );
});

test("fills have the same bits on the GPU and in TypeScript", async (t, gpu) => {
  const rng = new Rng(gpu, 0x123456789abcdefn);
  rng.setStep(7);
  for (const count of [1, 3, 17, 65, 100003]) {
    const from = rng.position();
    const filled = [
      rng.uniform([count], 1.7),
      rng.uniformSymmetric([count], 0.3),
      rng.normal([count], 0.02),
      rng.gumbel([count]),
      rng.bernoulli([count], 0.1, 1 / 0.9),
    ];
    const expected = [
      replay(rng, from).uniform(count, 1.7),
      replay(rng, from + 1).uniformSymmetric(count, 0.3),
      replay(rng, from + 2).normal(count, 0.02),
      replay(rng, from + 3).gumbel(count),
      replay(rng, from + 4).bernoulli(count, 0.1, 1 / 0.9),
    ];
    for (let i = 0; i < filled.length; i++) {
      const bits = new Uint32Array((await filled[i]!.read()).buffer);
      const wanted = new Uint32Array(expected[i]!.buffer);
      const different = bits.findIndex((word, k) => word !== wanted[k]);
      t.ok(
        bits.length === count && different < 0,
        `${filled[i]!.label} ${i}: ${count} numbers, first difference at ${different}`,
      );
      filled[i]!.dispose();
    }
  }
  for (const [rows, width] of [
    [1, 1],
    [3, 5],
    [17, 300],
  ] as const) {
    const logProbs = fromArray(gpu, randomArray(rows, rows * width, 2), [rows, width]);
    const stream = rng.position();
    const choice = rng.categorical(logProbs);
    t.same(
      [...(await choice.read())],
      [...replay(rng, stream).categorical(await logProbs.read(), width)],
      `categorical [${rows}, ${width}]`,
    );
    logProbs.dispose();
    choice.dispose();
  }
  rng.dispose();
});

test("seed, step and stream give different numbers, and the same ones again", async (t, gpu) => {
  const draw = async (seed: number, step: number, skip: number) => {
    const rng = new Rng(gpu, seed);
    rng.setStep(step);
    for (let i = 0; i < skip; i++) rng.nextStream();
    const values = rng.uniform([4]);
    const result = String(await values.read());
    values.dispose();
    rng.dispose();
    return result;
  };
  const all = [
    await draw(1, 0, 0),
    await draw(2, 0, 0),
    await draw(1, 1, 0),
    await draw(1, 0, 1),
    await draw(1 + 2 ** 40, 0, 0),
  ];
  t.equal(new Set(all).size, 5, "five different draws");
  t.equal(await draw(1, 0, 0), all[0], "the first one repeated");
  await t.throwsMessage(() => new Rng(gpu, 1.5), /seed 1.5 is not a whole number/, "a fractional seed");
});

test("distributions: moments, Kolmogorov-Smirnov, chi-square", async (t, gpu) => {
  const count = 200_000;
  const rng = new Rng(gpu, 20);
  const read = async (tensor: ReturnType<Rng["uniform"]>) => {
    const values = await tensor.read();
    tensor.dispose();
    return values;
  };
  // P(KS > 1.95) is 1e-3; the seed is fixed, so a pass stays a pass.
  const uniform = await read(rng.uniform([count]));
  t.ok(kolmogorovSmirnov(uniform, (x) => x) < 1.95, "uniform: KS");
  t.ok(
    uniform.every((x) => x >= 0 && x < 1),
    "uniform: in [0, 1)",
  );
  const normal = await read(rng.normal([count]));
  t.ok(kolmogorovSmirnov(normal, normalCdf) < 1.95, "normal: KS");
  t.near(moments(normal), [0, 1, 0, 0], { abs: 0.04 }, "normal: mean, variance, skewness, kurtosis");
  let product = 0;
  for (let i = 0; i < count; i += 2) product += (normal[i]! * normal[i + 1]!) / (count / 2);
  t.ok(Math.abs(product) < 4 / Math.sqrt(count / 2), "normal: the two of a pair are uncorrelated");
  const noise = await read(rng.gumbel([count]));
  t.ok(kolmogorovSmirnov(noise, (x) => Math.exp(-Math.exp(-x))) < 1.95, "Gumbel: KS");
  t.near(
    moments(noise).slice(0, 2),
    [0.5772156649, Math.PI ** 2 / 6],
    { abs: 0.02 },
    "Gumbel: mean, variance",
  );
  const flips = await read(rng.bernoulli([count], 0.1));
  t.near([flips.reduce((sum, x) => sum + x, 0) / count], [0.1], { abs: 0.003 }, "Bernoulli: mean");
  t.ok(
    (await read(rng.bernoulli([1000], 0))).every((x) => x === 0),
    "Bernoulli: probability 0 never happens",
  );
  t.ok(
    (await read(rng.bernoulli([1000], 1))).every((x) => x === 1),
    "Bernoulli: probability 1 always happens",
  );
  const width = 37;
  const logits = randomArray(5, width, 1.5);
  const total = logits.reduce((sum, x) => sum + Math.exp(x), 0);
  const rows = 40_000;
  const logProbs = fromArray(
    gpu,
    Float32Array.from({ length: rows * width }, (_, i) => logits[i % width]!),
    [rows, width],
  );
  const choice = rng.categorical(logProbs);
  const counts = new Array<number>(width).fill(0);
  for (const k of await choice.read()) counts[k]!++;
  t.ok(
    Math.abs(
      chiSquareZ(
        counts,
        logits.map((x) => Math.exp(x) / total),
      ),
    ) < 3.3,
    "categorical: chi-square",
  );
  logProbs.dispose();
  choice.dispose();
  rng.dispose();
});
