/** The losses of Bit Diffusion and their gradients against float64, and what a batch draws. */

import { Rng } from "../../../dist/engine/ops/rng.js";
import { backward } from "../../../dist/engine/tensor/autograd.js";
import { noGrad } from "../../../dist/engine/tensor/tape.js";
import { fromArray, type Tensor } from "../../../dist/engine/tensor/tensor.js";
import { gamma } from "../../../dist/models/bit-diffusion/gaussian.js";
import { BitObjective, type NoisyBits } from "../../../dist/models/bit-diffusion/objective.js";
import { bitLosses } from "../../../dist/models/bit-diffusion/settings.js";
import type { PreparedCondition } from "../../../dist/models/mc-diffusion/decoder.js";
import { randomArray, test } from "../../harness.js";
import { chiSquareZ, moments } from "../../reference/statistics.js";
import { build, rates, settings, shape } from "./setup.js";

const batch = 2;
const bits = 3;
const tokens = [1, 2, 0, 0, 5, 3, 4, 5, 1, 0];
const t = [4, 10];
const codes = [0, 1, 2, 3, 4, 5, 0, 1, 2, 6, 6, 1, 6, 6, 6, 5, 6, 6];
const count = tokens.length * bits;
const clean = tokens.flatMap((id) => [id & 4 ? 1 : -1, id & 2 ? 1 : -1, id & 1 ? 1 : -1]);
const noisy = Float64Array.from(Float32Array.from(randomArray(3, count, 1)));
const estimate = Float64Array.from(Float32Array.from(randomArray(4, count, 0.6)));
/** [B, L, 2b] */
const input = Array.from({ length: tokens.length }, (_, row) => [
  ...noisy.subarray(row * bits, (row + 1) * bits),
  ...estimate.subarray(row * bits, (row + 1) * bits),
]).flat();

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
const lossOf = {
  "squared-error": (output: Float64Array) =>
    output.reduce((sum, x, i) => sum + (x - clean[i]!) ** 2, 0) / count,
  "sigmoid-cross-entropy": (output: Float64Array) =>
    output.reduce((sum, x, i) => sum - Math.log(sigmoid(x * clean[i]!)), 0) / count,
};

/** What the tests of the parts reach into. */
type Inside = {
  noise(x0: Tensor<"u32">): NoisyBits;
  estimate(drawn: NoisyBits, condition: PreparedCondition): Tensor | null;
};

for (const loss of bitLosses) {
  test(`${loss} and its gradients against float64`, async (check, gpu) => {
    const { decoder, weights, forward } = build(gpu, { loss });
    const random = new Rng(gpu, 1);
    const objective = new BitObjective(decoder, { ...settings, loss }, rates, random);
    const given = {
      clean: fromArray(gpu, clean, [batch, shape.length, bits]),
      noisy: fromArray(gpu, noisy, [batch, shape.length, bits]),
      estimate: fromArray(gpu, estimate, [batch, shape.length, bits]),
      t: fromArray(gpu, t, [batch], "u32"),
      codes: fromArray(gpu, codes, [batch, 9], "u32"),
    };
    const expected = forward(input, t, codes);
    const { total, figures, output } = gpu.scope(() => {
      const condition = decoder.prepare(given.codes);
      const result = objective.lossOf(given, given.estimate, condition);
      backward(result.total);
      const output = noGrad(() =>
        decoder.forward(decoder.inputOf(given.noisy, given.estimate), given.t, condition),
      );
      return { total: result.total.detach(), figures: result.figures[0]!.tensor, output };
    });
    check.near(await output.read(), expected, { abs: 2e-5, rel: 2e-5 }, "outputs");
    check.near(await total.read(), [lossOf[loss](expected)], { rel: 1e-5 }, "loss");
    const wrong = expected.filter((x, i) => x * clean[i]! <= 0).length / count;
    check.near(await figures.read(), [wrong], { abs: 1e-6 }, "share of wrong bits");
    check.ok(wrong > 0 && wrong < 1, "some are wrong");
    for (const { name, tensor } of decoder.parameters()) {
      const gradient = await tensor.grad!.read();
      const values = weights.get(name)!;
      const largest = gradient.reduce(
        (best, x, i) => (Math.abs(x) > Math.abs(gradient[best]!) ? i : best),
        0,
      );
      const chosen = [...new Set([largest, 0, Math.floor(values.length / 2)])];
      const differences = chosen.map((at) => {
        const moved = (by: number) => {
          const changed = values.slice();
          changed[at]! += by;
          return lossOf[loss](forward(input, t, codes, new Map([...weights, [name, changed]])));
        };
        return (moved(1e-5) - moved(-1e-5)) / 2e-5;
      });
      check.near(
        chosen.map((at) => gradient[at]!),
        differences,
        { abs: 2e-6, rel: 2e-4 },
        `gradient of ${name}`,
      );
      check.ok(Math.abs(gradient[largest]!) > 1e-6, `${name} takes part`);
    }
    for (const owned of [total, figures, output, ...Object.values(given), random, objective, decoder])
      owned.dispose();
  });
}

test("estimates and scores of tokens from the network's output", async (check, gpu) => {
  const output = randomArray(9, 2 * bits, 1.8);
  const of = async (loss: (typeof bitLosses)[number]) => {
    const { decoder } = build(gpu, { loss });
    const x = fromArray(gpu, output, [2, 1, bits]);
    const [estimates, scores] = gpu.scope(() => [decoder.estimateOf(x), decoder.scoresOf(x)] as const);
    const read = [await estimates.read(), await scores.read()] as const;
    for (const owned of [x, estimates, scores, decoder]) owned.dispose();
    return read;
  };
  /** log p of each token but for a constant, from the probabilities that each bit is 1. */
  const logP = (p: readonly number[], constant: number) =>
    Array.from({ length: 2 * shape.vocabulary }, (_, i) => {
      const [row, id] = [Math.floor(i / shape.vocabulary), i % shape.vocabulary];
      let sum = 0;
      for (let j = 0; j < bits; j++) {
        const one = p[row * bits + j]!;
        sum += Math.log((id >> (bits - 1 - j)) & 1 ? one : 1 - one) - constant * Math.log(one * (1 - one));
      }
      return sum;
    });
  const probabilities = [...output].map(sigmoid);
  const [means, scores] = await of("sigmoid-cross-entropy");
  check.near(
    means,
    probabilities.map((p) => p - (1 - p)),
    { abs: 1e-6 },
    "the mean of a bit of ±1",
  );
  check.near(scores, logP(probabilities, 0.5), { abs: 1e-5 }, "independent bits with these log-odds");
  const [clipped, fromMeans] = await of("squared-error");
  const clip = (x: number, most: number) => Math.max(-most, Math.min(most, x));
  check.near(
    clipped,
    [...output].map((x) => clip(x, 1)),
    { abs: 1e-6 },
    "clipped",
  );
  check.ok(
    output.some((x) => Math.abs(x) > 1),
    "which changes some",
  );
  const ofMeans = [...output].map((x) => (1 + clip(x, 1 - 1e-4)) / 2);
  check.near(fromMeans, logP(ofMeans, 0.5), { abs: 2e-3 }, "independent bits with these means");
});

test("a batch draws t evenly, normal noise by its level, and estimates for its share of the captions", async (check, gpu) => {
  const captions = 400;
  const { decoder } = build(gpu, { selfConditioning: 0.3 });
  const random = new Rng(gpu, 7);
  const own = { ...settings, schedule: "sigmoid", selfConditioning: 0.3 } as const;
  const objective = new BitObjective(decoder, own, rates, random);
  const inside = objective as unknown as Inside;
  const x0 = fromArray(
    gpu,
    Array.from({ length: captions * shape.length }, (_, i) => tokens[i % tokens.length]!),
    [captions, shape.length],
    "u32",
  );
  const y = fromArray(gpu, new Uint32Array(captions * 9).fill(2), [captions, 9], "u32");
  random.setStep(1);
  const { drawn, made, whole } = gpu.scope(() =>
    noGrad(() => {
      const condition = decoder.prepare(y);
      const drawn = inside.noise(x0);
      const made = inside.estimate(drawn, condition)!;
      const first = decoder.forward(decoder.inputOf(drawn.noisy, null), drawn.t, condition);
      return { drawn, made, whole: decoder.estimateOf(first) };
    }),
  );
  const [cleanRead, noisyRead, times, masked, all] = await Promise.all([
    drawn.clean.read(),
    drawn.noisy.read(),
    drawn.t.read(),
    made.read(),
    whole.read(),
  ]);
  const width = shape.length * bits;
  check.near(cleanRead.subarray(0, count), clean, { abs: 0 }, "the captions' bits");
  const counts = new Array<number>(shape.timesteps + 1).fill(0);
  for (const time of times) counts[time]!++;
  const even = counts.map((_, time) => (time === 0 ? 0 : 1 / shape.timesteps));
  check.ok(chiSquareZ(counts, even) < 3.3, `t is drawn evenly: ${counts}`);
  const noise = Array.from(noisyRead, (x, i) => {
    const level = gamma("sigmoid", times[Math.floor(i / width)]! / shape.timesteps);
    return (x - Math.sqrt(level) * cleanRead[i]!) / Math.sqrt(1 - level);
  });
  const [mean, variance, skewness, kurtosis] = moments(noise);
  const [n, s] = [noise.length, 3.5];
  check.ok(Math.abs(mean) < s / Math.sqrt(n), `mean ${mean}`);
  check.ok(Math.abs(variance - 1) < s * Math.sqrt(2 / n), `variance ${variance}`);
  check.ok(Math.abs(skewness) < s * Math.sqrt(6 / n), `skewness ${skewness}`);
  check.ok(Math.abs(kurtosis) < s * Math.sqrt(24 / n), `kurtosis ${kurtosis}`);
  let [given, zero, other] = [0, 0, 0];
  for (let i = 0; i < captions; i++) {
    const [got, full] = [masked, all].map((values) => values.subarray(i * width, (i + 1) * width));
    if (got!.every((x) => x === 0)) zero++;
    else if (got!.every((x, j) => Math.abs(x - full![j]!) < 1e-6)) given++;
    else other++;
  }
  check.equal(other, 0, "a caption has its estimate, or none");
  check.ok(
    Math.abs(given - 0.3 * captions) < 3.5 * Math.sqrt(captions * 0.3 * 0.7),
    `${given} of ${captions} have one`,
  );
  check.equal(given + zero, captions, "all of them");
  for (const owned of [drawn.clean, drawn.noisy, drawn.t, made, whole, x0, y, random, objective, decoder])
    owned.dispose();
});

test("attention of words to the codes sums to 1", async (check, gpu) => {
  const { decoder } = build(gpu, {}, { summaryTokens: 0 });
  const of = (values: number[], size: number[]) => fromArray(gpu, values, size, "u32");
  const map = gpu.scope(() =>
    noGrad(() => decoder.attention(of([1, 6, 2, 0, 0], [1, 5]), of([3], [1]), of(codes.slice(0, 9), [1, 9]))),
  );
  const values = await map.read();
  const sums = Array.from({ length: 5 }, (_, row) =>
    values.subarray(row * 9, row * 9 + 9).reduce((a, b) => a + b, 0),
  );
  check.near(sums, [1, 1, 1, 1, 1], { abs: 1e-5 }, "each word");
  map.dispose();
  decoder.dispose();
});
