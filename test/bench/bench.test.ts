/** The bench as a command: what it writes, and its exit codes. Nothing here asserts a time. */
import { execFile } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";

t.setTimeout(600_000);

const run = fileURLToPath(new URL("../../kernels-bench/run.js", import.meta.url));

interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

function bench(...options: string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [run, ...options], (_, stdout, stderr) => {
      resolve({ code: child.exitCode ?? -1, stdout, stderr });
    });
  });
}

t.test("one case, checked, written and compared", async (t) => {
  const folder = t.testdir();
  const file = join(folder, "bench.json");
  const first = await bench("q-sample", "--check", "--repeat", "2", "--json", file);
  t.equal(first.code, 0, first.stderr);
  t.match(first.stdout, /^case +ms +± .* error$/m, "a table");
  t.match(first.stdout, /^q-sample 65536 tokens .* 0\.0e\+0$/m, "with the case and its error");
  t.match(first.stdout, /^ceilings in this run: FMA/m, "the ceilings and a legend");
  t.same(readdirSync(folder), ["bench.json"], "no temporary file stays");

  const report = JSON.parse(readFileSync(file, "utf8"));
  t.equal(report.format, "mc-diffusion-bench-1");
  t.type(report.adapter, "string");
  for (const key of ["peak", "median"]) {
    t.ok(report.ceilings[key].gflops > 0 && report.ceilings[key].gbs > 0, `${key} ceilings`);
  }
  t.equal(report.cases.length, 1);
  const [result] = report.cases;
  t.match(result, {
    family: "q-sample",
    name: "q-sample 65536 tokens",
    size: { rows: 65536, tokens: 1741 },
    samples: 2,
    flops: 0,
    leastBytes: 2 * 65536 * 4,
    dispatches: 1,
    buffersCreated: 0,
    bindGroupsCreated: 0,
    shareOfFma: null,
    check: { error: 0, tolerance: 0, ok: true },
  });
  t.ok(result.ms > 0 && result.best > 0 && result.best <= result.ms, "median and best time");
  t.ok(result.gbs > 0 && result.shareOfCopy > 0, "bandwidth and its share");
  t.ok(result.callsPerSample >= 1 && result.spread >= 0 && result.cpuMs >= 0, "how it was sampled");

  // Against a file in which the kernel took no time at all, it is slower on any machine; at another size it is not compared.
  const fast = { ...result, ms: result.ms / 1e6, spread: 0 };
  const baseline = join(folder, "baseline.json");
  writeFileSync(baseline, JSON.stringify({ ...report, cases: [fast] }));
  const second = await bench("q-sample", "--repeat", "2", "--baseline", baseline);
  t.equal(second.code, 0, second.stderr);
  t.match(second.stdout, /1 cases? compared/);
  t.match(second.stdout, /slower beyond the noise.*\n +q-sample 65536 tokens/, "names what got slower");
});

t.test("wrong usage ends with code 2 and one sentence", async (t) => {
  const unknown = await bench("voodoo");
  t.equal(unknown.code, 2);
  t.match(unknown.stderr, /^error: .*"voodoo".*families: matmul, linear, attention.*\n$/);
  for (const [options, message] of [
    [["--bogus"], /unknown option/],
    [["--repeat", "0"], /whole number from 1/],
    [["rng", "kl"], /too many arguments/],
    [["step", "--check"], /--check is for kernels/],
    [["step", "--preset", "huge"], /no preset "huge"/],
    [["rng", "--json", "/nowhere/at/all.json"], /no folder \/nowhere\/at/],
  ] as const) {
    const outcome = await bench(...options);
    t.equal(outcome.code, 2, options.join(" "));
    t.match(outcome.stderr, message);
  }
});

t.test("a baseline that is none ends with code 1 before anything is measured", async (t) => {
  const file = join(t.testdir({ "other.json": "{}" }), "other.json");
  for (const path of [file, `${file}.missing`]) {
    const outcome = await bench("q-sample", "--baseline", path);
    t.equal(outcome.code, 1);
    t.match(outcome.stderr, /baseline|not a file written by/);
    t.equal(outcome.stdout, "");
  }
});

t.test("--help names the families", async (t) => {
  const { code, stdout } = await bench("--help");
  t.equal(code, 0);
  t.match(stdout, /--baseline/);
  t.match(stdout.replace(/\s+/g, " "), /families: matmul, linear, attention/);
});
