/** The table of runtimes, and what counts as passed. */

import t from "tap";
import { outcomeOf } from "./outcome.js";
import { withParts, withRun } from "./table.js";

const run = {
  runtime: "Deno 2.9.6",
  implementation: "wgpu",
  adapter: "llvmpipe",
  what: "all",
  tests: new Map(),
};
const totals = { passed: 12, failed: 1, skipped: 3 };

t.test("a run replaces the earlier one of its program and size", async (t) => {
  const first = withRun([], { ...run, totals });
  t.same(first, [["Deno 2.9.6", "wgpu", "llvmpipe", "all", "12", "1", "3"]]);
  const other = withRun(first, { ...run, runtime: "Bun 1.4.5", implementation: "Dawn", totals });
  t.same(
    other.map(([name]) => name),
    ["Bun 1.4.5", "Deno 2.9.6"],
    "by name",
  );
  const short = withRun(other, { ...run, what: "short form", totals });
  t.equal(short.length, 3, "another size has its own line");
  const again = withRun(short, { ...run, runtime: "Deno 3.0.0", totals: { ...totals, failed: 0 } });
  t.same(
    again.filter(([name = ""]) => name.startsWith("Deno")).map((row) => row.join()),
    ["Deno 3.0.0,wgpu,llvmpipe,all,12,0,3", "Deno 2.9.6,wgpu,llvmpipe,short form,12,1,3"],
    "another version does not",
  );
});

t.test("the tests of a run by part", async (t) => {
  const tests = new Map([
    ["engine/ops/softmax.test.js", 5],
    ["engine/optim/adamw.test.js", 4],
    ["engine/gpu/gpu.test.js", 3],
    ["programs/programs.test.js", 2],
    ["models/lstm/lstm.test.js", 6],
    ["training/step.test.js", 7],
    ["captioner/sampling.test.js", 8],
    ["runtimes/caption.js", 1],
  ]);
  const first = withParts([], { runtime: "Firefox 153", tests });
  t.same(first, [["Firefox 153", "9", "2", "3", "6", "7", "9"]]);
  const both = withParts(first, { runtime: "Deno 2.9", tests: new Map() });
  t.same(
    both.map(([name]) => name),
    ["Deno 2.9", "Firefox 153"],
  );
  t.same(withParts(both, { runtime: "Deno 3.0", tests })[0], ["Deno 3.0", "9", "2", "3", "6", "7", "9"]);
});

t.test("a test fails by an assertion or by a complaint, and is skipped if it asserts nothing", async (t) => {
  const fine = { ok: true, message: "fine" };
  const result = { name: "x", findings: [fine, { comment: "on llvmpipe" }], problems: [] };
  t.equal(outcomeOf(result), "passed");
  t.equal(outcomeOf({ ...result, findings: [fine, { ok: false, message: "not" }] }), "failed");
  t.equal(outcomeOf({ ...result, problems: ["console error: lost"] }), "failed");
  t.equal(outcomeOf({ ...result, findings: [{ comment: "no float16 here" }] }), "skipped");
  t.equal(outcomeOf({ ...result, findings: [], problems: ["crashed"] }), "failed");
});
