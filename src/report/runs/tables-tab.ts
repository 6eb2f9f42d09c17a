/** Settings and scores of the chosen runs as tables. */

import { METRICS, type MetricName } from "../../metrics/scores.js";
import { shortNumber } from "../axes.js";
import { titleOf } from "../quantities.js";
import { element, table } from "./dom.js";
import type { ListedScore, ScoreRow } from "./listing.js";
import type { ChosenRun, RunStyle, Session } from "./session.js";
import { compareSettings } from "./settings.js";
import type { View } from "./view.js";

/** A line as a run's curves have it; null: of a run that is not chosen. */
export function swatch(style: RunStyle | null): HTMLElement {
  const look = style
    ? `border-top-color:${style.colour};border-top-style:${style.dash === "" ? "solid" : "dashed"}`
    : "";
  return element("i", { class: "swatch", style: look });
}

/** A run's name in its colour. */
export function runName({ run, style }: ChosenRun): HTMLElement {
  return element("span", {}, swatch(style), ` ${run.id}`);
}

function checkbox(label: string, checked: boolean, change: (checked: boolean) => void): HTMLElement {
  const onchange = (event: Event) => change((event.target as HTMLInputElement).checked);
  return element(
    "label",
    {},
    element("input", { id: `check-${label}`, type: "checkbox", checked, onchange }),
    ` ${label}`,
  );
}

/** Settings side by side, those that differ alone or all. */
export function settingsTab(session: Session, change: (view: Partial<View>) => void): Node[] {
  const chosen = session.chosen();
  const { all } = session.view;
  const rows = compareSettings(chosen.map(({ run }) => run));
  const shown = rows.filter(({ differs }) => all || differs);
  const control = element(
    "div",
    { class: "row" },
    checkbox("equal settings, too", all, (all) => change({ all })),
    element("span", { class: "quiet" }, `${shown.length} of ${rows.length} settings`),
  );
  if (chosen.length === 0) return [control, element("p", {}, "Choose runs on the left.")];
  if (shown.length === 0)
    return [
      control,
      element(
        "p",
        {},
        chosen.length === 1
          ? "One run differs from nothing: choose another beside it, or show equal settings, too."
          : "The chosen runs have the same settings and data.",
      ),
    ];
  const made = table(
    ["", ...chosen.map(runName)],
    shown.map(({ key, values }) => [key, ...values.map((value) => value ?? "–")]),
  );
  made.classList.add("settings");
  for (const [i, row] of [...made.querySelectorAll("tbody tr")].entries())
    row.classList.toggle("differs", shown[i]!.differs);
  return [control, made];
}

/** Scores on held-out splits, a table for each split, then the last measures of training. */
export function scoresTab(session: Session, change: (view: Partial<View>) => void): Node[] {
  const chosen = session.chosen();
  const { baselines } = session.view;
  const control = element(
    "div",
    { class: "row" },
    checkbox("baselines, too", baselines, (baselines) => change({ baselines })),
    element("span", { class: "quiet" }, "Mean [95 % interval over pictures]; the best of a column in bold."),
  );
  const rows = chosen.flatMap((one) =>
    one.run.scores.filter(({ isModel }) => isModel || baselines).map((row) => ({ one, row })),
  );
  const splits = [...new Set(rows.map(({ row }) => row.split))];
  const tables = splits.flatMap((split) => [
    element("h2", {}, `Split ${split}`),
    scoresTable(rows.filter(({ row }) => row.split === split)),
  ]);
  const none =
    rows.length > 0
      ? []
      : [
          element(
            "p",
            {},
            "No chosen run has scores yet: the end of a run writes them, and evaluate.js --out with a file in its folder.",
          ),
        ];
  return [control, ...none, ...tables, ...measureTables(chosen)];
}

function scoresTable(rows: readonly { one: ChosenRun; row: ScoreRow }[]): HTMLElement {
  const metrics = (Object.keys(METRICS) as MetricName[]).filter((name) =>
    rows.some(({ row }) => row.scores[name]?.mean != null),
  );
  const text = (name: MetricName, { scores }: ScoreRow) => {
    const mean = scores[name]?.mean;
    return mean == null ? "–" : format(name, mean);
  };
  /** The best text of each column; none where all are equal as far as they are told. */
  const best = new Map(
    metrics.map((name) => {
      const means = rows.map(({ row }) => row.scores[name]?.mean ?? Number.NEGATIVE_INFINITY);
      const isOne = new Set(rows.map(({ row }) => text(name, row))).size === 1;
      return [name, isOne ? null : format(name, Math.max(...means))];
    }),
  );
  const cell = (name: MetricName, row: ScoreRow): Node => {
    const told = text(name, row);
    const score = row.scores[name];
    return element(
      "span",
      {},
      told === best.get(name) ? element("b", {}, told) : told,
      element("small", {}, score ? interval(name, score) : ""),
    );
  };
  return table(
    ["", "row", "pictures", ...metrics.map((name) => METRICS[name].title)],
    rows.map(({ one, row }) => [
      runName(one),
      element("span", {}, row.method, element("small", {}, ` ${row.file}`)),
      String(row.pictures),
      ...metrics.map((name) => cell(name, row)),
    ]),
  );
}

function format(name: MetricName, value: number): string {
  const { decimals } = METRICS[name];
  return decimals === "share" ? `${(100 * value).toFixed(1)} %` : value.toFixed(decimals);
}

function interval(name: MetricName, { low, high }: ListedScore): string {
  return low === null || high === null ? "" : ` [${format(name, low)}, ${format(name, high)}]`;
}

/** The last held-out measures of each stage. */
function measureTables(chosen: readonly ChosenRun[]): Node[] {
  const stages = new Set(chosen.flatMap(({ run }) => run.stages.map(({ stage }) => stage)));
  return [...stages].flatMap((stage) => {
    const rows = chosen.flatMap((one) => {
      const found = one.run.stages.find((own) => own.stage === stage);
      return found ? [{ one, found }] : [];
    });
    const names = [...new Set(rows.flatMap(({ found }) => Object.keys(found.metrics)))];
    if (names.length === 0) return [];
    return [
      element("h2", {}, `Last measures during training, stage ${stage}`),
      table(
        ["", "step", ...names.map((name) => titleOf(`metrics.${name}`, "images").replace("Held out: ", ""))],
        rows.map(({ one, found }) => [
          runName(one),
          found.step.toLocaleString("en-US"),
          ...names.map((name) => (found.metrics[name] == null ? "–" : shortNumber(found.metrics[name]))),
        ]),
      ),
    ];
  });
}
