/** Bit Diffusion's process in float64: signal levels, steps, intervals, code words. */

import { fromArray } from "../../../dist/engine/tensor/tensor.js";
import { bitsPerToken, codeProducts, codeWords } from "../../../dist/models/bit-diffusion/analog-bits.js";
import {
  bitSteps,
  gamma,
  gammaSchedules,
  stepWeights,
  timePairs,
} from "../../../dist/models/bit-diffusion/gaussian.js";
import { randomArray, test } from "../../harness.js";

test("signal levels: values worked out by hand, falling from exactly 1 to nearly 0", (t) => {
  const exact = { abs: 1e-12 };
  // cos² x = (1 + cos 2x) / 2.
  const cosine = (time: number) => 0.5 + 0.5 * Math.cos(((time + 0.0002) / 1.00025) * Math.PI);
  t.near([gamma("cosine", 0.5), gamma("cosine", 0.9)], [cosine(0.5), cosine(0.9)], exact, "cosine");
  t.near([gamma("cosine", 0.5)], [0.4998822], { abs: 1e-6 }, "half of the signal is gone in the middle");
  t.near([gamma("linear", 0.3)], [0.7], exact, "linear");
  // σ(3) = 0.952574, σ(0) = 0.5, σ(-1.5) = 0.182426.
  t.near(
    [gamma("sigmoid", 0.5), gamma("sigmoid", 0.25)],
    [0.5, (0.9525741268 - 0.1824255238) / (0.9525741268 - 0.0474258732)],
    { abs: 1e-9 },
    "sigmoid",
  );
  for (const schedule of gammaSchedules) {
    t.equal(gamma(schedule, 0), 1, `${schedule}: nothing is lost at t = 0`);
    const levels = Array.from({ length: 101 }, (_, i) => gamma(schedule, i / 100));
    t.ok(
      levels.every((level, i) => i === 0 || level < levels[i - 1]!),
      `${schedule}: falling`,
    );
    t.ok(levels[100]! >= 1e-9 && levels[100]! < 1e-6, `${schedule}: nearly nothing is left at t = 1`);
  }
});

test("a DDIM step with the true x_0 stays on the line from x_0 to its noise, and gives x_0 back from anywhere", (t) => {
  for (const schedule of gammaSchedules) {
    for (const [from, to] of [
      [1, 0.6],
      [0.6, 0.599],
      [0.37, 0.02],
      [0.9, 0],
      [0.01, 0],
    ] as const) {
      const [gammaT, gammaS] = [gamma(schedule, from), gamma(schedule, to)];
      const { estimate, state, noise } = stepWeights("ddim", gammaT, gammaS);
      for (const [clean, drawn] of [
        [1, -0.7],
        [-1, 1.9],
      ] as const) {
        const noisy = Math.sqrt(gammaT) * clean + Math.sqrt(1 - gammaT) * drawn;
        const expected = Math.sqrt(gammaS) * clean + Math.sqrt(1 - gammaS) * drawn;
        t.near([estimate * clean + state * noisy], [expected], { abs: 1e-12 }, `${schedule} ${from} → ${to}`);
        if (to === 0) t.equal(estimate * clean + state * noisy, clean, "x_0");
      }
      t.equal(noise, 0, "nothing is drawn");
    }
  }
});

test("a DDPM step is the Gaussian q(x_s | x_t, x_0): moments by adding up Bayes' rule", (t) => {
  for (const [from, to] of [
    [1, 0.6],
    [0.6, 0.55],
    [0.37, 0.02],
    [0.999, 0.001],
  ] as const) {
    const [gammaT, gammaS] = [gamma("cosine", from), gamma("cosine", to)];
    const weights = stepWeights("ddpm", gammaT, gammaS);
    for (const [clean, noisy] of [
      [1, -0.4],
      [-1, 0.3],
    ] as const) {
      // q(x_s | x_0) q(x_t | x_s) on a fine grid; between s and t the process keeps √(γ_t/γ_s) of x_s.
      const kept = gammaT / gammaS;
      const prior = { mean: Math.sqrt(gammaS) * clean, variance: 1 - gammaS };
      const [low, high, parts] = [prior.mean - 12 * Math.sqrt(prior.variance), 0, 400_000] as const;
      const width = (2 * (prior.mean - low)) / parts;
      let [mass, first, second] = [0, 0, high];
      for (let i = 0; i <= parts; i++) {
        const x = low + i * width;
        const density = Math.exp(
          -((x - prior.mean) ** 2) / (2 * prior.variance) -
            (noisy - Math.sqrt(kept) * x) ** 2 / (2 * (1 - kept)),
        );
        mass += density;
        first += density * x;
        second += density * x * x;
      }
      const mean = first / mass;
      t.near(
        [weights.estimate * clean + weights.state * noisy, weights.noise ** 2],
        [mean, second / mass - mean ** 2],
        { abs: 1e-7 },
        `${from} → ${to}`,
      );
    }
  }
  t.same(
    stepWeights("ddpm", 0.4, 1),
    { estimate: 1, state: 0, noise: 0 },
    "the last step is the estimate, without noise",
  );
  for (const step of bitSteps)
    t.near(
      Object.values(stepWeights(step, 0.4, 0.4)),
      [0, 1, 0],
      { abs: 1e-12 },
      `${step}: a step to the same level changes nothing`,
    );
});

test("asymmetric intervals aim further by their share of a step, and never beyond 0", (t) => {
  const flat = (pairs: { from: number; to: number }[]) => pairs.flatMap(({ from, to }) => [from, to]);
  const exact = { abs: 1e-12 };
  t.near(flat(timePairs([100, 75, 50, 25, 0], 100, 0)), [1, 0.75, 0.75, 0.5, 0.5, 0.25, 0.25, 0], exact, "0");
  t.near(
    flat(timePairs([100, 75, 50, 25, 0], 100, 1.5)),
    [1, 0.375, 0.75, 0.125, 0.5, 0, 0.25, 0],
    exact,
    "1.5 of 4 steps",
  );
});

test("ids are binary numbers, most significant digit first, and come back as the nearest code word", async (t, gpu) => {
  t.same([1, 2, 3, 5, 1724, 2048, 2049].map(bitsPerToken), [1, 1, 2, 3, 11, 11, 12], "bits of a vocabulary");
  t.same(
    [...codeWords(5)],
    [-1, -1, -1, -1, -1, 1, -1, 1, -1, -1, 1, 1, 1, -1, -1, 0, 0, 0],
    "0 to 4, and [MASK]",
  );
  for (const vocabulary of [2, 5, 9, 300]) {
    const bits = bitsPerToken(vocabulary);
    const words = codeWords(vocabulary);
    const table = fromArray(gpu, words, [vocabulary + 1, bits]);
    const rows = 97;
    const x = randomArray(vocabulary, rows * bits, 1.3);
    // The first rows are code words themselves, the next one is all ones, which may be no token.
    x.set(words.subarray(0, Math.min(40, vocabulary) * bits));
    x.fill(1, 40 * bits, 41 * bits);
    const products = codeProducts(fromArray(gpu, x, [1, rows, bits]), table);
    t.same([...products.shape], [1, rows, vocabulary], "a product with each token");
    const values = await products.read();
    let wrong = 0;
    for (let row = 0; row < rows; row++) {
      let best = 0;
      let least = Number.POSITIVE_INFINITY;
      for (let id = 0; id < vocabulary; id++) {
        let square = 0;
        for (let j = 0; j < bits; j++) square += (x[row * bits + j]! - words[id * bits + j]!) ** 2;
        if (square < least - 1e-9) [best, least] = [id, square];
      }
      const own = values.subarray(row * vocabulary, (row + 1) * vocabulary);
      const found = own.indexOf(Math.max(...own));
      if (found !== best) wrong++;
      if (row < Math.min(40, vocabulary) && found !== row) wrong++;
    }
    t.equal(wrong, 0, `${vocabulary} tokens in ${bits} bits: the largest product is the nearest word`);
    products.dispose();
    table.dispose();
  }
});
