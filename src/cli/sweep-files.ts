/** The files of a sweep: the choice, tables as Markdown, CSV and LaTeX, figures as SVG and PNG, and everything as JSON. */

import { comparisonsOf, pointsUnder, type Terms } from "../evaluation/sweep/comparisons.js";
import { figureMetrics, pointLabel, sweepFigure } from "../evaluation/sweep/figures.js";
import { tableLatex } from "../evaluation/sweep/latex.js";
import type { ReferenceFree } from "../evaluation/sweep/reference-free.js";
import { FREE, type SweepMetric } from "../evaluation/sweep/scores.js";
import type { Selection, SplitScores } from "../evaluation/sweep/sweep.js";
import {
  type Column,
  columnsOf,
  comparisonsMarkdown,
  rowOf,
  scaleTables,
  scoresCsv,
  tableMarkdown,
} from "../evaluation/sweep/tables.js";
import { choiceDifferences, choiceTable } from "../evaluation/sweep/test-tables.js";
import { scoreOf } from "../metrics/bootstrap.js";
import type { SamplingSettings } from "../models/sampling-settings.js";
import { nodePlatform as platform } from "../platform/node.js";
import { loadSharp } from "../platform/sharp-pictures.js";
import { datasetRecord, originRecord } from "./evaluation-record.js";
import type { SweepInput, SweepPlan } from "./sweep-options.js";

/** What a sweep has found. */
export interface SweepResult {
  readonly plan: SweepPlan;
  readonly input: SweepInput;
  readonly metrics: ReadonlyMap<string, SweepMetric>;
  readonly free: ReferenceFree;
  readonly settings: SamplingSettings;
  readonly selection: Selection;
  /** The chosen settings on the test splits. */
  readonly tests: readonly SplitScores[];
  /** The curves of unguided sampling there. */
  readonly unguided: readonly SplitScores[];
  /** The splits whose curves are drawn. */
  readonly drawn: readonly SplitScores[];
}

const { files } = platform;

/** `choice.json`: what was chosen, and by which scores. It depends on the training and validation data alone. */
export async function writeChoice(folder: string, metric: string, selection: Selection): Promise<void> {
  const { validation, choices } = selection;
  const record = {
    format: "mc-diffusion-sweep-choice-1",
    ...{ metric, split: validation.split, pictures: validation.pictures, seeds: validation.seeds },
    choices: choices.map(({ group, point: { curve, along, value, settings, passes, key } }) => {
      const score = scoreOf(validation.scores.get(key)!.estimates.get(metric)!);
      return { method: group, curve, along, value, settings, passes, score };
    }),
  };
  await files.write(`${folder}/choice.json`, `${JSON.stringify(record, null, 1)}\n`);
}

const figures: Readonly<Record<string, Terms>> = {
  figure: "equal steps",
  "figure-passes": "equal passes",
  "figure-push": "equal push",
};

/** Figures and tables of the splits whose curves are drawn; the file names carry the split if it is not validation. */
export async function writeCurves(
  folder: string,
  { drawn, metrics, free, unguided }: SweepResult,
): Promise<void> {
  const sharp = await loadSharp("drawing the figures");
  for (const result of drawn) {
    const ending = result.split === "validation" ? "" : `-${result.split}`;
    for (const [name, terms] of Object.entries(figures)) {
      const svg = sweepFigure(terms, result, metrics, free);
      const png = await sharp(new TextEncoder().encode(svg), { density: 144 }).png().toBuffer();
      await files.write(`${folder}/${name}${ending}.svg`, svg);
      await files.write(`${folder}/${name}${ending}.png`, png);
    }
    const columns = columnsOf(result, metrics, free);
    const tables = scaleTables(result);
    const compared = (["equal passes", "equal steps"] as const).flatMap((terms) => {
      const pairs = comparisonsOf(result, pointsUnder(terms, result.points), figureMetrics);
      if (pairs.length === 0) return [];
      const title = `**Curves compared at ${terms}: the metric across, ${free.title} up**`;
      return [`${title}\n\n${comparisonsMarkdown(pairs, columns)}`];
    });
    const text = [...tables.map((table) => tableMarkdown(table, columns)), ...compared];
    await files.write(`${folder}/tables${ending}.md`, `${text.join("\n\n")}\n`);
    await files.write(
      `${folder}/tables${ending}.tex`,
      tables.map((table) => tableLatex(table, columns)).join("\n"),
    );
    await files.write(`${folder}/scores${ending}.csv`, scoresCsv([result], columns));
  }
  if (unguided.length > 0)
    await files.write(`${folder}/unguided.csv`, scoresCsv(unguided, columnsOf(unguided[0]!, metrics, free)));
}

/** `sweep.json` with all scores and settings, and the tables of the chosen settings on the test splits. */
export async function writeSweep(folder: string, result: SweepResult): Promise<void> {
  const { plan, input, selection, tests, unguided, drawn, metrics, free, settings } = result;
  const { dataset, captioner, weights, limit, seeds, draws } = input;
  const scored = (scores: SplitScores) => {
    const columns = columnsOf(scores, metrics, free);
    return {
      ...{ split: scores.split, pictures: scores.pictures, seeds: scores.seeds },
      points: scores.points.map((point) => {
        const { push, passes, scores: of } = rowOf(scores, point, []);
        const { curve, group, along, value, settings } = point;
        const named = Object.fromEntries(columns.map(({ name }) => [name, of.get(name)]));
        return { curve, method: group, along, value, settings, passes, push, scores: named };
      }),
    };
  };
  const under = (terms: Terms) =>
    drawn.map((scores) => ({
      ...{ split: scores.split, terms },
      comparisons: comparisonsOf(scores, pointsUnder(terms, scores.points), figureMetrics),
    }));
  const columns = columnsOf(selection.validation, metrics, free);
  const record = {
    format: "mc-diffusion-sweep-1",
    ...(await originRecord(captioner.gpu.description)),
    weights,
    precision: captioner.config.decoder.precision,
    dataset: datasetRecord(dataset),
    ...{ limit, testSeeds: seeds, draws, sampling: settings, grid: plan.grid },
    choose: { metric: plan.choose, split: "validation" },
    referenceFree: { name: free.name, title: free.title },
    validation: scored(selection.validation),
    choices: selection.choices.map(({ group, point }) => ({ method: group, key: point.key })),
    curves: [...under("equal steps"), ...under("equal passes")],
    tests: tests.map(scored),
    differences: choiceDifferences(tests, selection.choices, columns),
    unguided: unguided.map(scored),
  };
  await files.write(`${folder}/sweep.json`, `${JSON.stringify(record, null, 1)}\n`);
  if (tests.length === 0) return;
  const tables = tests.map((scores) => choiceTable(scores, selection.choices));
  const text = [
    ...tables.map((table) => tableMarkdown(table, columns)),
    differencesMarkdown(choiceDifferences(tests, selection.choices, columns), columns),
  ];
  await files.write(`${folder}/test.md`, `${text.join("\n\n")}\n`);
  await files.write(`${folder}/test.tex`, tables.map((table) => tableLatex(table, columns)).join("\n"));
  await files.write(`${folder}/test.csv`, scoresCsv(tests, columns));
}

function differencesMarkdown(
  differences: readonly ReturnType<typeof choiceDifferences>[number][],
  columns: readonly Column[],
): string {
  const lines = differences.map(({ split, of, minus, metric, score, p, holm }) => {
    const { title, decimals } = columns.find(({ name }) => name === metric)!;
    const number = (value: number) => {
      const text = decimals === "share" ? (100 * value).toFixed(1) : value.toFixed(decimals);
      return value >= 0 ? `+${text}` : text;
    };
    const cell = `${number(score.mean)} [${number(score.low)}, ${number(score.high)}]`;
    const name = decimals === "share" ? `${title}, points` : title;
    return `| ${[split, `${of} − ${minus}`, name, cell, p.toPrecision(2), holm.toPrecision(2)].join(" | ")} |`;
  });
  return [
    "**Differences of the chosen settings; Holm's adjustment is over the lines of a metric**\n",
    "| split | difference | metric | mean | p | p, Holm |",
    "| --- | --- | --- | --- | --- | --- |",
    ...lines,
  ].join("\n");
}

/** The choice and its scores on the test splits, for the terminal. */
export function choiceText({ plan, selection, tests, metrics, free }: SweepResult): string {
  const { validation, choices } = selection;
  const title = metrics.get(plan.choose)!.title;
  const chosen = choices.map(({ group, point }) => {
    const { mean } = validation.scores.get(point.key)!.estimates.get(plan.choose)!;
    const masked = point.settings.mask ? ` (${point.curve})` : "";
    return `  ${group}: ${pointLabel(point)}${masked}, ${title} ${mean.toFixed(3)}`;
  });
  // The metrics that fit on a terminal; test.md has all.
  const shown: readonly string[] = [...figureMetrics, plan.choose, FREE];
  const columns = columnsOf(validation, metrics, free).filter(({ name }) => shown.includes(name));
  return [
    `Chosen on ${validation.pictures} validation pictures by ${title}:\n${chosen.join("\n")}`,
    ...tests.map((scores) => tableMarkdown(choiceTable(scores, choices), columns)),
  ].join("\n\n");
}
