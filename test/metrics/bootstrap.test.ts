import t from "tap";
import { bleu } from "../../dist/metrics/bleu.js";
import {
  bootstrap,
  deviation,
  difference,
  type Estimate,
  meanOfDefined,
  meanRows,
  quantile,
  scoreOf,
} from "../../dist/metrics/bootstrap.js";
import { ciderD } from "../../dist/metrics/cider.js";
import { randomUnit } from "../../dist/metrics/random.js";
import { METRICS } from "../../dist/metrics/scores.js";

/** Numbers of an exponential distribution with mean 1: skewed, as scores are. */
const exponential = (count: number, stream: number) =>
  Float64Array.from({ length: count }, (_, i) => -Math.log(1 - randomUnit(3, stream, i)));
const mean = (values: Float64Array) => values.reduce((sum, value) => sum + value, 0) / values.length;
const variance = (values: Float64Array) => {
  const centre = mean(values);
  return mean(values.map((value) => (value - centre) ** 2));
};
const ofMeans = (...seeds: Float64Array[]) => ({ statistic: meanOfDefined, seeds: seeds.map(meanRows) });

t.test("the mean of n numbers: resamples have variance σ²/n around it", async (t) => {
  const values = exponential(80, 0);
  const [estimate] = bootstrap([ofMeans(values)], values.length, { draws: 10_000 });
  t.equal(estimate!.mean, mean(values));
  // σ² with divisor n is exact for the bootstrap. 10,000 resamples know their variance to 1.4 %, their mean to 1 % of its root.
  const expected = variance(values) / values.length;
  t.ok(Math.abs(variance(estimate!.resampled) / expected - 1) < 0.05, "variance");
  t.ok(Math.abs(mean(estimate!.resampled) - mean(values)) < 0.04 * Math.sqrt(expected), "mean");
});

t.test("intervals hold the truth about as often as they say", async (t) => {
  const pictures = 60;
  const trials = 600;
  const hits = { mean: 0, share: 0 };
  const misses = { below: 0, above: 0 };
  for (let trial = 0; trial < trials; trial++) {
    const uniform = (stream: number) =>
      Float64Array.from({ length: pictures }, (_, i) => randomUnit(stream, trial, i));
    const numbers = uniform(3);
    const shares = uniform(4).map((value) => (value < 0.3 ? 1 : 0));
    const [a, b] = bootstrap([ofMeans(numbers), ofMeans(shares)], pictures, { draws: 200, seed: trial }).map(
      (estimate) => scoreOf(estimate),
    );
    if (a!.low <= 0.5 && 0.5 <= a!.high) hits.mean++;
    if (b!.low <= 0.3 && 0.3 <= b!.high) hits.share++;
    else if (b!.high < 0.3) misses.below++;
    else misses.above++;
  }
  // 95 % of 600 are known to ±0.9 points; with 60 pictures and 200 resamples percentiles hold a point or so less.
  for (const [name, count] of Object.entries(hits))
    t.ok(count >= 0.915 * trials && count <= 0.97 * trials, `${name}: ${count} of ${trials}`);
  t.ok(Math.min(misses.below, misses.above) > 3, `misses on both sides: ${JSON.stringify(misses)}`);
});

t.test("a split's score is resampled, not its pictures' scores averaged: BLEU and ratios", async (t) => {
  const said = ["a red cat sat", "two dogs", "the old man with skis", "one cup"];
  const references = [
    ["a red cat sat down"],
    ["two big dogs run"],
    ["old man with skis"],
    ["one cup", "tea"],
  ];
  const rows = METRICS.bleu4.rows(said, references, references);
  const draws = 50;
  const [estimate] = bootstrap([{ statistic: METRICS.bleu4, seeds: [rows] }], 4, { draws });
  t.equal(estimate!.mean, bleu(said, references)[3]);
  // The scores of all 256 resamples of four pictures, by bleu itself.
  const possible = Array.from({ length: 256 }, (_, code) => {
    const picks = [0, 1, 2, 3].map((place) => (code >> (2 * place)) & 3);
    return bleu(
      picks.map((i) => said[i]!),
      picks.map((i) => references[i]!),
    )[3];
  });
  const known = (value: number) => possible.some((other) => Math.abs(other - value) <= 1e-12 * (1 + other));
  t.ok(estimate!.resampled.every(known), "each resample is a corpus of four of them");
  t.ok(new Set(estimate!.resampled).size > 10, "and they differ");
  const [share] = bootstrap([ofMeans(Float64Array.of(1, Number.NaN, 0, Number.NaN))], 4, { draws: 500 });
  t.equal(share!.mean, 0.5, "what does not apply is in neither sum");
  t.ok(share!.resampled.some(Number.isNaN), "a resample to which it does not apply has no score");
  const score = scoreOf(share!);
  t.same([score.low, score.high], [0, 1], "and does not count for the interval");
  const [none] = bootstrap([ofMeans(Float64Array.of(Number.NaN))], 1);
  t.ok(
    Number.isNaN(scoreOf(none!).mean) && Number.isNaN(scoreOf(none!).low),
    "nothing at all has no interval",
  );
});

t.test("idf of a resample is that of the whole split", async (t) => {
  const references = [["red cat"], ["blue dog"], ["red dog"]];
  const said = ["red cat", "blue cat", "dog"];
  const { each } = ciderD(said, references);
  const rows = METRICS.ciderD.rows(said, references, references);
  const [estimate] = bootstrap([{ statistic: METRICS.ciderD, seeds: [rows] }], 3, { draws: 200 });
  const sums = [...each].flatMap((a) => [...each].flatMap((b) => [...each].map((c) => (a + b + c) / 3)));
  t.ok(
    estimate!.resampled.every((value) => sums.some((sum) => Math.abs(sum - value) < 1e-12)),
    "means of the pictures' own scores",
  );
  const first = METRICS.ciderD.rows(said.slice(0, 1), references.slice(0, 1), references);
  t.same([...first], [each[0]!, 1], "also where not all pictures are scored");
});

t.test("pictures are resampled, not seeds; all seeds of a picture together", async (t) => {
  const values = exponential(60, 5);
  const shifted = values.map((value) => value + 10);
  const [one, two] = bootstrap([ofMeans(values), ofMeans(values, shifted)], 60) as [Estimate, Estimate];
  t.ok(Math.abs(two.mean - one.mean - 5) < 1e-12, "mean over the seeds");
  t.ok(
    two.resampled.every((value, draw) => Math.abs(value - one.resampled[draw]! - 5) < 1e-12),
    "seeds that differ by a constant vary like one: neither more by its size, nor less as more pictures would",
  );
  const score = scoreOf(two);
  t.ok(Math.abs(score.deviation - Math.sqrt(50)) < 1e-12, "their spread is a figure of its own");
  t.ok(score.high - score.low < 1, "and not in the interval");
});

t.test("differences are paired", async (t) => {
  const values = exponential(100, 6);
  const better = values.map((value, i) => value + 0.1 + 0.02 * (i % 2));
  const [a, b] = bootstrap([ofMeans(better), ofMeans(values)], 100) as [Estimate, Estimate];
  const paired = scoreOf(difference(a, b));
  t.ok(Math.abs(paired.mean - 0.11) < 1e-12);
  t.ok(
    paired.low >= 0.1 && paired.high <= 0.12,
    `[${paired.low}, ${paired.high}] within what any picture gains`,
  );
  const each = scoreOf(a);
  t.ok(each.high - each.low > 0.2, "much less than either varies");
  const [seeds, single] = bootstrap([ofMeans(better, values), ofMeans(values)], 100) as [Estimate, Estimate];
  t.same(
    difference(seeds, single).seeds.map((value) => Number(value.toFixed(6))),
    [0.11, 0],
    "seed by seed; a method without seeds stands beside each",
  );
  t.throws(() => difference(seeds, bootstrap([ofMeans(values)], 100, { draws: 5 })[0]!), /2000 and 5/);
});

t.test("repeatable, and wrong shapes are refused", async (t) => {
  const values = exponential(20, 7);
  const draw = (seed?: number) =>
    bootstrap([ofMeans(values)], 20, { draws: 50, ...(seed === undefined ? {} : { seed }) })[0]!.resampled;
  t.same([...draw()], [...draw()], "the same resamples every time");
  t.notSame([...draw(2)], [...draw()], "others with another seed");
  t.throws(() => bootstrap([ofMeans(values)], 19), /40 numbers are not 19 rows of 2/);
  t.throws(() => bootstrap([{ statistic: meanOfDefined, seeds: [] }], 3), RangeError);
});

t.test("quantiles and deviation", async (t) => {
  const sorted = [1, 2, 3, 4, 10];
  t.same(
    [0, 0.25, 0.5, 1].map((share) => quantile(sorted, share)),
    [1, 2, 3, 10],
  );
  t.equal(quantile(sorted, 0.875), 7, "linear between neighbours");
  t.ok(Number.isNaN(quantile([], 0.5)));
  const resampled = Float64Array.from({ length: 1001 }, (_, i) => 1000 - i);
  const { low, high } = scoreOf({ mean: 500, seeds: [500], resampled });
  t.same(
    [low, high].map((value) => Number(value.toFixed(9))),
    [25, 975],
    "the middle 95 %",
  );
  const ninety = scoreOf({ mean: 500, seeds: [500], resampled }, 0.9);
  t.same([ninety.low, ninety.high].map(Math.round), [50, 950]);
  t.equal(deviation([1, 3]), Math.SQRT2);
  t.ok(Number.isNaN(deviation([1])), "one seed has none");
});
