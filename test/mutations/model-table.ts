/** Deliberate mistakes in the table of several models: tests of differences, rows, files, kept captions. */

import type { Mutation } from "./mutation.js";

const significance = ["metrics/significance.test.ts"];
const tableFile = "src/evaluation/table/model-table.ts";
const textFile = "src/evaluation/table/table-text.ts";
const table = "evaluation/table/model-table.test.ts";
const columns = ["evaluation/table/columns.test.ts"];
const command = "commands/model-table.test.ts";

export const modelTable: readonly Mutation[] = [
  {
    name: "p-value: without the 1s, so that it can be 0",
    file: "src/metrics/significance.ts",
    find: "(2 * (1 + Math.min(below, above))) / (1 + scored)",
    replace: "(2 * Math.min(below, above)) / scored",
    tests: significance,
  },
  {
    name: "p-value: one-sided",
    file: "src/metrics/significance.ts",
    find: "(2 * (1 + Math.min(below, above)))",
    replace: "(1 + Math.min(below, above))",
    tests: significance,
  },
  {
    name: "p-value: resamples without a difference speak for one",
    file: "src/metrics/significance.ts",
    find: "if (value <= 0) below++",
    replace: "if (value < 0) below++",
    tests: significance,
  },
  {
    name: "Holm: from the largest p on",
    file: "src/metrics/significance.ts",
    find: "values[a]! - values[b]!",
    replace: "values[b]! - values[a]!",
    tests: significance,
  },
  {
    name: "Holm: Bonferroni's factor for all",
    file: "src/metrics/significance.ts",
    find: "(order.length - j) * values[i]!",
    replace: "order.length * values[i]! + 0 * j",
    tests: significance,
  },
  {
    name: "Holm: a larger p may get a smaller adjusted one",
    file: "src/metrics/significance.ts",
    find: "Math.max(largest, Math.min(1,",
    replace: "Math.max(0, Math.min(1,",
    tests: significance,
  },
  {
    name: "Holm: what is no test counts",
    file: "src/metrics/significance.ts",
    find: "Number.isNaN(p) ? [] : [i]",
    replace: "Number.isNaN(p) ? [i] : [i]",
    tests: significance,
  },
  {
    name: "model table: differences are not paired",
    file: tableFile,
    find: "const gained = difference(own, first);",
    replace: "const gained = difference({ ...own, resampled: own.resampled.slice().reverse() }, first);",
    tests: [table],
  },
  {
    name: "model table: differences to the row above",
    file: tableFile,
    find: "[estimate(i + 1, column), estimate(0, column)]",
    replace: "[estimate(i + 1, column), estimate(i, column)]",
    tests: [table],
  },
  {
    name: "model table: differences have the wrong sign",
    file: tableFile,
    find: "difference(own, first)",
    replace: "difference(first, own)",
    tests: [table],
  },
  {
    name: "model table: rows are mixed up",
    file: tableFile,
    find: "estimates[row * measured.length + place]!",
    replace: "estimates[(rows.length - 1 - row) * measured.length + place]!",
    tests: [table],
  },
  {
    name: "model table: p-values are not adjusted",
    file: tableFile,
    find: "holm(compared.map(({ p }) => p))",
    replace: "compared.map(({ p }) => holm([p])[0]!)",
    tests: [table],
  },
  {
    name: "model table: every picture has the score of the first",
    file: tableFile,
    find: "rows.subarray(i * width, (i + 1) * width)",
    replace: "rows.subarray(0 * i, width)",
    tests: [table],
  },
  {
    name: "model table: captions of the first model in every row",
    file: "src/evaluation/table/join-rows.ts",
    find: "splits[s]!.rows",
    replace: "(first!.splits ?? splits)[s]!.rows",
    tests: [table],
  },
  {
    name: "model table: captions of the first split in every split",
    file: "src/evaluation/table/join-rows.ts",
    find: "splits[s]!.rows",
    replace: "splits[0 * s]!.rows",
    tests: [table],
  },
  {
    name: "model table: CSV columns swapped",
    file: textFile,
    find: "column.name, mean, low, high, deviation]",
    replace: "column.name, mean, high, low, deviation]",
    tests: [table],
  },
  {
    name: "model table: CSV has the difference of the row below",
    file: textFile,
    find: "const gain = differences[row - 1]?.scores[column.name];\n        return [",
    replace: "const gain = differences[row]?.scores[column.name];\n        return [",
    tests: [table],
  },
  {
    name: "model table: LaTeX prints the worst in bold",
    file: textFile,
    find: "const best = Math.max(",
    replace: "const best = Math.min(",
    tests: [table],
  },
  {
    name: "model table: names are not escaped for LaTeX",
    file: textFile,
    find: "|[&%$#_{}]/g",
    replace: "|[&%$#{}]/g",
    tests: [table],
  },
  {
    name: "columns: CIDEr-D's idf of the scored pictures",
    file: "src/evaluation/table/columns.ts",
    find: "metric.rows(captions, references, corpus)",
    replace: "metric.rows(captions, references, corpus.slice(0, references.length))",
    tests: [table],
  },
  {
    name: "columns: CLIPScore of the first picture",
    file: "src/evaluation/table/columns.ts",
    find: "each(images[i]!, caption, references[i]!)",
    replace: "each(images[0 * i]!, caption, references[i]!)",
    tests: columns,
  },
  {
    name: "columns: known captions count as new",
    file: "src/metrics/diversity.ts",
    find: '.join(" ")) ? 0 : 1',
    replace: '.join(" ")) ? 1 : 0',
    tests: columns,
  },
  {
    name: "caption page: captions stand at another row's name",
    file: "src/report/caption-page.ts",
    find: "escapeXml(rows[row]!)",
    replace: "escapeXml(rows[rows.length - 1 - row]!)",
    tests: ["report/caption-page.test.ts"],
  },
  {
    name: "caption page: sorted by the first row's score instead of the difference",
    file: "src/report/caption-page-script.ts",
    find: "? null : own - first",
    replace: "? null : first",
    tests: ["browser/caption-page.test.ts"],
  },
  {
    name: "models: each has seeds of its own",
    file: "src/cli/compared-models.ts",
    find: "options.sampling.seed ?? models[0]!.config.seed",
    replace: "(options.sampling.seed ?? models[0]!.config.seed) + 100 * i",
    tests: [`${command} # two kinds`],
  },
  {
    name: "models: kept captions do not depend on settings",
    file: "src/cli/caption-cache.ts",
    find: "settings, dataset.name",
    replace: "Object.keys(settings).length, dataset.name",
    tests: [`${command} # killed`],
  },
  {
    name: "models: kept captions are not looked for",
    file: "src/cli/compared-models.ts",
    find: "cache && key ? await cache.read(key) : null",
    replace: 'cache && key === "" ? await cache.read(key) : null',
    tests: [`${command} # killed`],
  },
  {
    name: "models: data of another folder are compared",
    file: "src/cli/weights-data.ts",
    find: "data.folder !== own.folder || elsewhere",
    replace: "(data.folder !== own.folder && elsewhere && false)",
    tests: [`${command} # cannot be compared`],
  },
];
