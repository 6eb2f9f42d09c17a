import t from "tap";
import { type LogEntry, RunFolder } from "../../dist/io/run-folder.js";
import { nodePlatform } from "../../dist/platform/node.js";
import { MemoryFiles } from "./memory-files.js";

function entry(stage: string, step: number, total = 1): LogEntry {
  return {
    stage,
    step,
    losses: { total, kl: 0.5 },
    learningRate: 1e-4,
    gradNorm: 2,
    ms: 10,
    perSecond: 100,
    unit: "images",
    bytes: 1000,
  };
}

t.test("a run is made once and opened again with its configuration", async (t) => {
  const files = new MemoryFiles();
  const run = await RunFolder.create(files, "runs/a", { seed: 3, decoder: { dim: 8 } });
  t.equal(run.checkpointFolder("vqvae"), "runs/a/checkpoints/vqvae");
  t.same((await RunFolder.open(files, "runs/a")).config, { seed: 3, decoder: { dim: 8 } });
  await t.rejects(RunFolder.create(files, "runs/a", {}), {
    name: "UserError",
    message: /already holds a run.*--resume/,
  });
  await t.rejects(RunFolder.open(files, "runs/b"), { name: "UserError", message: /runs\/b holds no run/ });
  const written = JSON.parse(await files.readText("runs/a/config.json"));
  t.equal(written.format, "mc-diffusion-run-2", "the version of the format is written");
  await files.write("runs/a/config.json", JSON.stringify({ seed: 4 }));
  t.same((await RunFolder.open(files, "runs/a")).config, { seed: 4 }, "folders of before there was one open");
  await files.write("runs/a/config.json", JSON.stringify({ ...written, format: "mc-diffusion-run-9" }));
  await t.rejects(RunFolder.open(files, "runs/a"), {
    name: "UserError",
    message:
      /runs\/a\/config\.json has format "mc-diffusion-run-9", this version resumes "mc-diffusion-run-2"/,
  });
  await files.write("runs/a/config.json", "[1]");
  await t.rejects(RunFolder.open(files, "runs/a"), { message: /config\.json should hold a JSON object/ });
});

t.test("resuming drops the steps after the checkpoint, of that stage only", async (t) => {
  const files = new MemoryFiles();
  const run = await RunFolder.create(files, "r", {});
  await run.truncateLog("vqvae", 0);
  t.same(await run.readLog(), []);
  await run.appendLog([1, 2, 3].map((step) => entry("vqvae", step)));
  await run.appendLog([1, 2, 3, 4].map((step) => entry("decoder", step)));
  await files.append(run.logPath, '{"stage":"decoder","step":5,"los'); // a crash in the middle of a line

  t.equal((await run.readLog()).length, 7, "the cut line is left out");
  await run.truncateLog("vqvae", 3);
  await run.truncateLog("decoder", 2);
  await run.appendLog([entry("decoder", 3, 9)]);
  const log = await run.readLog();
  t.same(
    log.map(({ stage, step }) => `${stage} ${step}`),
    ["vqvae 1", "vqvae 2", "vqvae 3", "decoder 1", "decoder 2", "decoder 3"],
  );
  t.equal(log.at(-1)!.losses.total, 9);
  const lines = (await files.readText(run.logPath)).trimEnd().split("\n");
  t.equal(lines.length, 6);
  t.same(JSON.parse(lines[0]!), entry("vqvae", 1));
});

t.test("NaN comes back as NaN", async (t) => {
  const files = new MemoryFiles();
  const run = await RunFolder.create(files, "r", {});
  await run.appendLog([{ ...entry("vqvae", 1, Number.NaN), gradNorm: Number.POSITIVE_INFINITY }]);
  const [read] = await run.readLog();
  t.ok(Number.isNaN(read!.losses.total) && Number.isNaN(read!.gradNorm));
});

t.test("lines that are no entries do not hold up a resume: they are counted and dropped", async (t) => {
  const files = new MemoryFiles();
  const run = await RunFolder.create(files, "r", {});
  await run.appendLog([entry("vqvae", 1)]);
  const odd = [
    "",
    "garbage",
    "\0\0\0\0",
    "null",
    "[]",
    '{"stage":"vqvae"}',
    '{"stage":1,"step":2,"losses":{}}',
  ];
  await files.append(run.logPath, odd.map((line) => `${line}\n`).join(""));
  await run.appendLog([entry("vqvae", 2), entry("vqvae", 3)]);
  await files.append(run.logPath, '{"stage":"vqv');
  t.same(
    (await run.readLog()).map(({ step }) => step),
    [1, 2, 3],
  );
  const { last, damaged } = await run.truncateLog("vqvae", 2);
  t.same(last, entry("vqvae", 2));
  t.equal(damaged, odd.length, "a last line that a crash cut is no damage");
  t.same(await run.truncateLog("vqvae", 2), { last: entry("vqvae", 2), damaged: 0 });
  t.same(await run.truncateLog("decoder", 0), { last: null, damaged: 0 });
});

t.test("on a real disk", async (t) => {
  const path = `${t.testdir()}/deep/run`;
  const run = await RunFolder.create(nodePlatform.files, path, { seed: 1 });
  await run.appendLog([entry("vqvae", 1), entry("vqvae", 2)]);
  await run.truncateLog("vqvae", 1);
  await run.writeSample("a.svg", "<svg/>");
  await run.writeReport("<p>");
  const again = await RunFolder.open(nodePlatform.files, path);
  t.same(await again.readLog(), [entry("vqvae", 1)]);
  t.same(await nodePlatform.files.list(path), ["config.json", "log.jsonl", "report.html", "samples"]);
});
