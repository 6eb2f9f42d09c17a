import { stepThresholds, transitionTable } from "../../dist/diffusion/coefficients.js";
import { forwardProbabilities, qSample, samplePrior, sampleTimesteps } from "../../dist/diffusion/forward.js";
import { Schedule, schedulePresets } from "../../dist/diffusion/schedule.js";
import { cumulativeMatrices } from "../../dist/diffusion/transition-matrix.js";
import { below, happens, philox, seedWords } from "../../dist/engine/ops/philox.js";
import { Rng } from "../../dist/engine/ops/rng.js";
import { fromArray } from "../../dist/engine/tensor/tensor.js";
import { test } from "../harness.js";
import { Process } from "../reference/diffusion.js";
import { chiSquareZ } from "../reference/statistics.js";

const words = (rng: Rng, index: number, stream: number, kind = 0) =>
  philox([index, stream, rng.step, kind], seedWords(rng.seed));

function histogram(values: ArrayLike<number>, cells: number): number[] {
  const counts = new Array<number>(cells).fill(0);
  for (let i = 0; i < values.length; i++) counts[values[i]!]!++;
  return counts;
}

test("q-sample draws from the row of the cumulative matrix", async (t, gpu) => {
  const tokens = 5;
  const perStep = 20_000;
  for (const preset of schedulePresets) {
    const schedule = new Schedule({ tokens, steps: 20, ends: preset });
    const process = new Process(schedule);
    const table = transitionTable(gpu, schedule);
    const rng = new Rng(gpu, 3);
    const times = [1, 7, 20];
    const x0 = fromArray(gpu, new Array(3 * perStep).fill(2), [3, perStep], "u32");
    const xt = await qSample(rng, table, x0, fromArray(gpu, times, [3], "u32")).read();
    times.forEach((time, i) => {
      const counts = histogram(xt.subarray(i * perStep, (i + 1) * perStep), tokens + 1);
      // At t = 1 so little happens that its cells are pooled; products of matrices leave 1e-17 where 0 is meant.
      const exact = process.forward(2, time).map((p) => (p < 1e-12 ? 0 : p));
      t.ok(chiSquareZ(counts, exact) < 3.3, `${preset}, t = ${time}: ${counts}`);
    });
    const prior = histogram(await samplePrior(rng, table, [perStep]).read(), tokens + 1);
    const gamma = schedule.gammaBar[20]!;
    t.ok(
      chiSquareZ(prior, [...new Array(tokens).fill((1 - gamma) / tokens), gamma]) < 3.3,
      `${preset}: prior ${prior}`,
    );
    table.dispose();
    rng.dispose();
  }
});

test("q-sample and time steps have the same bits in TypeScript", async (t, gpu) => {
  const schedule = new Schedule({ tokens: 1741 });
  const table = transitionTable(gpu, schedule);
  const rng = new Rng(gpu, 99);
  rng.setStep(12);
  const times = sampleTimesteps(rng, table, 130);
  const t130 = await times.read();
  t.same(
    [...t130],
    Array.from(t130, (_, b) => 1 + below(words(rng, b, 0)[0], 100)),
    "time steps",
  );
  const x0 = Uint32Array.from({ length: 130 * 17 }, (_, i) => (i * 31) % 1741);
  const xt = await qSample(rng, table, fromArray(gpu, x0, [130, 17], "u32"), times).read();
  const expected = Array.from(x0, (token, i) => {
    const time = t130[Math.floor(i / 17)]!;
    const { noise_mask, noise_uniform } = stepThresholds(schedule, time - 1, time);
    const [decision, choice] = words(rng, i, 1);
    if (happens(decision, noise_mask)) return 1741;
    return happens(decision, noise_uniform) ? below(choice, 1741) : token;
  });
  t.same([...xt], expected, "x_t");
  table.dispose();
  rng.dispose();
});

test("time steps are uniform over 1 … T", async (t, gpu) => {
  const table = transitionTable(gpu, new Schedule({ tokens: 3, steps: 7 }));
  const rng = new Rng(gpu, 5);
  const counts = histogram(await sampleTimesteps(rng, table, 20_000).read(), 8);
  t.equal(counts[0], 0, "never 0");
  t.ok(chiSquareZ(counts.slice(1), new Array(7).fill(1 / 7)) < 3.3, `uniform: ${counts}`);
  table.dispose();
  rng.dispose();
});

test("q(x_t | x_0) of a distribution, with mass on [MASK] too", (t) => {
  const schedule = new Schedule({ tokens: 3, steps: 10 });
  const bars = cumulativeMatrices(schedule);
  const p = [0.2, 0.1, 0.3, 0.4];
  const expected = Float64Array.from({ length: 4 }, (_, j) =>
    p.reduce((sum, mass, i) => sum + mass * bars[6]!.values[i * 4 + j]!, 0),
  );
  t.near(forwardProbabilities(schedule, p, 6), expected, { abs: 1e-12 }, "row vector times Q̄_t");
});
