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
  const page = join(folder, "bench.html");
  const first = await bench("q-sample", "--check", "--repeat", "2", "--json", file, "--html", page);
  t.equal(first.code, 0, first.stderr);
  t.match(first.stdout, /^case +ms +± .* error$/m, "a table");
  t.match(first.stdout, /^q-sample 65536 tokens .* 0\.0e\+0$/m, "with the case and its error");
  t.match(first.stdout, /^ceilings in this run: FMA/m, "the ceilings and a legend");
  t.same(readdirSync(folder).sort(), ["bench.html", "bench.json"], "no temporary file stays");
  t.match(readFileSync(page, "utf8"), /<tr id="case-1">.*q-sample 65536 tokens/);

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
    intensity: 0,
    check: { error: 0, tolerance: 0, ok: true },
  });
  t.ok(result.ms > 0 && result.best > 0 && result.best <= result.ms, "median and best time");
  t.ok(result.gbs > 0 && result.shareOfCopy > 0, "bandwidth and its share");
  t.ok(result.movedBytes > result.leastBytes, "besides the tokens, thresholds, steps and seed are read");
  t.ok(result.callsPerSample >= 1 && result.spread >= 0 && result.cpuMs >= 0, "how it was sampled");

  // Against a file in which the kernel took no time at all, it is slower on any machine; at another size it is not compared.
  t.equal(report.sizes, "default");
  t.ok(report.seconds > 0 && report.cpuSeconds > 0, "what the run took");
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
    [["step", "--sizes", "small"], /--sizes is for kernels/],
    [["rng", "--trace", "trace.json"], /--trace is for step/],
    [["rng", "--sizes", "huge"], /'huge' is invalid.*small, default, large, presets, or whole numbers/],
    [["rng", "--sizes", "64,0"], /whole numbers from 4/],
    [["1741", "--sizes", "64"], /No case of these sizes has "1741"/],
    [["step", "--trace", "/nowhere/trace.json"], /--trace .* no folder \/nowhere/],
    [["rng", "--json", "/"], /--json \/: that is a folder/],
    [["rng", "--html", "/nowhere/page.html"], /--html .* no folder \/nowhere/],
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
    t.match(outcome.stderr, /baseline|not written by/);
    t.equal(outcome.stdout, "");
  }
});

t.test("a profiled step: its trace tells what its JSON does", async (t) => {
  const folder = t.testdir();
  const [json, trace, page] = ["step.json", "trace.json", "step.html"].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  const outcome = await bench("step", "--repeat", "1", "--json", json, "--trace", trace, "--html", page);
  t.equal(outcome.code, 0, outcome.stderr);
  t.match(outcome.stdout, /^decoder step: .*\n.*\n.*\n +memory: .* in use at the peak, before dispatch/m);
  const { steps } = JSON.parse(readFileSync(json, "utf8"));
  const { traceEvents } = JSON.parse(readFileSync(trace, "utf8"));
  t.equal(steps.length, 2, "a decoder and a VQ-VAE");
  for (const [i, step] of steps.entries()) {
    const events = traceEvents.filter(
      ({ ph, pid }: { ph: string; pid: number }) => ph === "X" && pid === i + 1,
    );
    t.equal(events.length, step.dispatches, "an event for each dispatch");
    const microseconds = (list: { dur?: number; microseconds?: number }[]) =>
      list.reduce((sum, { dur, microseconds }) => sum + (dur ?? microseconds!), 0);
    const share = microseconds(events) / microseconds(step.kernels);
    t.ok(Math.abs(share - 1) < 1e-9, `${step.stage}: the same time in all, ${share}`);
    const peakLabels = step.memory.peakByLabel.reduce(
      (sum: number, [, bytes]: [string, number]) => sum + bytes,
      0,
    );
    t.equal(peakLabels, step.memory.peakBytes, "the labels at the peak add up");
    t.ok(
      step.capturedPeakBytes <= step.capturedBytes && step.capturedBytes > 0,
      "what the captured work holds",
    );
    t.same([step.buffersCreated, step.bindGroupsCreated], [0, 0], "nothing is created after the warm-up");
  }
  t.equal(readFileSync(page, "utf8").match(/<svg /g)?.length, 4, "timeline and memory curve of each");
});

t.test("on an adapter without times a step has its memory curve, but no trace", async (t) => {
  const folder = t.testdir();
  const trace = await bench("step", "--adapter", "null", "--trace", join(folder, "trace.json"));
  t.equal(trace.code, 1);
  t.match(trace.stderr, /--trace needs an adapter with timestamps/);
  t.same(readdirSync(folder), []);
});

t.test("--help names the families", async (t) => {
  const { code, stdout } = await bench("--help");
  t.equal(code, 0);
  t.match(stdout, /--baseline/);
  t.match(stdout, /A number n in --sizes makes cases of\n +matmul +n × n × n\n/);
  t.match(stdout.replace(/\s+/g, " "), /families: matmul, linear, attention/);
});
