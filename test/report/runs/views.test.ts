/** What the page of runs makes of listings: filters, links, differences, the choice of runs. */

import t from "tap";
import { nearest } from "../../../dist/report/runs/chart-pointer.js";
import { filterProblem, matches } from "../../../dist/report/runs/filter.js";
import { sampleAt } from "../../../dist/report/runs/samples-tab.js";
import { Session, styleOf } from "../../../dist/report/runs/session.js";
import { compareSettings } from "../../../dist/report/runs/settings.js";
import { DEFAULT_VIEW, type View, viewOfHash, viewToHash } from "../../../dist/report/runs/view.js";
import { listing } from "./runs-listing.js";

const stage = { stage: "decoder", step: 10, steps: 100, seconds: 3, unit: "tokens", losses: {} } as const;
const wide = listing("wide/a b", {
  config: { seed: 2, model: "lstm", imageTokenizer: "vqvae", decoder: { dim: 256, schedule: "" } },
  stages: [{ ...stage, metrics: { ciderD: 0.5 } }],
  note: { text: "Best so far", version: "1" },
});
const narrow = listing("narrow");

t.test("a filter: words of names, notes, models and states; settings and measures", async (t) => {
  const cases: [string, boolean][] = [
    ["", true],
    ["wide", true],
    ["WIDE lstm", true],
    ["wide narrow", false],
    ["best", true],
    ["finished", true],
    ["running", false],
    ["decoder.dim=256", true],
    ["dim=256", true],
    ["dim=25", false],
    ["dim!=256", false],
    ["dim>128", true],
    ["dim>256", false],
    ["dim<300", true],
    ["model=lstm", true],
    ["ciderD>0.4 seed=2", true],
    ["ciderD>0.5", false],
    ["im=256", false],
    ["schedule<1", false],
    ["nothing=1", false],
  ];
  for (const [filter, expected] of cases) t.equal(matches(wide, filter), expected, filter);
  t.equal(matches(narrow, "ciderD<9"), false, "a run without the measure");
});

t.test("a key that no run has is named, with the nearest", async (t) => {
  t.equal(filterProblem([wide, narrow], "dim>1 lstm"), null);
  t.equal(filterProblem([wide, narrow], "ciderD>1"), null, "one run has it");
  t.match(
    filterProblem([wide], "decoder.dmi>1"),
    /No run has the setting or measure decoder.dmi \(did you mean decoder\.dim/,
  );
  t.equal(filterProblem([], "dmi>1"), null);
});

t.test("a link says the whole view, and only what differs from the default", async (t) => {
  t.equal(viewToHash(DEFAULT_VIEW), "");
  const view: View = {
    tab: "samples",
    runs: ["wide/a b", "x&run=y#z"],
    filter: "dim>128 ö",
    order: "model",
    stage: "decoder",
    x: "time",
    share: 0,
    from: 0,
    to: 2.5,
    all: true,
    step: 300,
    baselines: true,
  };
  t.same(viewOfHash(`#${viewToHash(view)}`), view);
  t.same(viewOfHash(viewToHash({ ...DEFAULT_VIEW, runs: [] })).runs, [], "none chosen is not: the last ones");
  for (const wrong of ["", "#tab=x&x=y&share=-1&from=a&order=&step=NaN", "#%zz", "#&&=&=="])
    t.same(viewOfHash(wrong), DEFAULT_VIEW, wrong);
});

t.test("settings side by side: what differs, what a run lacks, the data", async (t) => {
  const data = { pictures: { train: 8 }, fingerprint: "abc" };
  const rows = compareSettings([
    { config: { seed: 1, decoder: { dim: 2, only: true } }, data },
    { config: { seed: 1, decoder: { dim: 3 }, lstm: { width: [1] } }, data: { ...data, fingerprint: "abd" } },
  ]);
  t.same(rows, [
    { key: "seed", values: ["1", "1"], differs: false },
    { key: "decoder.dim", values: ["2", "3"], differs: true },
    { key: "decoder.only", values: ["true", null], differs: true },
    { key: "pictures: train", values: ["8", "8"], differs: false },
    { key: "fingerprint of the data", values: ["abc", "abd"], differs: true },
    { key: "lstm.width", values: [null, "[1]"], differs: true },
  ]);
});

t.test("the page's state: what changed is taken, what is gone goes", async (t) => {
  const session = new Session();
  const runs = Array.from({ length: 8 }, (_, i) => listing(`run-${i}`, { changed: i }));
  const ids = runs.map(({ id }) => id);
  t.ok(session.take({ folder: "f", revision: 8, ids, changed: runs }));
  t.notOk(session.take({ folder: "f", revision: 8, ids, changed: [] }), "nothing new");
  t.same(session.chosenIds, ["run-7", "run-6", "run-5", "run-4", "run-3"], "the five that changed last");
  session.view = { ...DEFAULT_VIEW, filter: "run-2" };
  t.same(session.chosenIds, ["run-2"], "of those that the filter leaves");
  session.view = { ...DEFAULT_VIEW, runs: ["run-3", "gone", "run-0"], order: "name" };
  t.same(
    session.chosen().map(({ run, style }) => [run.id, style]),
    [
      ["run-3", styleOf(0)],
      ["run-0", styleOf(2)],
    ],
    "a run keeps its colour though one before it is missing",
  );
  t.same(session.missingCurves(), ["run-3", "run-0"]);
  const address = session.curvesAddress("run-3");
  session.keepCurves(address, { id: "run-3", revision: 1, stages: [] });
  t.same(session.missingCurves(), ["run-0"]);
  session.view = { ...session.view, x: "time" };
  t.same(session.missingCurves(), ["run-3", "run-0"], "another view needs other points");
  session.view = { ...session.view, x: "step" };
  session.take({ folder: "f", revision: 9, ids: ids.slice(1), changed: [listing("run-3", { revision: 2 })] });
  t.same(session.missingCurves(), ["run-3"], "the log has grown; run-0 is gone");
  t.equal(new Set(Array.from({ length: 24 }, (_, i) => JSON.stringify(styleOf(i)))).size, 24, "24 looks");
});

t.test("the nearest point, and the sample as of a step", async (t) => {
  const x = [1, 2, 4, 8];
  t.same(
    [-5, 1.4, 1.6, 3.1, 6, 7, 99].map((at) => nearest(x, at)),
    [0, 0, 1, 2, 2, 3, 3],
  );
  t.same([nearest([], 1), nearest([3], 1)], [-1, 0]);
  const sample = (step: number | null) => ({ name: `${step}`, stage: "decoder", step, version: 0 });
  const samples = [sample(10), sample(20), sample(30)];
  t.same(
    [5, 10, 29, 99].map((step) => sampleAt(samples, step)?.step),
    [10, 10, 20, 30],
  );
  t.equal(sampleAt([], 5), undefined);
});
