import t from "tap";
import { comparisonsOf, pointsUnder } from "../../../dist/evaluation/sweep/comparisons.js";
import { latexText, tableLatex } from "../../../dist/evaluation/sweep/latex.js";
import {
  columnsOf,
  comparisonsMarkdown,
  scaleTables,
  scoresCsv,
  tableMarkdown,
} from "../../../dist/evaluation/sweep/tables.js";
import { choiceDifferences, choiceTable } from "../../../dist/evaluation/sweep/test-tables.js";
import { free, madeUp, metrics } from "./result.js";

const result = madeUp();
const columns = columnsOf(result, metrics, free);

t.test("the paper's two tables: each ω with its own scores", async (t) => {
  const [cfg, mcs, none, ...rest] = scaleTables(result);
  t.same(
    [cfg!.title, mcs!.title, none!.title, rest.length],
    [
      "Classifier-free guidance over ω, 12 validation pictures",
      "Masked condition strategy over ω, 12 validation pictures",
      "No guidance, 12 validation pictures",
      0,
    ],
  );
  const rows = tableMarkdown(cfg!, columns).split("\n");
  t.match(rows[2], /^\| curve \| value \| BLEU-1 \|.*\| own bound \| push, nats \| passes \|$/);
  t.notMatch(rows[2], /tone/, "no column without a number");
  t.match(
    rows[4],
    /^\| cfg \| ω 1 \| 0\.050 \[0\.041, 0\.0\d+\] \|.*\| 0\.025 \| 4 \|$/,
    "the full model: one branch",
  );
  t.match(rows[5], /^\| cfg \| ω 2 \| 0\.200 \[.*\| 2\.00 \[1\.81, 2\.19\] \| 0\.100 \| 8 \|$/);
  t.match(rows[6], /^\| cfg \| ω 3 \| 0\.300 \[.*\| 3\.00 \[.*\| 0\.150 \| 8 \|$/);
  t.match(tableMarkdown(mcs!, columns), /^\| mcs, 0\.5 masked \| ω 3 \| 0\.600 \[/m);
  t.equal(none!.rows.length, 6, "along the temperature and top-r, with steps as guided and twice as many");
});

t.test("CSV has a line for each setting and score", async (t) => {
  const lines = scoresCsv([result], columns).trimEnd().split("\n");
  t.equal(lines[0], "split,pictures,seeds,curve,method,along,value,steps,passes,push,metric,mean,low,high");
  t.equal(lines.length, 1 + result.points.length * columns.length);
  const line = lines.find(
    (text) => text.includes(',"mcs, 0.5 masked",mcs,scale,2,') && text.includes(",ciderD,"),
  );
  t.match(line, /^validation,12,2,"mcs, 0\.5 masked",mcs,scale,2,4,8,0\.25,ciderD,0\.5,0\.49/);
});

t.test("LaTeX escapes and marks the best", async (t) => {
  const text = tableLatex(scaleTables(result)[0]!, columns);
  t.match(text, /\\begin\{tabular\}\{llr+\}\n\\toprule/);
  t.match(
    text,
    /^cfg & \$\\omega\$ 3 & \\textbf\{0\.300\} \{\\scriptsize \[0\.29\d, 0\.3\d+\]\} & .* & 0\.150 & 8 \\\\$/m,
  );
  t.equal(text.match(/\\textbf/g)!.length, 7, "one of each column: BLEU, ROUGE-L, CIDEr-D, the bound");
  t.equal(
    latexText("a_b & 5 % \\x^{2}~"),
    "a\\_b \\& 5 \\% \\textbackslash{}x\\textasciicircum{}\\{2\\}\\textasciitilde{}",
  );
});

t.test("curves are compared by area and gap, with Holm over the pairs of a metric", async (t) => {
  const compared = comparisonsOf(result, pointsUnder("equal steps", result.points), ["ciderD", "bleu4"]);
  t.same(
    compared.map(({ metric, of, minus }) => `${metric}: ${of} − ${minus}`),
    ["ciderD", "bleu4"].flatMap((metric) => [
      `${metric}: mcs, 0.5 masked − cfg`,
      `${metric}: cfg − none, temperature`,
      `${metric}: mcs, 0.5 masked − none, temperature`,
    ]),
  );
  const [masked] = compared;
  // The last points dominate the others: (.6, 6) of mcs, (.3, 3) of cfg; the corner is (.05, .5).
  t.ok(Math.abs(masked!.area.mean - (0.55 * 5.5 - 0.25 * 2.5)) < 1e-9, "the difference of areas");
  t.equal(masked!.p, 2 / 102, "on one side in all resamples");
  t.ok(Math.abs(masked!.holm - 6 / 102) < 1e-12, "of three");
  t.match(
    comparisonsMarkdown(compared, columns).split("\n")[2],
    /^\| CIDEr-D \| mcs, 0\.5 masked \| cfg \| \+2\.\d+ \[.*\] \| .* \| 0\.020 \| 0\.059 \|$/,
  );
});

t.test("chosen settings on test splits, and their differences", async (t) => {
  const point = (key: string) => result.points.find((point) => point.key.startsWith(key))!;
  const choices = [
    { group: "cfg", point: point("cfg ω=2") },
    { group: "mcs", point: point("mcs ω=3") },
    { group: "none ×2", point: point("none τ=0.5 r=0.9 N=8") },
  ] as const;
  const tests = [madeUp("tone"), madeUp("render")];
  const table = tableMarkdown(choiceTable(tests[0]!, choices), columns).split("\n");
  t.equal(table[0], "**Settings chosen on validation, 12 tone pictures**");
  t.match(table[5], /^\| mcs \| mcs, 0\.5 masked \| ω 3 \| 0\.600/);
  const differences = choiceDifferences(tests, choices, columns);
  const ciderD = differences.filter(({ metric }) => metric === "ciderD");
  t.same(
    ciderD.map(({ split, of, minus, score }) => [split, of, minus, Number(score.mean.toFixed(6))]),
    ["tone", "render"].flatMap((split) => [
      [split, "mcs", "cfg", 0.4],
      [split, "cfg", "none ×2", 0.125],
      [split, "mcs", "none ×2", 0.525],
    ]),
  );
  t.ok(
    ciderD.every(({ p, holm }) => p === 2 / 102 && Math.abs(holm - 12 / 102) < 1e-12),
    "six differences by a metric",
  );
  const same = [choices[0], { group: "mcs", point: choices[0].point }] as const;
  t.same(choiceDifferences(tests, same, columns), [], "a setting is not compared with itself");
});
