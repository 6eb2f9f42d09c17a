import t from "tap";
import type { CaptionRow } from "../../../dist/evaluation/scoring.js";
import { scoresOf } from "../../../dist/evaluation/scoring.js";
import { columnsOf } from "../../../dist/evaluation/table/columns.js";
import { joinRows } from "../../../dist/evaluation/table/join-rows.js";
import { modelNames } from "../../../dist/evaluation/table/model-names.js";
import {
  measureTable,
  type TableInput,
  type TableOptions,
  tableOf,
} from "../../../dist/evaluation/table/model-table.js";
import {
  escapeLatex,
  modelDifferences,
  modelLegend,
  modelTable,
  tableCsv,
  tableLatex,
} from "../../../dist/evaluation/table/table-text.js";
import { wordsTokenizer } from "../../../dist/metrics/caption-tokenizer.js";
import { ciderD } from "../../../dist/metrics/cider.js";
import { randomBelow } from "../../../dist/metrics/random.js";
import { holm } from "../../../dist/metrics/significance.js";

const words = ["red", "blue", "cat", "dog", "hat", "mat"];
const references = Array.from({ length: 40 }, (_, i) => [
  `a ${words[i % 2]} ${words[2 + (i % 4)]} here`,
  `the ${words[2 + (i % 4)]}`,
]);
/** The first reference, with every `every`th word replaced by a random one. */
const noisy = (seed: number, every: number) =>
  references.map(([text], i) =>
    text!
      .split(" ")
      .map((word, k) =>
        randomBelow(every, seed, i, k) === 0 ? words[randomBelow(6, seed, i, k + 9)]! : word,
      )
      .join(" "),
  );
const row = (name: string, method: CaptionRow["method"], ...said: string[][]): CaptionRow => ({
  ...{ name, method, said },
});
const first = row("first", "model", noisy(1, 3), noisy(2, 3));
const better = row("better", "model", noisy(3, 20), noisy(4, 20));
const same = row('same, as "first"', "model", ...first.said.map((list) => [...list]));
const nearest = row("nearest by pixels", "nearestPixels", noisy(5, 2));

const input = (rows: readonly CaptionRow[], names: Parameters<typeof columnsOf>[0]): TableInput => ({
  split: "test|1",
  ids: references.map((_, i) => `picture-${i}`),
  pictures: { images: references.map((_, i) => i), references, corpus: references },
  rows,
  columns: columnsOf(names, { tokenizer: wordsTokenizer, training: [] }),
});
const scored = async (inputs: readonly TableInput[], options: TableOptions) =>
  tableOf(inputs, await measureTable(inputs), options);
const rows = [first, better, same, nearest];
const names = ["bleu4", "ciderD", "exact", "distinct1", "length"] as const;
const options = { seeds: [7, 8], draws: 2000 };

t.test("scores and differences are those of the evaluation of one model", async (t) => {
  const table = await scored([input(rows, ["bleu4", "ciderD", "exact"])], options);
  const { methods, differences } = scoresOf(rows, references, references, 2000);
  const [split] = table.splits;
  for (const [i, { name, method, scores }] of split!.rows.entries()) {
    t.same([name, method], [methods[i]!.name, methods[i]!.method]);
    for (const metric of ["bleu4", "ciderD", "exact"] as const)
      t.same(scores[metric], methods[i]!.scores[metric], `${name}: ${metric}`);
  }
  const gain = split!.differences[0]!;
  const known = differences.find(({ of, minus }) => of === "better" && minus === "first")!;
  t.same([gain.of, gain.minus], ["better", "first"], "each row minus the first");
  const { p, adjusted, ...score } = gain.scores.ciderD!;
  t.same(score, known.scores.ciderD, "over the same resamples");
  t.ok(score.mean > 0 && score.low > 0 && p < 0.01 && adjusted >= p, `${score.mean}, p ${p}, ${adjusted}`);
});

t.test("the same captions differ in no resample; p-values are adjusted over rows and metrics", async (t) => {
  const table = await scored([input(rows, [...names])], options);
  const [split] = table.splits;
  const equal = split!.differences[1]!;
  for (const name of ["bleu4", "ciderD", "exact", "length"])
    t.match(equal.scores[name], { mean: 0, low: 0, high: 0, p: 1, adjusted: 1 }, name);
  const tested = split!.differences.flatMap(({ scores }) => Object.values(scores));
  t.same(
    tested.map(({ adjusted }) => adjusted),
    holm(tested.map(({ p }) => p)),
  );
  t.equal(split!.family, 3 * 4, "distinct-1 is no test");
  const distinct = split!.rows[0]!.scores.distinct1!;
  t.ok(distinct.mean > 0 && Number.isNaN(distinct.low), "but has a mean");
  const gain = split!.differences[2]!.scores.distinct1!;
  const own = split!.rows[3]!.scores.distinct1!;
  t.ok(Math.abs(gain.mean - (own.mean - distinct.mean)) < 1e-12 && Number.isNaN(gain.p));
  t.equal(gain.seeds.length, 2, "a row without seeds stands beside each");
  const { each } = split!;
  const exact = references.map(
    (list, i) => better.said.filter((captions) => list.includes(captions[i]!)).length / 2,
  );
  t.same([...each[1]!.exact!], exact, "the score of each picture, the mean over the seeds");
  t.same([...new Set(exact)].sort(), [0, 0.5, 1]);
});

t.test("as many resamples as the family needs", async (t) => {
  const done: number[] = [];
  const table = await scored([input(rows, [...names])], {
    seeds: [1, 2],
    onDraws: (count, total) => done.push(count / total),
  });
  t.equal(table.draws, 200 * 12);
  t.equal(done.at(-1), 1);
  const alone = await scored([input([first], [...names])], { seeds: [1, 2], draws: 50 });
  t.equal(modelDifferences(alone), null, "one row has no differences");
  t.same(alone.splits[0]!.family, 0);
  t.notMatch(modelLegend(alone), /Holm/);
});

t.test("Markdown, CSV and LaTeX hold the same table", async (t) => {
  const table = await scored([input(rows, [...names])], options);
  const lines = modelTable(table).split("\n");
  t.equal(lines.length, 2 + 4);
  t.match(
    lines[0],
    "| split | pictures | captions by | BLEU-4 | CIDEr-D | exact | distinct-1 | mean length |",
  );
  t.match(
    lines[3],
    /^\| test\\\|1 \| 40 \| better \| 0\.\d{3} \[0\.\d{3}, \d\.\d{3}\] ± 0\.\d{3} \| \d\.\d{3} \[/,
  );
  const differences = modelDifferences(table)!.split("\n");
  t.match(differences[2], /better − first \| \+0\.\d+ \[\+.*\] ± 0\.\d+, p 0\.0\d+\* \|/);
  t.match(differences[3], /same, as "first" − first \| \+0\.000 \[\+0\.000, \+0\.000\] ± 0\.000, p 1 \|/);
  t.match(
    modelLegend(table),
    /over 2 sampling seeds .*Holm-adjusted over the 12 differences.*No interval: distinct-1/,
  );
  t.notMatch(modelLegend(table), /Careful/);

  const csv = tableCsv(table).trimEnd().split("\r\n");
  t.equal(csv.length, 1 + 4 * 5, "a line for each row and metric");
  const head = csv[0]!.split(",");
  t.same(head.slice(-2), ["seed_7", "seed_8"]);
  const line = Object.fromEntries(csv[2 + 5]!.split(",").map((value, i) => [head[i], value]));
  const { mean, low, high, deviation, seeds } = table.splits[0]!.rows[1]!.scores.ciderD!;
  const gain = table.splits[0]!.differences[0]!.scores.ciderD!;
  t.same(line, {
    ...{ split: "test|1", pictures: "40", row: "better", method: "model", metric: "ciderD" },
    ...{ mean: `${mean}`, low: `${low}`, high: `${high}`, deviation: `${deviation}` },
    ...{ difference: `${gain.mean}`, difference_low: `${gain.low}`, difference_high: `${gain.high}` },
    ...{ p: `${gain.p}`, p_holm: `${gain.adjusted}`, seed_7: `${seeds[0]}`, seed_8: `${seeds[1]}` },
  });
  t.match(
    csv[1],
    /^test\|1,40,first,model,bleu4,[\d.]+,[\d.]+,[\d.]+,[\d.]+,,,,,,[\d.]+,[\d.]+$/,
    "no difference",
  );
  t.match(csv[1 + 10], /^test\|1,40,"same, as ""first""",model,/, "quoted");
  t.match(
    csv.at(-2),
    /^test\|1,40,nearest by pixels,nearestPixels,distinct1,[\d.]+,,,,/,
    "no interval: empty",
  );

  const latex = tableLatex(table);
  t.match(latex, "\\toprule\n & BLEU-4 & CIDEr-D & exact (\\%) & distinct-1 & mean length \\\\\n\\midrule");
  t.match(
    latex,
    /^better & \\textbf\{0\.\d{3}\}\$\^\{\*\}\$ \{\\scriptsize \[0\.\d+, \d\.\d+\]\} & \\textbf\{/m,
  );
  t.notMatch(latex, /^first & \\textbf/m, "the best of a column in bold");
  t.equal(latex.split(/(?<=^(?:first|better|same|nearest).*)&/m).length - 1, 4 * 5, "five columns a line");
  t.notMatch(latex, /mean length.*\\textbf\{[\d.]+\}[^&]*\\\\$/m, "a length is not better or worse");
});

t.test(
  "some pictures of a split: document frequencies are those of all, and few are said to be few",
  async (t) => {
    const count = 9;
    const part = {
      images: Array.from({ length: count }, (_, i) => i),
      references: references.slice(0, count),
      corpus: references,
    };
    const said = better.said[0]!.slice(0, count);
    const few = { ...input([row("few", "model", said)], ["bleu4", "ciderD"]), pictures: part };
    const table = await scored([few], { seeds: [1], draws: 20 });
    t.match(modelLegend(table), /Careful: with 9 pictures \(test\|1\) intervals are too narrow/);
    const [split] = table.splits;
    t.same([split!.pictures, split!.of], [9, 40]);
    const { score } = ciderD(said, part.references, references);
    t.ok(Math.abs(split!.rows[0]!.scores.ciderD!.mean - score) < 1e-12);
    t.not(score, ciderD(said, part.references).score);
  },
);

t.test("names for LaTeX", async (t) => {
  t.equal(
    escapeLatex("a_b & 50% #1 {x} $y ~z^2 \\n −"),
    "a\\_b \\& 50\\% \\#1 \\{x\\} \\$y \\textasciitilde{}z\\textasciicircum{}2 \\textbackslash{}n $-$",
  );
});

t.test("models are named by their run", async (t) => {
  t.same(modelNames(["runs/mine/weights", "weights/emoji", "/x/other/"]), ["mine", "emoji", "other"]);
  t.same(
    modelNames(["a/seed1/weights", "b/seed1/weights", "c"]),
    ["a/seed1", "b/seed1", "c"],
    "with what tells them apart",
  );
  t.same(modelNames(["emoji", "./weights/emoji"]), ["emoji", "weights/emoji"]);
  t.same(modelNames(["x/weights", "x"]), ["x/weights", "x"], "else as they were given");
});

t.test("rows of several models keep their captions and their places", async (t) => {
  const captioned = (model: string, settings: readonly string[], baselines: boolean) => ({
    name: model,
    splits: ["one", "two"].map((split) => ({
      split,
      records: [4, 5],
      rows: [
        ...settings.map((setting) => row(setting, "model", [`${model} ${setting} ${split}`, "x"])),
        ...(baselines
          ? [
              row(`${settings[0]}, other picture`, "shuffled", [`${model} shuffled`, "x"]),
              row("nearest by codes", "nearestCodes", [`${model} nearest`, "x"]),
            ]
          : []),
      ],
    })),
  });
  const shown = (joined: ReturnType<typeof joinRows>) =>
    joined.map(({ rows }) => rows.map(({ name, said }) => `${name}: ${said[0]![0]}`));
  t.same(
    shown(joinRows([captioned("A", ["model"], true), captioned("B", ["model"], false)], false)),
    ["one", "two"].map((split) => [
      `A: A model ${split}`,
      `B: B model ${split}`,
      "A, other picture: A shuffled",
      "nearest by codes: A nearest",
    ]),
  );
  t.same(
    shown(
      joinRows([captioned("A", ["none", "cfg:2"], true), captioned("B", ["none", "cfg:2"], true)], true),
    )[1],
    [
      ...["A none: A none two", "A cfg:2: A cfg:2 two", "B none: B none two", "B cfg:2: B cfg:2 two"],
      ...["A none, other picture: A shuffled", "nearest by codes: A nearest"],
    ],
    "models × settings, baselines of the first alone",
  );
  t.same(
    shown(joinRows([captioned("A", ["none", "cfg:2"], false)], true))[0],
    ["none: A none one", "cfg:2: A cfg:2 one"],
    "one model's settings need no name",
  );
});
