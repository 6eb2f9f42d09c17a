import t from "tap";
import { extremesOf, movingAverage, thin } from "../../dist/report/thin.js";

t.test("of a group the first, lowest, highest and last stay, once and in order", async (t) => {
  t.same(extremesOf([5, 1, 9, 4]), [0, 1, 2, 3]);
  t.same(extremesOf([5, 9, 1, 9, 2, 4]), [0, 1, 2, 5]);
  t.same(extremesOf([1, 1, 1]), [0, 2]);
  t.same(extremesOf([7]), [0]);
  t.same(extremesOf([]), []);
  t.same(extremesOf([9, 1, 5, 0, 9], 1, 4), [1, 2, 3], "of a part alone");
});

t.test("a thinned curve has every column's extremes, and its own ends", async (t) => {
  const count = 100_000;
  const x = Float64Array.from({ length: count }, (_, i) => i + 1);
  const y = Float64Array.from({ length: count }, (_, i) => Math.sin(i / 5000) + ((i * 7919) % 101) / 500);
  [y[31_415], y[27_182]] = [40, -40];
  const kept = thin(x, y, 100);
  t.ok(kept.length <= 400 && kept.length > 100, `${kept.length} of ${count}`);
  t.same([kept[0], kept.at(-1)], [0, count - 1]);
  t.ok(kept.includes(31_415) && kept.includes(27_182), "one outlier each way");
  t.same(
    kept,
    [...new Set(kept)].sort((a, b) => a - b),
    "in order, none twice",
  );
  for (let column = 0; column < 100; column++) {
    const [from, to] = [column * 1000, (column + 1) * 1000];
    const own = kept.filter((i) => i >= from && i < to).map((i) => y[i]!);
    const all = y.subarray(from, to);
    t.equal(Math.max(...own), Math.max(...all));
    t.equal(Math.min(...own), Math.min(...all));
  }
});

t.test("few points stay as they are; gaps stay gaps", async (t) => {
  t.same(thin([1, 2, 3], [3, 1, 2], 100), [0, 1, 2]);
  const y = [1, 2, Number.NaN, Number.NaN, 3, 4, Number.POSITIVE_INFINITY];
  t.same(thin([1, 2, 3, 4, 5, 6, 7], y, 100), [0, 1, 2, 4, 5, 6], "a gap is one point");
  t.same(thin([], [], 10), []);
  t.same(thin([4, 4, 4], [1, 3, 2], 10), [0, 1, 2], "one x");
});

t.test("a range leaves out what is beyond it", async (t) => {
  const x = [1, 2, 3, 4, 5, 6];
  t.same(thin(x, x, 100, 2, 4), [1, 2, 3]);
  t.same(thin(x, x, 100, 7), []);
  t.same(thin(x, x, 100, undefined, 2), [0, 1]);
  const many = Float64Array.from({ length: 10_000 }, (_, i) => i);
  t.ok(thin(many, many, 100, 0, 100).length > 90, "columns are those of the range");
});

t.test("the average weighs neighbours on both sides by s^distance", async (t) => {
  const y = [3, -1, 4, 1, -5];
  const s = 0.7;
  const smooth = movingAverage(y, s);
  for (const i of y.keys()) {
    const weights = y.map((_, j) => s ** Math.abs(i - j));
    const sum = y.reduce((total, value, j) => total + value * weights[j]!, 0);
    t.ok(Math.abs(smooth[i]! - sum / weights.reduce((a, b) => a + b)) < 1e-12, `place ${i}`);
  }
  t.same([...movingAverage(y, 0)], y, "s = 0 changes nothing");
  t.same([...movingAverage([2, Number.NaN, 2], 0.5)], [2, Number.NaN, 2], "a gap has no weight and stays");
});
