/** The table of runtimes, and what counts as passed. */

import t from "tap";
import { outcomeOf } from "./outcome.js";
import { withRun } from "./table.js";

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

t.test("the tests of a whole run by part", async (t) => {
  const tests = new Map([
    ["engine/ops/softmax.test.js", 5],
    ["engine/optim/adamw.test.js", 4],
    ["engine/gpu/gpu.test.js", 3],
    ["models/lstm/lstm.test.js", 6],
    ["captioner/sampling.test.js", 8],
    ["runtimes/caption.js", 1],
  ]);
  const first = withRun([], { ...run, tests, totals });
  t.equal(
    first[0]![3],
    "all: ops and gradients 9, device 3, diffusion and networks 6, captions and scores 9",
  );
  t.equal(withRun(first, { ...run, totals }).length, 1, "whatever it had before, it is one line");
  const short = withRun(first, { ...run, tests, what: "short form", totals });
  t.same(
    short.map((row) => row[3]!.split(":")[0]),
    ["all", "short form"],
    "the short form has no parts",
  );
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
