import t from "tap";
import { bootstrap, difference, meanOfDefined, meanRows, scoreOf } from "../../dist/metrics/bootstrap.js";
import { randomUnit } from "../../dist/metrics/random.js";
import { bootstrapP, drawsFor, holm } from "../../dist/metrics/significance.js";

const of = (...resampled: number[]) => ({ mean: 1, resampled: Float64Array.from(resampled) });

t.test("p-values of resamples counted by hand", async (t) => {
  t.equal(bootstrapP(of(1, 2, 3, 4, 5, 6, 7, 8, 9)), 2 / 10, "none on the other side: 2 · 1 / 10, not 0");
  t.equal(bootstrapP(of(-1, 2, 3, 4, 5, 6, 7, 8, 9)), 4 / 10, "one of nine: 2 · (1 + 1) / 10");
  t.equal(bootstrapP(of(1, -2, -3, -4, -5, -6, -7, -8, -9)), 4 / 10, "the same on the other side");
  t.equal(
    bootstrapP(of(0, 2, 3, 4, 5, 6, 7, 8, 9)),
    4 / 10,
    "a resample without difference speaks against one",
  );
  t.equal(bootstrapP(of(0, 0, 0, 0)), 1, "the same captions");
  t.equal(bootstrapP(of(-1, 1)), 1, "never above 1");
  t.equal(bootstrapP(of(1, Number.NaN, 2, 3)), 2 / 4, "a resample without score does not count");
  t.ok(Number.isNaN(bootstrapP({ mean: Number.NaN, resampled: new Float64Array(3) })), "no score, no test");
});

t.test("Holm: an example by hand, and the step-down procedure itself at any level", async (t) => {
  // m = 4: .005 · 4, .01 · 3, .03 · 2, then .04 · 1 is raised to .06.
  const close = (values: readonly number[]) => values.map((value) => Number(value.toFixed(12)));
  t.same(close(holm([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02], "each step");
  t.same(holm([0.5, 0.6]), [1, 1], "at most 1");
  t.same(close(holm([0.01, Number.NaN, 0.02]).filter((p) => !Number.isNaN(p))), [0.02, 0.02]);
  t.ok(Number.isNaN(holm([0.01, Number.NaN])[1]!), "what is no test stays none");
  t.same(holm([]), []);
  /** Holm's procedure as he wrote it: from the smallest p on, reject while p ≤ level / (tests left). */
  const rejected = (values: readonly number[], level: number) => {
    const left = new Set(values.keys());
    for (;;) {
      const [smallest] = [...left].sort((a, b) => values[a]! - values[b]! || a - b);
      if (smallest === undefined || values[smallest]! > level / left.size) break;
      left.delete(smallest);
    }
    return values.map((_, i) => !left.has(i));
  };
  for (let trial = 0; trial < 200; trial++) {
    const values = Array.from({ length: 1 + (trial % 9) }, (_, i) => randomUnit(trial, 1, i) ** 3);
    const adjusted = holm(values);
    for (const level of [0.01, 0.05, 0.2, 0.7])
      t.same(
        adjusted.map((p) => p <= level),
        rejected(values, level),
      );
  }
});

t.test(
  "without a difference p is uniform, with one it is small, and it agrees with the interval",
  async (t) => {
    const pictures = 60;
    const trials = 400;
    const draws = 199;
    const found = { null: 0, small: 0, shifted: 0, outside: 0 };
    for (let trial = 0; trial < trials; trial++) {
      const numbers = (stream: number, shift: number) =>
        Float64Array.from({ length: pictures }, (_, i) => shift + randomUnit(stream, trial, i));
      const measure = (values: Float64Array) => ({ statistic: meanOfDefined, seeds: [meanRows(values)] });
      const rows = [measure(numbers(11, 0)), measure(numbers(12, 0)), measure(numbers(13, 0.25))];
      const [a, b, c] = bootstrap(rows, pictures, { draws, seed: trial });
      const none = difference(b!, a!);
      const p = bootstrapP(none);
      if (p <= 0.05) found.null++;
      if (p <= 0.5) found.small++;
      const { low, high } = scoreOf(none);
      if (low > 0 || high < 0) found.outside++;
      if (bootstrapP(difference(c!, a!)) <= 0.05) found.shifted++;
    }
    // 5 % of 400 trials are known to ±1.1 points; percentiles of 60 pictures reject a point or so more often.
    t.ok(
      found.null >= 0.02 * trials && found.null <= 0.09 * trials,
      `p ≤ 0.05 in ${found.null} of ${trials}`,
    );
    t.ok(found.small >= 0.42 * trials && found.small <= 0.58 * trials, `p ≤ 0.5 in ${found.small}`);
    t.ok(found.shifted > 0.98 * trials, `a difference of 4.7 deviations: ${found.shifted}`);
    t.ok(Math.abs(found.outside - found.null) <= 0.02 * trials, `interval without 0 in ${found.outside}`);
  },
);

t.test("resamples for a family of tests", async (t) => {
  t.equal(drawsFor(3, 2000), 2000, "at least those");
  const draws = drawsFor(100, 2000);
  t.ok(
    (100 * 2 * 2) / (draws + 1) < 0.05,
    "one resample on the other side is still significant among a hundred",
  );
});
