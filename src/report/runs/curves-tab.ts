/** Curves of the chosen runs over each other, one chart for each quantity of a stage. */

import { lineChart, type Series } from "../plot.js";
import { inOrder, isLogarithmic, titleOf } from "../quantities.js";
import { pointInto } from "./chart-pointer.js";
import { element } from "./dom.js";
import type { CurvePoints, LogUnit } from "./listing.js";
import type { RunStyle, Session } from "./session.js";
import type { View } from "./view.js";

/** Small, so that letters stay readable where three charts stand side by side. */
const CHART_SIZE = { width: 360, height: 220 };

/** Smoothing by name: over which part of a curve's length. */
const SMOOTHINGS: Readonly<Record<string, number>> = { none: 0, "a little": 240, medium: 60, strong: 15 };

interface StageRun {
  readonly id: string;
  readonly style: RunStyle;
  readonly unit: LogUnit;
  readonly quantities: ReadonlyMap<string, CurvePoints>;
}

/** Chosen runs by stage. */
function stagesOf(session: Session): Map<string, StageRun[]> {
  const stages = new Map<string, StageRun[]>();
  for (const { run, style } of session.chosen())
    for (const { stage, unit, quantities } of session.curves(run.id)?.stages ?? []) {
      const runs = stages.get(stage) ?? [];
      stages.set(stage, runs);
      runs.push({
        id: run.id,
        style,
        unit,
        quantities: new Map(quantities.map((curve) => [curve.name, curve])),
      });
    }
  return stages;
}

/** The controls and charts. `change` changes the view. */
export function curvesTab(session: Session, change: (view: Partial<View>) => void): Node[] {
  const { view } = session;
  const stages = stagesOf(session);
  const controls = element(
    "div",
    { class: "row" },
    select("Stage", ["", ...stages.keys()], view.stage, (stage) => change({ stage }), "all"),
    select("over", ["step", "time"], view.x, (x) => change({ x: x as View["x"], from: null, to: null })),
    select(
      "smoothed",
      Object.keys(SMOOTHINGS),
      Object.keys(SMOOTHINGS).find((name) => SMOOTHINGS[name] === view.share) ?? `1/${view.share}`,
      (name) => change({ share: SMOOTHINGS[name]! }),
    ),
    number("from", view.from, (from) => change({ from })),
    number("to", view.to, (to) => change({ to })),
    element("span", { class: "quiet" }, "Drag in a chart to enlarge a part, double-click for all."),
  );
  const models = new Set(session.chosen().map(({ run }) => String(run.config.model)));
  const note =
    models.size > 1 && stages.has("decoder")
      ? [
          element(
            "p",
            {},
            "Each model has its own loss: compare different models by the held-out measures, not by their losses.",
          ),
        ]
      : [];
  const sections = [...stages]
    .filter(([stage]) => view.stage === "" || view.stage === stage)
    .flatMap(([stage, runs]) => stageSection(stage, runs, view, change));
  if (sections.length > 0) return [controls, ...note, ...sections];
  const reason =
    session.chosenIds.length === 0 ? "Choose runs on the left." : "The chosen runs have no log yet.";
  return [controls, element("p", {}, reason)];
}

function stageSection(
  stage: string,
  runs: readonly StageRun[],
  view: View,
  change: (view: Partial<View>) => void,
): Node[] {
  const names = inOrder(new Set(runs.flatMap(({ quantities }) => [...quantities.keys()])));
  const figures = names
    .filter((name) => name !== "ms")
    .map((name) => {
      const shown = runs.flatMap(({ id, style, quantities }): Series[] => {
        const curve = quantities.get(name);
        if (!curve) return [];
        const numbers = (values: readonly (number | null)[]) => values.map((value) => value ?? Number.NaN);
        const series = { name: id, x: curve.x, y: numbers(curve.y), ...style };
        return [curve.smooth ? { ...series, smoothed: numbers(curve.smooth) } : series];
      });
      const isPositive = shown.every(({ y }) => y.every((value) => !(value <= 0)));
      const figure = element("figure");
      figure.innerHTML = lineChart(shown, {
        title: titleOf(name, runs[0]!.unit),
        xLabel: view.x === "step" ? "step" : "hours of steps",
        logY: isLogarithmic(name) && isPositive,
        legend: false,
        ...CHART_SIZE,
      });
      pointInto(figure, shown, {
        axis: view.x,
        zoom: (range) => change(range ?? { from: null, to: null }),
      });
      return figure;
    });
  return [element("h2", {}, `Stage ${stage}`), element("div", { class: "charts" }, ...figures)];
}

function select(
  label: string,
  options: readonly string[],
  value: string,
  change: (value: string) => void,
  nameOfEmpty = "",
): HTMLElement {
  const all = options.includes(value) ? options : [...options, value];
  return element(
    "label",
    {},
    `${label} `,
    element(
      "select",
      {
        id: `curves-${label}`,
        onchange: (event: Event) => change((event.target as HTMLSelectElement).value),
      },
      ...all.map((option) =>
        element(
          "option",
          { value: option, selected: option === value },
          option === "" ? nameOfEmpty : option,
        ),
      ),
    ),
  );
}

function number(label: string, value: number | null, change: (value: number | null) => void): HTMLElement {
  return element(
    "label",
    {},
    `${label} `,
    element("input", {
      id: `curves-${label}`,
      type: "number",
      min: 0,
      step: "any",
      value: value ?? "",
      onchange: (event: Event) => {
        const { value: text } = event.target as HTMLInputElement;
        change(text === "" ? null : Math.max(0, Number(text)));
      },
    }),
  );
}
