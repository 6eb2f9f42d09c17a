/** Parts of the bench that are plain functions: sizes, roofline, pages, traces, comparison. No device is opened. */
import t from "tap";
import { GpuError } from "../../dist/engine/gpu/errors.js";

/** The bench is plain JavaScript beside the sources. */
const part = (name: string) => import(new URL(`../../kernels-bench/${name}.js`, import.meta.url).href);

const { chosen, families, parseSizes } = await part("cases");
const { roofline, withShares } = await part("roofline");
const { reportOf, table } = await part("report");
const { layOut } = await part("roofline-chart");
const { casesPage } = await part("cases-page");
const { stepPage } = await part("step-page");
const { traceOf } = await part("trace");
const { trafficCounter } = await part("traffic");
const { memoryRecorder } = await part("memory-curve");
const { baselineFault, compare } = await part("baseline");

interface Measured {
  name: string;
  family: string;
  flops: number;
  leastBytes: number;
  ms: number;
}

/** A result as measure.js gives it, at 2 processor milliseconds for each of wall clock. */
function result({ name, family, flops, leastBytes, ms }: Measured) {
  const counts = { dispatches: 1, buffersCreated: 0, bindGroupsCreated: 0, movedBytes: 2 * leastBytes };
  const times = {
    ms,
    best: ms / 2,
    cpuMs: 2 * ms,
    spread: 0.1,
    cpuSpread: 0.02,
    samples: 5,
    callsPerSample: 1,
  };
  const rates = { gflops: flops / ms / 1e6, gbs: leastBytes / ms / 1e6 };
  return { name, family, size: { n: 1 }, flops, leastBytes, ...times, ...rates, ...counts };
}

/** Ceilings of 100 GFLOP/s and 10 GB/s in one millisecond of wall clock, and three cases. */
function report(software: boolean) {
  const fma = result({ name: "FMA", family: "ceiling", flops: 1e8, leastBytes: 0, ms: 1 });
  const copy = result({ name: "copy", family: "ceiling", flops: 0, leastBytes: 1e7, ms: 1 });
  const cases = [
    result({ name: "matmul <1>", family: "matmul", flops: 1e9, leastBytes: 1e6, ms: 20 }),
    result({ name: "softmax", family: "softmax", flops: 1e6, leastBytes: 1e6, ms: 0.4 }),
    result({ name: "rng", family: "rng", flops: 0, leastBytes: 1e6, ms: 1 }),
  ].map((item) => withShares(item, fma, copy, software));
  return {
    format: "mc-diffusion-bench-1",
    date: "2026-01-02T03:04:05.678Z",
    node: "v20",
    platform: "linux x64",
    adapter: "a <test> adapter",
    software,
    sizes: "default",
    seconds: 12,
    cpuSeconds: 20,
    ceilings: {
      peak: { gflops: 200, gbs: 20 },
      median: { gflops: 100, gbs: 10 },
      measured: [fma, copy],
    },
    cases,
  };
}

t.test("a platform that tells no processor time, as browsers", async (t) => {
  const { date, adapter, sizes, seconds, ceilings, cases } = report(true);
  const untold = [...ceilings.measured, ...cases].map((item) => ({ ...item, cpuMs: null, cpuSpread: null }));
  const about = { date, adapter, software: true, platform: "a browser", sizes, seconds, cpuSeconds: null };
  const made = reportOf(untold, about);
  const [matmul] = made.cases;
  t.equal(matmul.cpuShareOfFma, null);
  t.equal(matmul.shareOfRoof, matmul.shareOfFma, "shares by wall clock");
  t.same(made.ceilings.median, { gflops: 100, gbs: 10 });
  const model = roofline(made);
  t.notOk(model.perCore);
  t.equal(model.peak, 200, "of the fastest sample");
  t.notMatch(table(made), /cores/, "no column of it");
  t.match(table(made), /^this run: 12.0 s$/m);
  t.match(casesPage(made), /<dt>Browser<\/dt><dd>a browser<\/dd>/);
  t.equal(compare(made, made).slower.length, 0, "and compares as any other");
});

t.test("--sizes: sets, numbers, and what is neither", async (t) => {
  t.equal(parseSizes("small"), "small");
  t.equal(parseSizes("default"), "medium");
  t.equal(parseSizes("large"), "large");
  t.same(parseSizes("64, 256,64"), [64, 256], "each once");
  for (const wrong of [
    "",
    "huge",
    "medium",
    "64,",
    "64;256",
    "3",
    "8193",
    "6.5",
    "-64",
    "64,small",
    "1e2",
    "toString",
  ]) {
    t.equal(parseSizes(wrong), null, `"${wrong}"`);
  }
});

t.test("every set has cases of every family, with names of their own", async (t) => {
  for (const sizes of ["small", "medium", "large", [4, 65, 256]]) {
    const cases = chosen(undefined, sizes) as {
      name: string;
      family: string;
      size: object;
      bytes(s: object): number;
    }[];
    t.equal(new Set(cases.map(({ name }) => name)).size, cases.length, `${sizes}: unique names`);
    t.same(
      [...new Set(cases.map(({ family }) => family))],
      families.map(({ name }: { name: string }) => name),
    );
    t.ok(
      cases.every((entry) => entry.bytes(entry.size) > 0),
      `${sizes}: bytes of all`,
    );
  }
  t.equal(chosen("matmul", [64, 128]).length, 2, "one product a number");
  t.equal(chosen("no such case").length, 0);
});

t.test("shares and roofline follow from times and ceilings", async (t) => {
  const near = (actual: number, expected: number, what: string) =>
    t.ok(Math.abs(actual / expected - 1) < 1e-12, `${what}: ${actual}`);
  for (const software of [false, true]) {
    const { cases, ...rest } = report(software);
    const model = roofline({ ...rest, cases });
    // The fastest samples take half the median, processor time twice it.
    const scale = software ? 0.5 : 2;
    near(model.peak, 100 * scale, "peak");
    near(model.bandwidth, 10 * scale, "bandwidth");
    near(model.ridge, 10, "ridge");
    t.same(
      model.points.map(({ number, limit }: { number: number; limit: string }) => [number, limit]),
      [
        [1, "FMA"],
        [2, "copy"],
      ],
    );
    const [product, rows] = model.points;
    near(product.intensity, 1000, "operations a byte");
    near(product.rate, 50 * scale, "rate of the product");
    near(product.roof, 100 * scale, "under the peak");
    near(rows.roof, 10 * scale, "under the slope");
    near(cases[0].shareOfRoof, 0.5, "half the peak");
    near(cases[1].shareOfRoof, 0.25, "a quarter of the bandwidth");
    near(cases[2].shareOfRoof, 0.1, "without operations, by bandwidth");
    t.equal(cases[2].shareOfFma, null);
  }
});

t.test("badges of points in one place do not cover each other", async (t) => {
  const points = Array.from({ length: 30 }, (_, i) => ({ x: 500 + (i % 3), y: 300, half: 12 }));
  const placed = layOut(points) as { toX: number; toY: number }[];
  for (const [i, a] of placed.entries()) {
    for (const b of placed.slice(i + 1)) {
      if (Math.abs(a.toX - b.toX) < 24 && Math.abs(a.toY - b.toY) < 16) t.fail(`badge ${i} is covered`);
    }
  }
  t.equal(placed.length, points.length);
});

t.test("the page of cases has a row for each and a point for each that computes", async (t) => {
  const html: string = casesPage(report(true));
  t.equal(html.match(/<tr id="case-\d+">/g)?.length, 3);
  t.equal(html.match(/<a href="#case-\d+">/g)?.length, 2);
  for (const text of [
    "matmul &#60;1&#62;",
    "a &#60;test&#62; adapter",
    "2026-01-02 03:04:05 UTC",
    "FMA peak",
  ]) {
    t.ok(html.includes(text), text);
  }
  t.notMatch(html, /NaN|Infinity|undefined|matmul <1>/);
  t.notMatch(
    html.replaceAll("http://www.w3.org/2000/svg", ""),
    /https?:|src=|@import|url\(["']?[^#"']/,
    "no network",
  );
  const checked = report(false);
  Object.assign(checked.cases[1], { check: { error: 0.5, tolerance: 1e-5, ok: false } });
  t.match(casesPage(checked), /class="wrong">5\.0e-1 WRONG/);
});

/** Two dispatches of one kernel and one of another, while memory rises and falls. */
function step(withTimes: boolean) {
  const recorder = memoryRecorder([["parameters", 1000]]);
  const { observer } = recorder;
  const dispatch = (name: string) =>
    observer.dispatch(
      {
        groups: [2, 3, 1],
        bindings: [{ storage: { version: 1 }, offset: 0, size: 64 }],
        pipeline: { kernel: { spec: { name, bindings: [{ access: "read" }] } } },
      },
      {},
      {},
    );
  observer.memory("x", 500);
  dispatch("a.forward");
  observer.memory("y", 700);
  observer.memory("y", -700);
  observer.memory("z", 100);
  dispatch("b.forward");
  observer.memory("x", -500);
  dispatch("a.forward");
  const timeline = [
    { begin: 0, us: 10 },
    { begin: 12, us: 5 },
    { begin: 20, us: 1.5 },
  ];
  const kernels = [
    { kernel: "a.forward", dispatches: 2, microseconds: 11.5 },
    { kernel: "b.forward", dispatches: 1, microseconds: 5 },
  ];
  const created = { dispatches: 3, submits: 1, buffersCreated: 0, bindGroupsCreated: 0, pipelines: 2 };
  return {
    stage: "decoder",
    shape: "tiny",
    ...{ ms: 1, spread: 0, steps: 1, encodeMs: 0.1, encodeBestMs: 0.1, firstMs: 9 },
    ...created,
    ...{ capturedPeakBytes: 700, capturedBytes: 900, capturedBuffers: 2 },
    memory: recorder.curve(),
    timeline: withTimes ? timeline : null,
    kernels: withTimes ? kernels : null,
  };
}

const stepReport = (withTimes: boolean) => ({ ...report(true), preset: "quick", steps: [step(withTimes)] });

t.test("the memory curve knows its peak, also between two dispatches", async (t) => {
  const { memory } = step(false);
  t.equal(memory.peakBytes, 2200);
  t.equal(memory.peakAt, 1);
  t.same(memory.peakByLabel, [
    ["parameters", 1000],
    ["y", 700],
    ["x", 500],
  ]);
  t.same(
    memory.dispatches.map(({ liveBytes }: { liveBytes: number }) => liveBytes),
    [1500, 1600, 1100],
  );
  const sums = [0, 1, 2].map((i) =>
    memory.byLabel.reduce((sum: number, { bytes }: { bytes: number[] }) => sum + bytes[i]!, 0),
  );
  t.same(sums, [1500, 1600, 1100], "the labels add up");
});

t.test("the trace is JSON with an event for each dispatch and the same totals", async (t) => {
  const source = stepReport(true);
  const trace = JSON.parse(JSON.stringify(traceOf(source)));
  const events = trace.traceEvents as {
    ph: string;
    name: string;
    ts: number;
    dur: number;
    args: Record<string, number>;
  }[];
  const dispatches = events.filter(({ ph }) => ph === "X");
  t.equal(dispatches.length, 3);
  for (const { kernel, microseconds } of source.steps[0]!.kernels!) {
    const own = dispatches.filter(({ name }) => name === kernel);
    t.equal(
      own.reduce((sum, { dur }) => sum + dur, 0),
      microseconds,
      kernel,
    );
  }
  t.match(dispatches[1], { name: "b.forward", ts: 12, dur: 5, args: { groups: "2×3×1", bytes: 64 } });
  const counters = events.filter(({ ph }) => ph === "C");
  t.same(
    counters.map(({ args }) => Object.values(args).reduce((sum, bytes) => sum + bytes, 0)),
    [1500, 1600, 1100],
    "memory at each dispatch",
  );
});

t.test("the page of a step shows its dispatches, or that there are no times", async (t) => {
  const html: string = stepPage(stepReport(true));
  t.equal(html.match(/dispatch \d of 3/g)?.length, 4, "each in the timeline, the peak in the text");
  t.equal(html.match(/<svg /g)?.length, 2);
  t.match(html, />x<\/text>\n<text [^>]*>500 B</, "what a label has at the peak");
  t.notMatch(html, /NaN|Infinity|undefined/);
  t.equal(stepPage(stepReport(false)).match(/<svg /g)?.length, 1, "the memory curve alone");
});

t.test("bytes moved: ranges once, twice where a kernel adds to what is there, stand-ins never", async (t) => {
  const [a, old] = [{ place: {} }, { place: {} }];
  const fresh = {
    get place() {
      throw new GpuError("it has no memory before its capture has ended");
    },
  };
  const count = trafficCounter();
  const moved = (ranges: object[], access: string[], params = {}, variant = {}) =>
    count(
      {
        bindings: ranges,
        pipeline: { kernel: { spec: { bindings: access.map((each) => ({ access: each })) } } },
      },
      params,
      variant,
    );
  const range = (of: object, offset: number, size: number) => ({ storage: of, offset, size });
  t.equal(moved([range(a, 0, 64), range(fresh, 0, 32)], ["read", "read_write"]), 96, "nothing there yet");
  t.equal(moved([range(fresh, 0, 32)], ["read_write"]), 64, "what the dispatch before has written");
  t.equal(
    moved([range(a, 0, 64), range(a, 0, 256), range(a, 0, 64)], ["read", "read", "read"]),
    64,
    "stand-ins",
  );
  t.equal(moved([range(a, 0, 64), range(a, 64, 64)], ["read", "read"]), 128, "neighbours");
  t.equal(moved([range(old, 0, 32)], ["read_write"]), 64, "in place");
  t.equal(moved([range(old, 0, 32)], ["read_write"], { accumulate: 0 }), 32, "overwritten");
  t.equal(moved([range(old, 0, 32)], ["read_write"], { accumulate: 0, accumulate_bias: 1 }), 64, "added to");
  t.equal(moved([range(old, 0, 32)], ["read_write"], {}, { ACCUMULATE: false }), 32, "by a variant");
});

t.test("a baseline names what got slower beyond both runs' noise, and no more", async (t) => {
  const before = report(false);
  const after = report(false);
  after.cases[0].ms *= 1.45; // noise: four standard errors of medians of 5 samples with a spread of 10 %: 47 %
  after.cases[1].ms *= 1.49;
  after.cases[2].ms /= 1.49;
  const { compared, slower, faster } = compare(before, after);
  t.equal(compared, 3);
  t.same(
    [slower, faster].map((list) => list.map(({ name }: { name: string }) => name)),
    [["softmax"], ["rng"]],
  );
  const slowMachine = structuredClone(after);
  slowMachine.ceilings.median = { gflops: 90, gbs: 9 };
  t.equal(compare(before, slowMachine).slower.length, 0, "unless the machine itself was that much slower");

  const [then, now] = [report(true), report(true)];
  now.cases[0].cpuMs *= 1.11; // noise: the same with a spread of 2 %: 9 %
  now.cases[1].cpuMs *= 1.08;
  const byProcessor = compare(then, now);
  t.same(
    byProcessor.slower.map(({ name }: { name: string }) => name),
    ["matmul <1>"],
    "processor time counts too, by its own noise",
  );
  const freed = structuredClone(now);
  for (const item of [...freed.cases, ...freed.ceilings.measured]) item.cpuMs /= 2;
  t.equal(compare(then, freed).slower.length, 1, "and against the ceilings, which moved as much");
  Object.assign(then.cases[2], { cpuSpread: undefined });
  t.equal(compare(then, now).slower.length, 0, "where both runs have it");
});

t.test("what is no baseline is told why", async (t) => {
  const good = report(true);
  t.equal(baselineFault(good), null);
  t.match(baselineFault(null), /not written by/);
  t.match(baselineFault({ ...good, format: "mc-diffusion-bench-1-step" }), /not written by/);
  t.match(baselineFault({ ...good, ceilings: {} }), /ceilings/);
  t.match(baselineFault({ ...good, cases: [{ name: "x" }] }), /cases/);
  t.match(baselineFault({ ...good, cases: "none" }), /cases/);
});
