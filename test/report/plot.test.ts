import t from "tap";
import { shortNumber } from "../../dist/report/axes.js";
import { lineChart } from "../../dist/report/plot.js";

const SIZE = { width: 480, height: 280 };

/** The points of the n-th drawn line: the paths in the series colours. */
function points(svg: string, index: number): { x: number; y: number; starts: boolean }[] {
  const paths = [...svg.matchAll(/<path d="([^"]*)" fill="none" stroke="#/g)].map((match) => match[1]!);
  return [...paths[index]!.matchAll(/([ML])(-?[\d.]+) (-?[\d.]+)/g)].map(([, pen, x, y]) => {
    return { x: Number(x), y: Number(y), starts: pen === "M" };
  });
}

t.test("points lie where the axes say, the larger value higher", async (t) => {
  const svg = lineChart([{ name: "a", x: [0, 5, 10], y: [0, 50, 100] }], { title: "A", ...SIZE });
  const [a, b, c] = points(svg, 0);
  t.ok(a!.x < b!.x && b!.x < c!.x && a!.y > b!.y && b!.y > c!.y);
  t.ok(Math.abs(b!.x - (a!.x + c!.x) / 2) < 0.11 && Math.abs(b!.y - (a!.y + c!.y) / 2) < 0.11, "linear");
  for (const tick of ["0", "20", "100"]) t.match(svg, `>${tick}</text>`);
});

t.test("axes include what they are asked to", async (t) => {
  const series = [{ name: "a", x: [10, 20], y: [0.5, 0.6] }];
  const options = { title: "A", ...SIZE };
  const [bare, wide] = [
    lineChart(series, options),
    lineChart(series, { ...options, include: { x: [0], y: [0, 2] } }),
  ];
  const span = (svg: string) => {
    const [a, b] = points(svg, 0);
    return { x: b!.x - a!.x, y: a!.y - b!.y };
  };
  t.ok(Math.abs(span(wide).x - span(bare).x / 2) < 0.2, "from 0 on, the line takes the second half");
  t.ok(Math.abs(span(wide).y - span(bare).y / 20) < 0.2, "and a twentieth of the height");
  t.match(wide, ">0</text>");
});

t.test("a logarithmic axis is equidistant in decades and leaves out what has no logarithm", async (t) => {
  const y = [0.01, 0.1, 1, 0, -1, 10, 100];
  const svg = lineChart([{ name: "a", x: y.map((_, i) => i), y }], { title: "A", logY: true, ...SIZE });
  const drawn = points(svg, 0);
  t.same(
    drawn.map(({ starts }) => starts),
    [true, false, false, true, false],
    "two lines with a gap between",
  );
  const steps = drawn.slice(1).map((point, i) => drawn[i]!.y - point.y);
  for (const step of steps) t.ok(Math.abs(step - steps[0]!) < 0.25, `decade of ${step} pixels`);
});

t.test("NaN and infinity leave a gap; nothing at all says so", async (t) => {
  const svg = lineChart([{ name: "a", x: [1, 2, 3, 4], y: [1, Number.NaN, Number.POSITIVE_INFINITY, 2] }], {
    title: "A",
  });
  t.same(
    points(svg, 0).map(({ starts }) => starts),
    [true, true],
  );
  t.notMatch(svg, /NaN|Infinity/);
  t.match(lineChart([{ name: "a", x: [1], y: [Number.NaN] }], { title: "A" }), />no data</);
  t.match(lineChart([], { title: "A" }), />no data</);
});

t.test("one point, equal values, tiny and huge values have finite coordinates", async (t) => {
  const cases = [
    { x: [3], y: [7] },
    { x: [1, 2, 3], y: [0, 0, 0] },
    { x: [1, 2], y: [1e-30, 2e-30] },
    { x: [1, 1e9], y: [-1e30, 1e30] },
  ];
  for (const series of cases) {
    for (const logY of [false, true]) {
      const svg = lineChart([{ name: "a", ...series }], { title: "A", logY });
      t.notMatch(svg, /NaN|Infinity|undefined/);
      t.ok(svg.length < 10_000, `${svg.length} characters`);
    }
  }
});

t.test("the moving average does not lag behind", async (t) => {
  const y = Array.from({ length: 200 }, (_, i) => (i < 100 ? 1 : 3));
  const svg = lineChart([{ name: "a", x: y.map((_, i) => i), y }], { title: "A", smoothing: 0.9, ...SIZE });
  const raw = points(svg, 0);
  const smooth = points(svg, 1);
  const [low, high] = [raw[0]!.y, raw.at(-1)!.y];
  t.equal(smooth.length, 200);
  // As early as late: equally far from the old value before the step as from the new one after it.
  for (const distance of [0, 5, 20]) {
    const before = low - smooth[99 - distance]!.y;
    const after = smooth[100 + distance]!.y - high;
    t.ok(before > 0 && Math.abs(before - after) < 0.25, `${before} and ${after} pixels`);
  }
  t.ok(Math.abs(smooth.at(-1)!.y - high) < 0.5 && Math.abs(smooth[0]!.y - low) < 0.5, "there at both ends");
});

t.test("a series brings its own average, colour and dashes", async (t) => {
  const series = {
    name: "a",
    x: [1, 2, 3],
    y: [1, 5, 3],
    smoothed: [2, 3, 4],
    colour: "#123456",
    dash: "6 3",
  };
  const svg = lineChart([series, { ...series, name: "b" }], { title: "A", legend: false, ...SIZE });
  const [raw, smooth] = [points(svg, 0), points(svg, 1)];
  t.equal(raw[2]!.y, smooth[1]!.y, "3 is where 3 is");
  t.ok(smooth[0]!.y > smooth[1]!.y && smooth[1]!.y > smooth[2]!.y);
  t.equal(
    svg.match(/stroke="#123456" stroke-linejoin="round" stroke-width="2" stroke-dasharray="6 3"/g)?.length,
    2,
  );
  t.notMatch(svg, />b<\/text>/, "no legend");
  t.match(lineChart([series, { ...series, name: "b" }], { title: "A" }), />b<\/text>/);
  t.match(svg, /data-x="1 3" data-edges="58 462"/);
});

t.test("many points become a small path with the same extremes", async (t) => {
  const n = 100_000;
  const y = Array.from({ length: n }, (_, i) => Math.sin(i * 1.7) + (i === 54_321 ? 50 : 0));
  const svg = lineChart([{ name: "a", x: y.map((_, i) => i), y }], { title: "A", ...SIZE });
  t.ok(svg.length < 40_000, `${svg.length} characters`);
  const heights = points(svg, 0).map((point) => point.y);
  const sorted = [...heights].sort((a, b) => a - b);
  t.ok(sorted[1]! - sorted[0]! > 100, "the one outlier is drawn");
});

t.test("markup in names is text", async (t) => {
  const series = ["a<b", 'c"&d'].map((name) => ({ name, x: [1, 2], y: [1, 2] }));
  const svg = lineChart(series, { title: "</svg><script>", xLabel: "x & y", background: '"' });
  t.notMatch(svg, /<script|a<b|"&d/);
  t.match(svg, "a&#60;b");
});

t.test("short numbers", async (t) => {
  const numbers = [
    0,
    1,
    0.25,
    0.001,
    1e-6,
    2.5e-7,
    999,
    5000,
    10000,
    12345,
    1e6,
    3.4e6,
    2e9,
    -20000,
    Number.NaN,
  ];
  t.same(numbers.map(shortNumber), [
    "0",
    "1",
    "0.25",
    "0.001",
    "1e-6",
    "2.5e-7",
    "999",
    "5000",
    "10k",
    "12.3k",
    "1M",
    "3.4M",
    "2G",
    "-20k",
    "NaN",
  ]);
});
