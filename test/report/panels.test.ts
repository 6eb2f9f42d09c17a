import t from "tap";
import { type Curve, type CurvePoint, panelChart } from "../../dist/report/panels.js";

const exactly = (value: number) => ({ mean: value, low: value, high: value });
const point = (x: number, y: number, label = `${x}`): CurvePoint => ({ x: exactly(x), y: exactly(y), label });
const curve = (name: string, points: CurvePoint[], colour = "#112233"): Curve => ({
  name,
  style: { colour, marker: "circle", dash: "" },
  points,
});
const draw = (...curves: Curve[]) =>
  panelChart([{ xLabel: "across", yLabel: "up", curves }], { title: "A < B", note: "note" });
const circles = (svg: string) =>
  [...svg.matchAll(/<circle cx="([\d.-]+)" cy="([\d.-]+)"/g)].map(
    ([, x, y]) => [Number(x), Number(y)] as const,
  );

t.test("points lie in proportion, higher values higher, with bars from low to high", async (t) => {
  const wide = { x: { mean: 5, low: 4, high: 7 }, y: { mean: 50, low: 20, high: 60 }, label: "wide" };
  const svg = draw(curve("a & b", [point(0, 0), wide, point(10, 100)]));
  // The legend's circle comes first.
  const [, a, b, c] = circles(svg) as [
    unknown,
    readonly [number, number],
    readonly [number, number],
    readonly [number, number],
  ];
  t.ok(
    Math.abs(b[0] - (a[0] + c[0]) / 2) < 0.11 && Math.abs(b[1] - (a[1] + c[1]) / 2) < 0.11,
    "in the middle",
  );
  t.ok(a[0] < c[0] && a[1] > c[1], "to the right and up");
  const at = (x: number) => (a[0] + (x / 10) * (c[0] - a[0])).toFixed(1);
  const bar = /<path d="M([\d.]+) [\d.]+H([\d.]+)" stroke="#112233" stroke-width="0.7"/;
  const found = [...svg.matchAll(new RegExp(bar, "g"))][1]!;
  t.ok(
    Math.abs(Number(found[1]) - Number(at(4))) < 0.2 && Math.abs(Number(found[2]) - Number(at(7))) < 0.2,
    "the interval",
  );
  t.match(svg, /<title>a &#38; b, wide: 5, 50<\/title>/, "told on pointing");
  t.match(svg, /aria-label="A &#60; B"/);
  t.match(svg, />note<\/text>/);
});

t.test("a point far from the others is beyond the axes, and the panel says so", async (t) => {
  const points = [1, 2, 3, 4, 5].map((x) => point(x, x));
  const near = draw(curve("a", points));
  t.notMatch(near, /beyond/);
  const far = draw(curve("a", [...points, point(3, -500, "far"), point(900, 3, "farther")]));
  t.match(far, />2 points beyond the axes<\/text>/);
  t.same(circles(far).slice(1, 6), circles(near).slice(1, 6), "the others stay where they were");
  t.notMatch(far, />far<\/text>/, "without a label");
  t.match(far, /<title>a, far: 3, -500<\/title>/);
});

t.test("what has no number is left out; a panel without a point says so", async (t) => {
  const svg = draw(curve("a", [point(1, Number.NaN), point(1, 2)]), curve("empty", [point(Number.NaN, 1)]));
  t.equal(circles(svg).length, 2, "one in the legend, one in the panel");
  t.notMatch(svg, />empty<\/text>/, "no curve without a point in the legend");
  t.match(draw(curve("a", [])), />no data<\/text>/);
  const wild = { x: exactly(1), y: { mean: 2, low: Number.NaN, high: 3 }, label: "" };
  t.notMatch(draw(curve("a", [wild, point(2, 3)])), /NaN/);
});

t.test("labels do not cover each other or leave the panel", async (t) => {
  const crowd = Array.from({ length: 12 }, (_, i) => point(1 + i / 1000, 1 + i / 1000, `ω ${i}`));
  const svg = draw(curve("a", [point(0, 0), ...crowd, point(2, 2)]));
  const boxes = [
    ...svg.matchAll(/<text x="([\d.-]+)" y="([\d.-]+)" font-size="9" fill="#112233">([^<]*)</g),
  ].map(([, x, y, text]) => ({ x: Number(x), y: Number(y), width: text!.length * 5.4 }));
  t.ok(boxes.length >= 3 && boxes.length < 14, `${boxes.length} of 14 labels have room`);
  for (const [i, a] of boxes.entries())
    for (const b of boxes.slice(i + 1))
      t.ok(a.x + a.width < b.x + 0.2 || b.x + b.width < a.x + 0.2 || Math.abs(a.y - b.y) > 8.8);
  t.ok(
    boxes.every(({ x }) => x > 56),
    "none on the numbers of the axis",
  );
});
