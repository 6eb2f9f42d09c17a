import t from "tap";
import { byCurve, pointsUnder } from "../../../dist/evaluation/sweep/comparisons.js";
import { pointLabel, sweepFigure } from "../../../dist/evaluation/sweep/figures.js";
import { free, madeUp, metrics, scoreOfPoint } from "./result.js";

const result = madeUp();

/** The points of the n-th panel by curve: what their titles say. */
function told(svg: string, panel: number): Map<string, { label: string; x: number; y: number }[]> {
  const part = svg.split('<g transform="translate(')[panel + 1]!;
  const points = new Map<string, { label: string; x: number; y: number }[]>();
  for (const [, curve, label, x, y] of part.matchAll(/<title>(.*), (\S+ \S+): (\S+), (\S+)<\/title>/g))
    points.set(curve!, [...(points.get(curve!) ?? []), { label: label!, x: Number(x), y: Number(y) }]);
  return points;
}

/** Where a panel's markers of a colour are, in pixels. */
const places = (svg: string, colour: string) =>
  [...svg.matchAll(/<path d="(M[^"]*)" fill="none" stroke="(#\w+)" stroke-width="1.4"/g)]
    .filter(([, , stroke]) => stroke === colour)
    .map(([, d]) =>
      [...d!.matchAll(/[ML]([\d.]+) ([\d.]+)/g)].map(([, x, y]) => [Number(x), Number(y)] as const),
    );

t.test(
  "at equal steps a panel has every curve, the metric across and the score without references up",
  async (t) => {
    const svg = sweepFigure("equal steps", result, metrics, free);
    t.equal(
      svg.split('<g transform="translate(').length - 1,
      3,
      "BLEU-4, ROUGE-L, CIDEr-D; the others need WordNet",
    );
    const points = told(svg, 2);
    t.same([...points.keys()], ["none, temperature", "none, top-r", "cfg", "mcs, 0.5 masked"]);
    const expected = result.points.filter(({ curve, group }) => curve === "cfg" && group === "cfg");
    t.same(
      points.get("cfg"),
      expected.map((point) => {
        const value = scoreOfPoint(point);
        return { label: pointLabel(point), x: value, y: 10 * value };
      }),
      "each ω at its own scores",
    );
    const [line] = places(svg, "#0082c8");
    t.ok(
      line!.every(([x, y], i) => i === 0 || (x > line![i - 1]![0] && y < line![i - 1]![1])),
      "to the right and up",
    );
    t.match(svg, /12 validation pictures, 2 sampling seeds; bars: 95 % intervals over pictures/);
    t.match(svg, />ω 3<\/text>/, "points are labelled");
    t.match(svg, />own bound<\/text>/);
  },
);

t.test("at equal passes unguided curves have twice the steps, and the full model drops out", async (t) => {
  const points = told(sweepFigure("equal passes", result, metrics, free), 0);
  t.same(
    points.get("none, temperature")!.map(({ x }) => x),
    [0.075, 0.07],
    "the scores with 8 steps",
  );
  t.same(
    points.get("cfg")!.map(({ label }) => label),
    ["ω 2", "ω 3"],
  );
  t.ok(
    pointsUnder("equal passes", result.points).every(({ passes }) => passes === 8),
    "8 network passes each",
  );
});

t.test("over the push: the same top-r, and a panel more", async (t) => {
  const svg = sweepFigure("equal push", result, metrics, free);
  t.equal(svg.split('<g transform="translate(').length - 1, 4);
  const points = told(svg, 3);
  t.same([...points.keys()], ["none, temperature", "cfg", "mcs, 0.5 masked"], "top-r is not in the push");
  t.same(points.get("mcs, 0.5 masked")!.at(-1), { label: "ω 3", x: 0.3, y: 6 }, "push, own bound");
  t.equal(byCurve(result.points).size, 4, "curves keep their names with twice the steps");
});
