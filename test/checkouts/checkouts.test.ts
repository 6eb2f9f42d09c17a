import t from "tap";
import { differences, type Outcome, timesTable, withoutTimes } from "./outcome.js";

t.test("a comparison of checkouts tells every difference, what is missing included", async (t) => {
  const old = new Map([
    ["weights", "a1"],
    ["caption", "a cat"],
    ["gone", "x"],
  ]);
  const now = new Map([
    ["weights", "a1"],
    ["caption", "a dog"],
    ["added", "y"],
  ]);
  t.same(differences(old, old), [], "equal to itself");
  t.same(
    differences(old, now),
    ["caption:\n  old a cat\n  new a dog", "gone:\n  old x\n  new missing", "added:\n  old missing\n  new y"],
    "one line each",
  );
});

t.test("a comparison of checkouts leaves out the clock, and nothing else of a log", async (t) => {
  const line = '{"stage":"vqvae","step":2,"losses":{"total":1.5},"ms":3.25,"perSecond":9,"waiting":0.01}';
  t.equal(withoutTimes(line), '{"stage":"vqvae","step":2,"losses":{"total":1.5}}', "losses stay");
});

t.test("the ratio of times is that of each round, not of the medians", async (t) => {
  const of = (ms: number): Outcome => ({ results: new Map(), times: new Map([["step", ms]]) });
  const rounds = [
    { old: of(10), now: of(20) },
    { old: of(100), now: of(100) },
    { old: of(30), now: of(15) },
  ];
  t.equal(timesTable(rounds).split("\n")[2], "| step | 30.0 | 20.0 | 1.00 | 0.50 to 2.00 |", "one row");
});
