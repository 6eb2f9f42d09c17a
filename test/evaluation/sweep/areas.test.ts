import t from "tap";
import {
  compareCurves,
  dominatedArea,
  highestAt,
  meanGap,
  type Place,
  referencePoint,
} from "../../../dist/evaluation/sweep/areas.js";
import type { Estimate } from "../../../dist/metrics/bootstrap.js";

t.test("the dominated area is the union of rectangles", async (t) => {
  t.equal(dominatedArea([[3, 2]], [1, 1]), 2, "one");
  t.equal(dominatedArea([[3, 2], [2, 4]], [0, 0]), 3 * 2 + 2 * 2, "two that overlap"); // biome-ignore format: pairs
  t.equal(dominatedArea([[2, 4], [3, 2], [1, 1], [2, 3]], [0, 0]), 10, "inner points add nothing, in any order"); // biome-ignore format: pairs
  t.equal(dominatedArea([[3, 2], [0, 9], [-1, -1]], [0, 0]), 6, "nor do points beside the corner"); // biome-ignore format: pairs
  t.equal(dominatedArea([], [0, 0]), 0, "none");
});

t.test("y at x is interpolated; of a line that turns back the higher part counts", async (t) => {
  const line: Place[] = [
    [0, 0],
    [4, 8],
    [2, 10],
  ];
  t.equal(highestAt(line, 1), 2);
  t.equal(highestAt(line, 3), 9, "not 6");
  t.equal(highestAt(line.toReversed(), 3), 9, "in either direction");
  t.equal(highestAt(line, 4), 8, "a point");
  t.ok(Number.isNaN(highestAt(line, 5)), "beyond the line");
  const flat: Place[] = [
    [1, 3],
    [9, 3],
  ];
  const slope: Place[] = [
    [-1, 0],
    [5, 6],
  ];
  t.ok(Math.abs(meanGap(slope, flat) - 1) < 1e-9, "y = x + 1 less 3 over 1 … 5");
  t.ok(Number.isNaN(meanGap(slope, [[6, 1], [9, 1]])), "no common x"); // biome-ignore format: pairs
});

const estimate = (mean: number, resampled: number[]): Estimate => ({
  mean,
  seeds: [mean],
  resampled: Float64Array.from(resampled),
});

t.test("curves are compared resample by resample", async (t) => {
  // Both move together: the difference of the areas is always 2.
  const noise = Array.from({ length: 40 }, (_, i) => Math.sin(i));
  const x = estimate(
    2,
    noise.map((e) => 2 + e / 10),
  );
  const y = (mean: number) =>
    estimate(
      mean,
      noise.map(() => mean),
    );
  const a = [{ x, y: y(3) }];
  const b = [{ x, y: y(2) }];
  const { area, p } = compareCurves(a, b, [0, 0]);
  t.equal(area.mean, 2 * 3 - 2 * 2);
  t.ok(area.low > 1.7 && area.high < 2.3, "no wider than the common x");
  t.equal(p, 2 / 41, "never on the other side");
  t.equal(compareCurves(a, a, [0, 0]).p, 1, "equal curves");
  t.ok(compareCurves(b, a, [0, 0]).area.mean < 0, "the first minus the second");
  t.same(referencePoint([a, b]), [2, 2], "the corner is the lowest of both axes");
});
