/** The tuner: its verdicts with made-up times, and real kernels that it times by a made-up clock. */
import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import t from "tap";
import { Gpu } from "../../dist/engine/gpu/gpu.js";
import * as kernels from "../../dist/engine/gpu/kernels.generated.js";
import {
  sourceHash,
  type TuningTable,
  tableFault,
  tuningFormat,
} from "../../dist/engine/gpu/tuning/tuning-table.js";
import { sharedGpu } from "../device.js";

t.setTimeout(300_000);

const part = (name: string) => import(new URL(`../../kernels-bench/${name}.js`, import.meta.url).href);
const { contest } = await part("contest");
const { chosen } = await part("cases");
const { describeTuned, mergedTable, tune } = await part("tune");

type Values = Record<string, string | number>;
interface Trial {
  values: Values;
  outcome: string;
  detail?: string;
}
interface Tuned {
  tunable: { spec: { name: string }; source: string };
  shape: string;
  values: Values | null;
  trials: Trial[];
}

/** A way that takes these times in turn, over and over; processor time is the second list, if there is one. */
function times(wall: number[], cpu?: number[]) {
  let taken = 0;
  const sample = async () => {
    const i = taken++;
    return { wall: wall[i % wall.length], cpu: cpu ? cpu[i % cpu.length] : null };
  };
  return Object.assign(sample, { count: () => taken });
}

t.test("a verdict has to stand out from the noise", async (t) => {
  const steady = [10, 10.1, 9.9, 10, 10.2];
  const much = await contest(times(steady), times([8, 8.1, 7.9, 8]), 9);
  t.equal(much.wins, true);
  t.equal(much.pairs, 9);
  t.ok(Math.abs(much.wall.ratio - 0.8) < 0.02 && much.wall.noise < 0.06, JSON.stringify(much));
  t.equal((await contest(times(steady), times([12, 12.1]), 9)).wins, false, "slower");
  t.equal((await contest(times(steady), times([9.7, 9.8]), 9)).wins, false, "too little to count");
  const wild = [4, 16, 5, 14, 9, 3, 15];
  t.equal((await contest(times(wild), times([15, 3, 8, 4, 12]), 9)).wins, false, "all noise");
  t.equal((await contest(times(steady), times([8, 8.1]), 3)).wins, false, "three pairs may agree by chance");
});

t.test("by two clocks", async (t) => {
  const wild = [4, 16, 5, 14, 9, 3, 15];
  const byCpu = await contest(times(wild, [10, 10.1]), times([...wild].reverse(), [7, 7.1]), 9);
  t.equal(byCpu.wins, true, "processor time shows what wall clock drowns");
  t.equal(byCpu.steadier, byCpu.cpu);
  const idle = await contest(times([10, 10.1], [20, 20.1]), times([15, 15.1], [15, 15.1]), 9);
  t.equal(idle.wins, false, "less work that leaves cores idle and takes longer is no gain");
  const spread = await contest(times([10, 10.1], [10, 10.1]), times([6, 6.1], [10.2, 10.1]), 9);
  t.equal(spread.wins, true, "the same work on more cores is");
});

t.test("who goes first alternates, and a hopeless challenger is given up", async (t) => {
  const order: string[] = [];
  const way = (name: string, wall: number) => async () => {
    order.push(name);
    return { wall, cpu: null };
  };
  await contest(way("a", 10), way("b", 8), 5);
  t.equal(order.join(""), "abbaabbaab");
  const hopeless = times([11]);
  t.equal((await contest(times([10]), hopeless, 20)).pairs, 4);
  t.equal(hopeless.count(), 4);
});

/** Opened as the tuner wants it: without measured tables. */
async function plainGpu(): Promise<Gpu> {
  return Gpu.from((await sharedGpu()).device, { software: true, tuning: null });
}

const softmaxCase = () =>
  chosen("softmax", "small").filter(({ name }: { name: string }) => !/grad/.test(name));

/** Runs the work, and says that it took what `ms` makes of the values. */
const clockOf =
  (ms: (values: Values) => number) => async (run: () => Promise<void>, values: Values, calls: number) => {
    await run();
    return { wall: calls * ms(values), cpu: null };
  };

t.test("a real kernel: the fastest that is right wins", async (t) => {
  const gpu = await plainGpu();
  const { tunables } = kernels.softmax.forward.spec;
  const candidates = tunables.LANES!.candidates as number[];
  const workgroups = tunables.WORKGROUP!.candidates as number[];
  // Three lanes do not divide a workgroup, so rows go wrong; no device runs workgroups of none.
  candidates.push(3);
  workgroups.push(0);
  t.teardown(() => {
    candidates.pop();
    workgroups.pop();
  });
  const speeds: Record<string, number> = { 3: 1, 8: 5, 16: 6, 1: 10, 32: 20, 64: 9.9 };
  const clock = clockOf(({ LANES = 1 }) => speeds[LANES]!);
  const reported: Tuned[] = [];
  const kept: number[] = [];
  const results: Tuned[] = await tune(gpu, softmaxCase(), {
    pairs: 4,
    clock,
    report: (tuned: Tuned) => reported.push(tuned),
    keep: async (tuned: readonly Tuned[]) => void kept.push(tuned.length),
  });
  t.same(reported, results);
  t.same(kept, [1], "handed over once, after the only case");
  t.equal(results.length, 1);
  const [tuned] = results;
  t.equal(tuned!.tunable.spec.name, "softmax.forward");
  t.equal(tuned!.shape, "64x256");
  t.same(tuned!.values, { LANES: 8 });
  const outcomes = tuned!.trials.map(({ values, outcome }) => [
    values.WORKGROUP ?? 64,
    values.LANES ?? 1,
    outcome,
  ]);
  const of = (lanes: number) =>
    outcomes.filter(([group, own]) => own === lanes && group === 64).map(([, , o]) => o);
  t.equal(of(3)[0], "wrong", "however fast");
  t.match(tuned!.trials.find(({ outcome }) => outcome === "wrong")!.detail, /from float64/);
  t.equal(of(8)[0], "won");
  t.equal(of(16)[0], "no gain", "faster than the default, not than the holder");
  t.equal(of(32)[0], "far slower");
  t.ok(
    outcomes.some(([group, , outcome]) => group === 0 && outcome === "refused"),
    "what the device refuses loses",
  );
  t.equal(gpu.tunables(kernels.softmax.forward, [64, 256]).LANES, 8, "the winner stays set");
  t.equal(gpu.tunables(kernels.softmax.forward, [64, 128]).LANES, 1, "for its class alone");
  t.match(
    describeTuned(tuned),
    /^softmax\.forward at 64x256: LANES 8 wins, 2\.00× ±5% as fast \(8 pairs; .*1 wrong/,
  );
  await gpu.idle();
  gpu.dispose();
});

t.test("nothing wins where nothing is faster", async (t) => {
  const gpu = await plainGpu();
  const results: Tuned[] = await tune(gpu, softmaxCase(), { pairs: 4, clock: clockOf(() => 10) });
  t.equal(results[0]!.values, null);
  t.ok(results[0]!.trials.length > 4);
  t.ok(results[0]!.trials.every(({ outcome }) => outcome === "no gain"));
  t.match(describeTuned(results[0]), /the defaults stay \(\d+ no gain\)$/);
  gpu.dispose();
});

t.test("a kernel that an op chooses brings its own tunables", async (t) => {
  const gpu = await plainGpu();
  const small = chosen("matmul 8×256×256", "small");
  t.equal(small.length, 1);
  const clock = clockOf((values) => (values.KERNEL === "registers" ? 5 : values.WORKGROUP === 128 ? 2 : 4));
  const results: Tuned[] = await tune(gpu, small, { pairs: 4, clock });
  const won = Object.fromEntries(results.map(({ tunable, values }) => [tunable.spec.name, values]));
  // Where subgroups are too small the registers are the default already.
  if (gpu.certainLanes >= 8) t.same(won["choice matmul"], null, "4 by default, 5 by registers");
  t.ok(
    results.some(({ tunable }) => /^matmul/.test(tunable.spec.name)),
    "the chosen kernel's own constants were tried",
  );
  gpu.dispose();
});

t.test("results in a table", async (t) => {
  const { forward, backward } = kernels.softmax;
  const source = sourceHash(forward.source);
  const verdict = { wins: true, pairs: 9, cpu: null, wall: { ratio: 0.5, noise: 0.05 } };
  const won = (tunable: object, shape: string, values: Values | null) => ({
    tunable,
    shape,
    values,
    verdict: { ...verdict, steadier: verdict.wall },
    trials: [],
  });
  const adapter = { key: "software/a/b/8", description: "an adapter", date: "2026-01-02" };
  const old: TuningTable = {
    format: tuningFormat,
    adapters: {
      "gpu/x/y/32": { measured: "elsewhere", kernels: {} },
      "software/a/b/8": {
        measured: "earlier",
        kernels: {
          "loss.forward": { source: "stays", shapes: { any: { values: { LANES: 1 } } } },
          "softmax.backward": { source: "stale", shapes: { "2x2": { values: { LANES: 8 } } } },
          "softmax.forward": {
            source,
            shapes: { "4x4": { values: { LANES: 8 } }, "8x8": { values: { LANES: 8 } } },
          },
        },
      },
    },
  };
  const table: TuningTable = mergedTable(old, adapter, [
    won(forward, "8x8", null),
    won(forward, "64x256", { LANES: 16 }),
    won(backward, "4x4", { LANES: 1 }),
  ]);
  t.equal(tableFault(table), null);
  t.same(table.adapters["gpu/x/y/32"], old.adapters["gpu/x/y/32"], "other adapters stay");
  const own = table.adapters["software/a/b/8"]!;
  t.equal(own.measured, "an adapter, 2026-01-02");
  t.same(own.kernels, {
    "loss.forward": { source: "stays", shapes: { any: { values: { LANES: 1 } } } },
    "softmax.backward": { source, shapes: { "4x4": { values: { LANES: 1 }, speedup: 2, noise: 0.05 } } },
    "softmax.forward": {
      source,
      shapes: {
        "4x4": { values: { LANES: 8 } },
        "64x256": { values: { LANES: 16 }, speedup: 2, noise: 0.05 },
      },
    },
  });
  t.equal(own.kernels["softmax.backward"]!.shapes["2x2"], undefined, "what a stale kernel had is gone");
});

const run = fileURLToPath(new URL("../../kernels-bench/run.js", import.meta.url));

function bench(...options: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [run, ...options], (_, stdout, stderr) => {
      resolve({ code: child.exitCode ?? -1, stdout, stderr });
    });
  });
}

t.test("as a command", async (t) => {
  const folder = t.testdir({ "bad.json": "{}" });
  const file = `${folder}/tuning.json`;
  const dry = await bench(
    "--tune",
    "posterior",
    "--sizes",
    "small",
    "--repeat",
    "4",
    "--dry-run",
    "--tuning",
    file,
  );
  t.equal(dry.code, 0, dry.stderr);
  t.match(dry.stdout, /^posterior\.forward at any: /m);
  t.match(dry.stdout, /^\d of 1 kernels and choices at their shapes are better than by default$/m);
  t.equal(existsSync(file), false, "a dry run writes nothing");
  const written = await bench("--tune", "posterior", "--sizes", "small", "--repeat", "4", "--tuning", file);
  t.equal(written.code, 0, written.stderr);
  t.same(readdirSync(folder).sort(), ["bad.json", "tuning.json"], "no temporary file stays");
  const table = JSON.parse(readFileSync(file, "utf8"));
  t.equal(tableFault(table), null);
  t.match(Object.keys(table.adapters)[0], /^(software|gpu)(\/[^/]+){3}$/);

  const bad = `${folder}/bad.json`;
  for (const [options, code, message] of [
    [["--tune", "posterior", "--tuning", bad], 1, /bad\.json is not a tuning table/],
    [["posterior", "--tuning", bad], 1, /bad\.json is not a tuning table/],
    [["--tune", "posterior", "--adapter", "null", "--dry-run"], 1, /an adapter that computes/],
    [["--tune", "step"], 2, /--tune is for kernels/],
    [["--tune", "nothing-like-it"], 2, /No case/],
    [["--tune", "posterior", "--check"], 2, /--check is not for --tune/],
    [["posterior", "--dry-run"], 2, /--dry-run is for --tune/],
    [["--tune", "posterior", "--tuning", `${folder}/no/t.json`], 2, /there is no folder/],
  ] as const) {
    const outcome = await bench(...options);
    t.equal(outcome.code, code, options.join(" "));
    t.match(outcome.stderr, message);
    t.notMatch(outcome.stderr, /\n {4}at /, "no stack trace");
  }
  t.equal(readFileSync(bad, "utf8"), "{}", "what is no table is not overwritten");
});
