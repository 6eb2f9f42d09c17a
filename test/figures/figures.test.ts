import t from "tap";
import type { Evaluation } from "../../dist/evaluation/scoring.js";
import { bootstrap, scoreOf } from "../../dist/metrics/bootstrap.js";
import { METRIC_NAMES, METRICS } from "../../dist/metrics/scores.js";
import { readDocuments } from "./documents.js";
import { type FigureFile, numbersOf, parseEvaluation, problemsOf, withFigures } from "./figures.js";

t.test("the documents say what was measured", async (t) => {
  const { files, evaluations } = await readDocuments();
  t.same(
    files.map(({ file }) => file.document).sort(),
    [
      "README.md",
      "docs/alignment.md",
      "docs/browsers.md",
      "docs/library.md",
      "docs/limits.md",
      "docs/mcs.md",
      "docs/results.md",
      "docs/scaling.md",
      "kernels-bench/README.md",
      "kernels-bench/peers/README.md",
      "weights/emoji/README.md",
      "weights/scenes/README.md",
    ],
    "every document with figures has its file",
  );
  for (const { file, text } of files)
    t.same(
      problemsOf(text, file, evaluations),
      [],
      `${file.document} (npm run figures puts right what can be)`,
    );
  const known = JSON.stringify(files.map(({ file }) => file.figures));
  t.same(
    [...evaluations.keys()].filter((name) => !known.includes(`"${name}"`)),
    [],
    "no evaluation lies there that no document shows",
  );
});

const how = { command: "node x.js", date: "2026-01-31", adapter: "lavapipe", machine: "2 cores" };
const file: FigureFile = {
  document: "x.md",
  figures: {
    time: {
      ...how,
      values: [
        { value: 166, unit: "s", duration: true },
        { value: 35, unit: "%", digits: 1 },
      ],
    },
    small: {
      ...how,
      values: [
        { value: 3.1e-4, unit: "" },
        { value: 22605, unit: "" },
      ],
    },
    table: { ...how, table: { columns: ["case", "ms"], rows: [["a", "7.80"]] } },
  },
  notMeasured: ["Node 20"],
};
const document = `# On Node 20
It takes <!-- figures: time -->2 min 46 s, 35.0 % of all<!-- end -->.
\`--steps 9\` gives <!-- figures: small -->3.1e-4 over 22 605<!-- end --> in float32.

<!-- figures: table -->
| case | ms |
| --- | --- |
| a | 7.80 |
<!-- end -->

\`\`\`sh
node x.js --seeds 5
\`\`\`
`;
const none = new Map<string, Evaluation>();

t.test("what a document may say", async (t) => {
  t.same(problemsOf(document, file, none), []);
  t.equal(withFigures(document, file, none), document);
  const stale = document.replace("46 s", "9 s").replace("7.80", "6.00");
  t.equal(problemsOf(stale, file, none).length, 2, "a number and a table that differ");
  t.equal(withFigures(stale, file, none), document, "written anew");
  for (const [wrong, problem] of [
    [document.replace("It takes", "It takes 3 s, often"), /3 neither marked nor listed/],
    [document.replace("2 min 46 s, 35.0 %", "35.0 %"), /"time" has 1 numbers in the document and 2 values/],
    [document.replace("figures: small", "figures: smaller"), /there is no figure "smaller"/],
    [document.replace("<!-- figures: small -->", ""), /does not show: small/],
    [document.replace("figures: small", "figures: time"), /"time" is marked twice/],
    [document.replace("Node 20", "Node"), /"Node 20" is listed and not in the document/],
    [document.replace("It takes ", ""), /a mark at the beginning of a line of prose/],
    [`${document}and <!-- end -->`, /a mark without its counterpart/],
  ] as const)
    t.match(problemsOf(wrong, file, none).join("\n"), problem);
  const nowhere: FigureFile = {
    ...file,
    figures: { ...file.figures, time: { ...file.figures.time!, command: "", date: "May" } },
  };
  t.same(
    problemsOf(document, nowhere, none),
    ["time lacks its command", "time has no date"],
    "where from, and when",
  );
});

t.test("numbers in prose", async (t) => {
  const text = "3 of 12 703 in float32, 1e-5, x_0, 4×8, 512³, 12 min 3 s, 1.5x, 0.66; 60 kB 2026 v2";
  t.same(numbersOf(text), [
    "3",
    "12 703",
    "1e-5",
    "4",
    "8",
    "512",
    "12 min 3 s",
    "1.5",
    "0.66",
    "60",
    "2026",
  ]);
});

t.test("tables and sentences of an evaluation", async (t) => {
  const each = Float64Array.of(1, 0, 1, 1);
  const rows = Float64Array.from({ length: 8 }, (_, i) => (i % 2 === 0 ? each[i / 2]! : 1));
  const score = scoreOf(bootstrap([{ statistic: METRICS.exact, seeds: [rows, rows] }], 4, { draws: 50 })[0]!);
  const nothing = { mean: Number.NaN, low: Number.NaN, high: Number.NaN, seeds: [], deviation: Number.NaN };
  const scores = Object.fromEntries(
    METRIC_NAMES.map((name) => [name, name === "tone" ? nothing : score]),
  ) as Evaluation["splits"][number]["methods"][number]["scores"];
  const evaluation: Evaluation = {
    seeds: [1, 2],
    draws: 50,
    level: 0.95,
    splits: [
      {
        split: "tone",
        pictures: 4,
        of: 4,
        methods: [{ method: "model", name: "model", scores }],
        differences: [{ of: "model", minus: "nearest by codes", scores }],
        captions: [],
      },
    ],
  };
  const evaluations = new Map([["scores.json", parseEvaluation(JSON.stringify(evaluation))]]);
  const shown: FigureFile = {
    document: "card.md",
    figures: {
      scores: { ...how, table: { evaluation: "scores.json", table: "scores" } },
      sentence: {
        ...how,
        values: [
          { evaluation: "scores.json", of: ["tone", "model", "exact", "mean"] },
          { evaluation: "scores.json", of: ["tone", "model − nearest by codes", "bleu4", "mean"], digits: 1 },
        ],
      },
    },
    notMeasured: [],
  };
  const card =
    "<!-- figures: scores -->\n<!-- end -->\n\nIt is <!-- figures: sentence -->0 %, 0<!-- end --> more";
  const right = withFigures(card, shown, evaluations);
  t.match(right, "| tone | 4 | model | 0.750 [");
  t.match(right, / \| – \| 75\.0 % \[\d/, "null is read as no score");
  t.match(right, "<!-- figures: sentence -->75.0 %, 0.8<!-- end --> more");
  t.same(problemsOf(right, shown, evaluations), []);
  t.throws(() => withFigures(card, shown, none), /there is no evaluation scores\.json/);
});
