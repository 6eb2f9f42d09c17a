import { ImportanceSampler } from "../../dist/diffusion/importance.js";
import { Rng } from "../../dist/engine/ops/rng.js";
import { fromArray } from "../../dist/engine/tensor/tensor.js";
import { test } from "../harness.js";
import { chiSquareZ } from "../reference/statistics.js";

test("importance sampling of t: uniform at first, then by loss, with unbiased weights", async (t, gpu) => {
  const steps = 5;
  const rng = new Rng(gpu, 2);
  const sampler = new ImportanceSampler(rng, steps);
  const batch = 4000;
  const histogram = async () => {
    const { t: times, weights } = sampler.draw(batch);
    const counts = new Array<number>(steps).fill(0);
    const [drawn, factors] = [await times.read(), await weights.read()];
    for (const time of drawn) counts[time - 1]!++;
    times.dispose();
    weights.dispose();
    return { counts, drawn, factors };
  };
  const first = await histogram();
  t.ok(
    chiSquareZ(first.counts, new Array(steps).fill(1 / steps)) < 3.3,
    `uniform before anything is known: ${first.counts}`,
  );
  t.ok(
    first.factors.every((weight) => Math.abs(weight - 1) < 1e-6),
    "with weight 1",
  );

  // Losses of two positions a sequence; eleven rounds, so that every step has more than ten samples.
  const losses = [9, 0.5, 1, 2, 4];
  const times = fromArray(gpu, [1, 2, 3, 4, 5, 5], [6], "u32");
  const position = [...losses, 2].flatMap((loss) => [0.5 * loss, 1.5 * loss]);
  const terms = fromArray(gpu, [...position, ...new Array(24).fill(0)], [3, 12]);
  for (let round = 0; round < 11; round++) sampler.update(times, terms);
  const average = losses.map((loss) => loss ** 2 * (1 - 0.9 ** 11));
  let last = 0;
  for (let round = 0; round < 11; round++) {
    last = 0.9 * last + 0.1 * 16;
    last = 0.9 * last + 0.1 * 4;
  }
  average[4] = last;
  const history = await sampler.history.read();
  t.near(
    Array.from(average, (_, i) => history[2 * (i + 1)]!),
    average,
    { rel: 1e-5 },
    "moving averages, two of a step in turn",
  );
  t.same(
    Array.from(average, (_, i) => history[2 * i + 3]!),
    [11, 11, 11, 11, 22],
    "counts",
  );

  average[0] = average[1]!;
  const shares = average.map((value) => Math.sqrt(value + 1e-10) + 1e-4);
  const total = shares.reduce((a, b) => a + b, 0);
  const second = await histogram();
  t.ok(
    chiSquareZ(
      second.counts,
      shares.map((share) => share / total),
    ) < 3.3,
    `by loss: ${second.counts}`,
  );
  t.near(
    second.factors,
    Array.from(second.drawn, (time) => total / (steps * shares[time - 1]!)),
    { rel: 1e-4 },
    "weights 1 / (T p)",
  );
  sampler.dispose();
  rng.dispose();
});
