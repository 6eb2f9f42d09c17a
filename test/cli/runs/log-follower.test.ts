/** Logs that grow, are cut, damaged, replaced. */

import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { LogFollower } from "../../../dist/cli/runs/log-follower.js";
import { appendLog, logLine } from "./run-folders.js";

const root = mkdtempSync(join(tmpdir(), "follower-"));
t.teardown(() => rmSync(root, { recursive: true }));
const folder = root;
const path = join(root, "log.jsonl");
const all = { axis: "step", points: 4000, share: 0 } as const;
const steps = async (log: LogFollower) =>
  (await log.columns()).curves(all).map(({ quantities }) => quantities[0]!.x);

t.beforeEach(() => writeFileSync(path, ""));

t.test("only what is new is read, and a line that is being written waits", async (t) => {
  const log = new LogFollower(path);
  writeFileSync(path, logLine("decoder", 1) + logLine("decoder", 2));
  t.equal(await log.update(), true);
  t.equal(log.lines, 2);
  const { offset } = log;
  t.equal(await log.update(), false, "nothing new");
  const line = logLine("decoder", 3, { metrics: { ciderD: 0.5 } });
  appendLog(folder, line.slice(0, 40));
  t.equal(await log.update(), false, "half a line");
  t.equal(log.offset, offset);
  appendLog(folder, line.slice(40) + logLine("decoder", 4));
  t.equal(await log.update(), true);
  t.same(await steps(log), [[1, 2, 3, 4]]);
  t.same([log.lines, log.damaged, log.problem], [4, 0, null], "half a line is no error");
  t.match(log.stages.get("decoder"), { last: { step: 4 }, seconds: 4, metrics: { ciderD: 0.5 } });
  t.equal(log.offset, Buffer.byteLength(logLine("decoder", 1)) * 3 + Buffer.byteLength(line));
});

t.test("what was read is not read again", async (t) => {
  const log = new LogFollower(path);
  writeFileSync(path, logLine("decoder", 1));
  await log.update();
  // In the same file and of the same length: only who reads it again sees it.
  writeFileSync(path, logLine("decoder", 9) + logLine("decoder", 2));
  await log.update();
  t.same(await steps(log), [[1, 2]]);
});

t.test("damaged lines are counted and named by their numbers", async (t) => {
  const log = new LogFollower(path);
  const bad = ["\n", "{}\n", `${"\0".repeat(30)}\n`, "[1]\n", logLine("decoder", 7, { losses: 3 }), "{\n"];
  writeFileSync(path, logLine("decoder", 1) + bad.join(logLine("decoder", 2)) + logLine("decoder", 3));
  await log.update();
  t.equal(
    log.problem,
    "log.jsonl: 6 of 13 lines are no log entries and are left out: line 2, 4, 6, 8, 10 and 1 more",
  );
  t.same((await steps(log))[0]!.slice(0, 2), [1, 2], "the others are there");
  t.equal(log.stages.get("decoder")!.seconds, 7);
});

t.test("letters of several bytes at the edge of a part, and lines longer than one", async (t) => {
  const log = new LogFollower(path);
  const stage = "dé中😀coder";
  const lines = Array.from({ length: 3000 }, (_, i) =>
    logLine(stage, i + 1, { more: "é中😀".repeat(i % 17) }),
  );
  writeFileSync(path, [...lines.slice(0, 1500), `${"x".repeat(700_000)}\n`, ...lines.slice(1500)].join(""));
  await log.update();
  t.same([log.lines, log.damaged, log.damagedLines], [3001, 1, [1501]]);
  t.same([...log.stages.keys()], [stage]);
  t.same((await steps(log))[0]!.length, 3000);
});

t.test("a log that a resume has shortened is read from the start", async (t) => {
  const log = new LogFollower(path);
  writeFileSync(path, [1, 2, 3, 4].map((step) => logLine("decoder", step)).join(""));
  await log.update();
  const shortened = join(root, "shortened");
  writeFileSync(shortened, [1, 2, 31, 41, 51].map((step) => logLine("decoder", step)).join(""));
  renameSync(shortened, path);
  t.equal(await log.update(), true);
  t.same(await steps(log), [[1, 2, 31, 41, 51]], "longer than before, and another file");
  writeFileSync(path, logLine("vqvae", 1));
  await log.update();
  t.same([log.lines, [...log.stages.keys()]], [1, ["vqvae"]], "shorter, the same file");
});

t.test("columns that were freed are read again, whole", async (t) => {
  const log = new LogFollower(path);
  writeFileSync(path, logLine("decoder", 1) + logLine("decoder", 2));
  await log.update();
  t.ok(log.bytes > 0);
  log.dropColumns();
  t.equal(log.bytes, 0);
  appendLog(folder, logLine("decoder", 3));
  await log.update();
  t.same([log.lines, log.bytes], [3, 0], "the summary goes on without them");
  t.same(await steps(log), [[1, 2, 3]]);
  t.equal(log.lines, 3);
});

t.test("no log yet, and a log that goes", async (t) => {
  const log = new LogFollower(path);
  rmSync(path);
  t.equal(await log.update(), false);
  writeFileSync(path, logLine("decoder", 1));
  t.equal(await log.update(), true);
  rmSync(path);
  t.equal(await log.update(), true);
  t.same([log.lines, log.stages.size], [0, 0]);
  const folderOnly = new LogFollower(root);
  await t.rejects(folderOnly.update(), { message: /^Cannot read .*: it is a folder/ });
});
