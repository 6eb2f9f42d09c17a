/** Deliberate mistakes in guidance sweeps: what is tried, kept, chosen, compared and drawn. */

import type { Mutation } from "./mutation.js";

const folder = "src/evaluation/sweep";
const grid = "evaluation/sweep/grid.test.ts";
const run = "evaluation/sweep/sweep.test.ts";
const tables = "evaluation/sweep/tables.test.ts";
const areas = "evaluation/sweep/areas.test.ts";
const figures = "evaluation/sweep/figures.test.ts";
const trainings = "evaluation/sweep/trainings.test.ts";

export const sweep: readonly Mutation[] = [
  {
    name: "sweep: the push is KL(full || guided)",
    file: "shaders/diffusion/push.wgsl",
    find: "term += exp(pushed) * (pushed - (full[first + k] - normalisers.y));",
    replace: "term += exp(full[first + k] - normalisers.y) * ((full[first + k] - normalisers.y) - pushed);",
    tests: ["diffusion/push.test.ts # the push"],
  },
  {
    name: "sweep: the temperature does not push",
    file: "src/diffusion/push.ts",
    find: "sharpness: 1 / temperature",
    replace: "sharpness: temperature / temperature",
    tests: ["diffusion/push.test.ts # the push"],
  },
  {
    name: "sweep: every batch of the push counts as one",
    file: "src/diffusion/push.ts",
    find: "this.rows += rows;",
    replace: "this.rows = rows;",
    tests: ["diffusion/push.test.ts # a meter"],
  },
  {
    name: "sweep: the push is from the guided prediction itself",
    file: "src/diffusion/sampler.ts",
    find: "watch?.(scores, drawn, logits);",
    replace: "watch?.(scores, drawn, scores);",
    tests: ["captioner/sampling.test.ts # a watcher"],
  },
  {
    name: "masks: a block has a row too many",
    file: "shaders/diffusion/masking.wgsl",
    find: "row < top + rows",
    replace: "row <= top + rows",
    tests: ["diffusion/masking.test.ts # blocks"],
  },
  {
    name: "masks: all blocks lie at the left",
    file: "shaders/diffusion/masking.wgsl",
    find: "drawn.z % (params.side - columns + 1u)",
    replace: "0u * drawn.z",
    tests: ["diffusion/masking.test.ts # blocks"],
  },
  {
    name: "masks: the sampler ignores the shape of the mask",
    file: "src/diffusion/guidance.ts",
    find: 'guidance.method === "cfg" ? "random" : guidance.maskShape',
    replace: '"random" as const',
    tests: ["captioner/sampling.test.ts # blocks"],
  },
  {
    name: "sweep: unguided sampling gets three times the steps",
    file: `${folder}/points.ts`,
    find: "of(curve, 2 * base.steps)",
    replace: "of(curve, 3 * base.steps)",
    tests: [`${grid} # points`],
  },
  {
    name: "sweep: mcs-printed has its full model at 1",
    file: `${folder}/points.ts`,
    find: "fullWeight({ method, scale: value }) === 1",
    replace: "value === 1",
    tests: [`${grid} # points`],
  },
  {
    name: "sweep: a view has all splits",
    file: `${folder}/split-view.ts`,
    find: "const known = splits.filter((name) => dataset.splits[name] !== undefined);",
    replace: "const known = Object.keys(dataset.splits);",
    tests: ["evaluation/sweep/split-view.test.ts"],
  },
  {
    name: "sweep: settings are chosen on whatever data comes",
    file: `${folder}/sweep.ts`,
    find: "if (foreign !== undefined)",
    replace: "if (foreign === view.name)",
    tests: [`${run} # no choice`],
  },
  {
    name: "sweep: the command shows the choice all splits",
    file: "src/cli/sweep.ts",
    find: "splitView(dataset, selectionSplits)",
    replace: "dataset",
    tests: ["commands/sweep.test.ts # a sweep"],
  },
  {
    name: "sweep: the worst setting is chosen",
    file: `${folder}/choose.ts`,
    find: "value > before.value",
    replace: "value < before.value",
    tests: [`${run} # settings`],
  },
  {
    name: "sweep: a setting is chosen by the curve, not by the method",
    file: `${folder}/choose.ts`,
    find: "best.get(point.group)",
    replace: "best.get(point.curve as SweepGroup)",
    tests: [`${run} # settings`],
  },
  {
    name: "sweep: captions are kept without their seed",
    file: `${folder}/say.ts`,
    find: "JSON.stringify([weights, pictures.hash, key, seed, ...rest])",
    replace: "JSON.stringify([weights, pictures.hash, key, ...rest])",
    tests: [`${run} # settings`],
  },
  {
    name: "sweep: a resumed sweep makes everything again",
    file: `${folder}/say.ts`,
    find: "keptCaptions(store!, keys.captions, length);",
    replace: "keptCaptions(store!, pictures.hash, length);",
    tests: [`${run} # a killed`],
  },
  {
    name: "sweep: a cut line stays in front of the next one",
    file: `${folder}/line-store.ts`,
    find: "if (whole !== text)",
    replace: 'if (whole === "")',
    tests: ["evaluation/sweep/line-store.test.ts", `${run} # a killed`],
  },
  {
    name: "sweep: the scales of a table stand a row too low",
    file: `${folder}/tables.ts`,
    find: "points.map((point) => rowOf(result, point, [name, pointLabel(point)]))",
    replace: "points.map((point, i) => rowOf(result, point, [name, pointLabel(points[i - 1] ?? point)]))",
    tests: [`${tables} # the paper`],
  },
  {
    name: "sweep: the area counts points that others dominate",
    file: `${folder}/areas.ts`,
    find: "if (y <= height) continue;",
    replace: "",
    tests: [`${areas} # the dominated`],
  },
  {
    name: "sweep: a line that turns back counts by its last part",
    file: `${folder}/areas.ts`,
    find: "if (!(y <= highest)) highest = y;",
    replace: "highest = y;",
    tests: [`${areas} # y at x`],
  },
  {
    name: "sweep: the resamples of both curves do not pair",
    file: `${folder}/areas.ts`,
    find: "of(drawn(a, draw), drawn(b, draw))",
    replace: "of(drawn(a, draw), drawn(b, draws - 1 - draw))",
    tests: [`${areas} # curves`],
  },
  {
    name: "sweep: equal passes are equal steps",
    file: `${folder}/comparisons.ts`,
    find: "passes === 2 * steps",
    replace: "passes >= steps",
    tests: [`${figures} # at equal passes`],
  },
  {
    name: "sweep: the figure has its axes exchanged",
    file: "src/report/panels.ts",
    find: "const at = shown.map(({ x, y }) => [fixed(xAxis.at(x.mean)), fixed(yAxis.at(y.mean))] as const);",
    replace:
      "const at = shown.map(({ x, y }) => [fixed(yAxis.at(y.mean)), fixed(xAxis.at(x.mean))] as const);",
    tests: [`${figures} # at equal steps`],
  },
  {
    name: "sweep: points beyond the axes stretch them",
    file: "src/report/panels.ts",
    find: "const points = all.filter(inside);",
    replace: "const points = all.filter(drawable);",
    tests: ["report/panels.test.ts # a point far"],
  },
  {
    name: "sweep: differences of chosen settings have the wrong sign",
    file: `${folder}/test-tables.ts`,
    find: "difference(own, other)",
    replace: "difference(other, own)",
    tests: [`${tables} # chosen`],
  },
  {
    name: "sweep: each setting is judged by other noise",
    file: `${folder}/reference-free.ts`,
    find: "{ steps, seed: likelihoodSeed }",
    replace: "{ steps, seed: captions.join().length }",
    tests: ["evaluation/sweep/reference-free.test.ts # without CLIP"],
  },
  {
    name: "sweep: what is true is looked up for records, not pictures",
    file: `${folder}/pictures.ts`,
    find: "...{ dataset, split, records, images, codes },",
    replace: "...{ dataset, split, records, images: records, codes },",
    tests: [`${run} # settings are chosen`],
  },
  {
    name: "sweep over trainings: the interval is of a normal distribution",
    file: `${folder}/trainings.ts`,
    find: "tQuantile(0.975, n - 1)",
    replace: "1.96",
    tests: [`${trainings} # mean and interval`],
  },
  {
    name: "sweep over trainings: curves are compared at equal scale, not push",
    file: `${folder}/trainings.ts`,
    find: "[point.push, point.scores[metric]?.mean ?? Number.NaN]",
    replace: "[point.value, point.scores[metric]?.mean ?? Number.NaN]",
    tests: [`${trainings} # equal push`],
  },
  {
    name: "sweep over trainings: the seeds of the sampler count as trainings",
    file: `${folder}/trainings.ts`,
    find: "return records.map((record) => of(record));",
    replace: "return records.flatMap((record) => [of(record), of(record)]);",
    tests: [`${trainings} # mean and interval`],
  },
  {
    name: "sweep over trainings: the same weights count twice",
    file: `${folder}/trainings.ts`,
    find: "new Set(hashes).size < hashes.length",
    replace: "new Set(hashes).size > hashes.length",
    tests: [`${trainings} # trainings that`],
  },
  {
    name: "Student's t: the tail of one side",
    file: "src/metrics/student-t.ts",
    find: "return 1 - tCentral(Math.abs(t), degrees);",
    replace: "return (1 - tCentral(Math.abs(t), degrees)) / 2;",
    tests: ["metrics/student-t.test.ts"],
  },
];
