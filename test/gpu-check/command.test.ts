/** `npm run gpu-check` on small sizes. */

import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";

t.setTimeout(600_000);

/** The command, as `npm run gpu-check` starts it. */
function run(...options: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const script = fileURLToPath(new URL("command.js", import.meta.url));
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [script, ...options],
      { maxBuffer: 1 << 26 },
      (_, stdout, stderr) => {
        resolve({ code: child.exitCode ?? -1, stdout, stderr });
      },
    );
  });
}

t.test("kernels of one file, and their races", async (t) => {
  const out = join(t.testdir(), "new", "folder");
  const { code, stdout, stderr } = await run(
    ...["--only", "kernels,races", "--tests", "ops/softmax", "--minutes", "4", "--out", out],
  );
  t.equal(code, 0, stdout + stderr);
  t.match(stdout, /^3 phases passed, 0 failed, 0 skipped on /m);
  const names = readdirSync(out).sort();
  t.equal(names.length, 2);
  const report = JSON.parse(readFileSync(join(out, names.find((name) => name.endsWith(".json"))!), "utf8"));
  t.equal(report.format, "mc-diffusion-gpu-check-1");
  t.notMatch(JSON.stringify(report), /\(driver/, "no path of this machine");
  const [adapter, kernels, races] = report.phases;
  t.ok(adapter.data.limits.maxBufferSize > 0);
  t.ok(kernels.data.passed >= 5 && kernels.data.failed === 0, JSON.stringify(kernels.data));
  t.ok(races.data.kernels - races.data.missed.length >= 4, `${races.facts["Kernels that ran 50 times"]}`);
});

t.test("a training of the time that there is", async (t) => {
  const out = t.testdir();
  const { code, stdout, stderr } = await run("--only", "training", "--minutes", "1", "--out", out);
  t.equal(code, 0, stdout + stderr);
  const [name] = readdirSync(out).filter((file) => file.endsWith(".json"));
  const [, training] = JSON.parse(readFileSync(join(out, name!), "utf8")).phases;
  if (training.verdict === "skipped") return t.comment(training.skipped);
  t.ok(training.data.stages.decoder.losses.length >= 2);
  t.comment(JSON.stringify(training.facts));
});

t.test("mistakes in the command line", async (t) => {
  const phase = await run("--only", "speed");
  t.equal(phase.code, 2);
  t.match(phase.stderr, /The phases are adapter, kernels, races/);
  const minutes = await run("--minutes", "0");
  t.equal(minutes.code, 2);
  t.match(minutes.stderr, /number from 0\.2 to 600/);
  const none = await run("--adapter", "voodoo", "--only", "bench", "--out", t.testdir());
  t.equal(none.code, 1);
  t.match(none.stderr, /error: There is no WebGPU adapter "voodoo"/);
});
