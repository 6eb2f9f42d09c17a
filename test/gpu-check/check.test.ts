/** The check of a GPU: its schedule, its judgements, its files. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { DeviceLostError } from "../../dist/engine/gpu/errors.js";
import { fromArray, relu } from "../../dist/engine/index.js";
import { nodePlatform } from "../../dist/platform/node.js";
import { openNodeDevice } from "../../dist/platform/node-adapter.js";
import { testFiles } from "../browser/test-files.js";
import { sharedGpu } from "../device.js";
import { quickLossesFile, testFolder } from "./files.js";
import { perform } from "./perform.js";
import type { Host, News, Outcome } from "./phase.js";
import { patience, phases, secondsFor } from "./plan.js";
import { RaceCheck } from "./race-check.js";
import { fileName, jsonOf, pageOf, reportOf, summaryOf } from "./report.js";
import { type PhaseResult, runCheck, type Start } from "./schedule.js";
import { compareLosses, type StoredLosses, storedCodes, toleranceOf, widened } from "./stored-losses.js";
import { isWanted } from "./tests.js";
import { judge } from "./training.js";

t.setTimeout(600_000);

const fine: Outcome = { problems: [], cut: [], facts: {}, tables: [] };
const adapter: Outcome = { ...fine, facts: { Adapter: "a GPU" }, data: { software: false } };

/** A starter whose phases end with these outcomes, are rejected with these errors, or never end. */
const starting =
  (ends: Readonly<Record<string, Outcome | Error | "never">>, asked: string[] = []): Start =>
  ({ phase, seconds }, onNews) => {
    asked.push(phase);
    t.ok(seconds > 0, `${phase} has time`);
    const end = ends[phase] ?? fine;
    if (end !== "never")
      return { done: end instanceof Error ? Promise.reject(end) : Promise.resolve(end), stop() {} };
    onNews({ type: "progress", share: 0.5, text: "compiling" });
    onNews({ type: "submitted", kernels: ["matmul.product", "softmax.forward"] });
    let stop = () => {};
    const done = new Promise<Outcome>((_, reject) => {
      stop = () => reject(new Error("killed"));
    });
    return { done, stop };
  };

t.test("the time is shared, and what a phase does not need goes to the later ones", async (t) => {
  const whole = phases.reduce((sum, { seconds }) => sum + seconds, 0);
  t.ok(whole <= 480, `${whole} s of shares fit into eight minutes`);
  const shares = phases.map((_, i) => secondsFor(phases, i, 480));
  t.ok(Math.abs(shares[0]! - (465 * 5) / whole) < 1e-9);
  t.equal(secondsFor(phases, phases.length - 1, 480), 180, "the tuning has three minutes at the most");
  t.equal(secondsFor(phases, 3, 5), 1, "a phase that is late still has a second");
  // As if each phase took all that it may.
  let left = 480;
  for (const i of phases.keys()) left -= secondsFor(phases, i, left);
  t.ok(left >= 0, `${left.toFixed(1)} s are left`);
  t.ok(patience(30) > 30);
});

t.test("a phase that fails or dies does not keep the next from running", async (t) => {
  const asked: string[] = [];
  const start = starting(
    {
      adapter,
      kernels: { ...fine, problems: ["softmax: forward is wrong."] },
      races: new Error("SIGSEGV"),
      float16: { ...fine, skipped: "a GPU lacks the feature shader-f16." },
    },
    asked,
  );
  const told: PhaseResult[] = [];
  const results = await runCheck({ minutes: 8, start, onResult: (result) => told.push(result) });
  t.same(
    asked,
    phases.map(({ name }) => name),
    "all ran, in their order",
  );
  t.same(told, results);
  const verdicts = Object.fromEntries(results.map(({ name, verdict }) => [name, verdict]));
  t.same(verdicts, {
    ...Object.fromEntries(phases.map(({ name }) => [name, "passed"])),
    kernels: "failed",
    races: "failed",
    float16: "skipped",
  });
  t.match(results[2]!.problems, ['It ended without a result at "starting" (SIGSEGV).']);
});

t.test("without an adapter nothing else starts", async (t) => {
  const asked: string[] = [];
  const none = { ...fine, problems: ["No WebGPU adapter was found."] };
  const results = await runCheck({ minutes: 8, start: starting({ adapter: none }, asked), only: ["bench"] });
  t.same(asked, ["adapter"]);
  t.same(
    results.map(({ name, verdict }) => `${name} ${verdict}`),
    ["adapter failed", "bench skipped"],
  );
});

t.test("a phase that hangs is stopped: red on a GPU, no fault on a CPU", async (t) => {
  for (const software of [false, true]) {
    const start = starting({ adapter: { ...adapter, data: { software } }, training: "never" });
    const run = runCheck({ minutes: 0.001, grace: 0.1, only: ["training"], start });
    const [, result] = await run;
    t.equal(result!.verdict, software ? "skipped" : "failed");
    t.match(
      software ? result!.skipped : result!.problems[0],
      /^It was stopped after \d+ s at "compiling", after it had submitted matmul\.product, softmax\.forward/,
    );
  }
});

t.test("a check that is ended rejects", async (t) => {
  const abort = new AbortController();
  const run = runCheck({ minutes: 8, start: starting({ adapter, kernels: "never" }), signal: abort.signal });
  await new Promise((resolve) => setTimeout(resolve, 20));
  abort.abort();
  await t.rejects(run, { name: "AbortError" });
});

const host = (news: News[] = []): Host => ({
  platform: nodePlatform,
  open: () => openNodeDevice(),
  text: async () => "",
  dataset: async () => {
    throw new Error("no data here");
  },
  modules: async () => [],
  load: async () => {},
  say: (line) => void news.push(line),
});

t.test("a lost device is reported with the kernels that it was working on", async (t) => {
  const news: News[] = [];
  const order = { phase: "bench", seconds: 10 } as const;
  const outcome = await perform(order, host(news), async (context) => {
    const gpu = await context.gpu();
    const x = fromArray(gpu, [1, -2, 3], [3]);
    await relu(x).read();
    relu(relu(x));
    gpu.flush();
    throw new DeviceLostError("unknown", "the driver gave up");
  });
  t.match(outcome.problems[0], /^The device was lost while it ran unary\.\w+\.$/);
  t.ok(
    news.some((line) => line.type === "submitted" && line.kernels.some((name) => name.startsWith("unary."))),
    "whoever watches knows the kernels before",
  );
  const later = await perform(order, host(), async (context) => {
    const gpu = await context.gpu();
    await relu(fromArray(gpu, [1, -2, 3], [3])).read();
    throw new DeviceLostError("unknown", "");
  });
  t.equal(
    later.problems[0],
    "The device was lost while none of the engine's kernels ran.",
    "a read waits for them",
  );
  const mistake = await perform(order, host(), async () => {
    throw new TypeError("x is not a function");
  });
  t.match(mistake.problems[0], /^x is not a function at .*check\.test/, "another error says where");
  t.notMatch(mistake.problems[0], "://", "in the project, not on this machine");
});

t.test("tests that share a process do not change what they share", async (t) => {
  const wanted = testFiles().filter(isWanted);
  t.ok(wanted.length > 60, `${wanted.length} files`);
  const changing = wanted.filter((file) =>
    /dist\/chain\.js"/.test(readFileSync(join(testFolder, file), "utf8")),
  );
  t.same(changing, [], "none turns ops into methods of all tensors");
});

t.test("a kernel whose result changes from run to run is found, an honest one is not", async (t) => {
  const gpu = await sharedGpu();
  const x = fromArray(
    gpu,
    Float32Array.from({ length: 1000 }, (_, i) => i - 500.5),
    [1000],
  );
  let loads = 0;
  const check = new RaceCheck(gpu, { load: () => void loads++ });
  const expected = Float32Array.from({ length: 1000 }, (_, i) => Math.max(0, i - 500.5));
  t.same(await relu(x).read(), expected, "the result is that of one run");
  const { work, result } = gpu.capture(() => relu(x).keep());
  work.run();
  t.same(await result.read(), expected, "captured work is left as it is");
  await check.settle();
  t.same(check.races, []);
  t.equal(check.looked.get("unary.forward"), 50);
  t.ok(loads > 10, "other work ran beside it");
  check.restore();
  t.notOk(Object.hasOwn(gpu, "run") || Object.hasOwn(gpu, "capture"), "it takes itself off");
  // As a race would: what the kernel reads is another thing from the third run on.
  const other = fromArray(gpu, [5, 6, 7, 8], [4]);
  const disturbed = new RaceCheck(gpu, { load: () => gpu.copyBuffer(other.storage, 0, x.storage, 0, 16) });
  const y = relu(x);
  await disturbed.settle();
  disturbed.restore();
  t.match(disturbed.races, [{ kernel: "unary.forward", differing: 48, runs: 50 }]);
  for (const made of [work, result, x, y, other]) made.dispose();
});

t.test("losses are compared step by step", async (t) => {
  const stage = { losses: [4, 2, 1, 0.5], spread: [0, 1e-6, 1e-3, 1e-2] };
  const stored: StoredLosses = {
    recorded: "here",
    codes: btoa("\u0000\u0007\u00ff"),
    stages: { vqvae: stage, decoder: stage },
  };
  t.same([...storedCodes(stored)], [0, 7, 255]);
  t.same(
    toleranceOf(stage),
    [2e-5, 2e-5, 8e-3, 8e-2],
    "what rounding alone does, and eight times the spread",
  );
  const long = { losses: new Array(100).fill(1), spread: Array.from({ length: 100 }, (_, i) => i * 1e-3) };
  const tolerance = toleranceOf(long);
  t.ok(Math.abs(tolerance[2]! - 0.016) < 1e-9, "the first steps have their own");
  t.ok(Math.abs(tolerance[3]! - 8 * 0.053) < 1e-9, "later ones that of 50 steps later");
  t.equal(tolerance[99], tolerance[60], "or of the last");
  t.equal(compareLosses([4, 2.00003, 1.007, 0.53], stage).firstWrong, null);
  t.equal(compareLosses([4, 2.00005, 1, 0.5], stage).firstWrong, 2);
  t.equal(compareLosses([4, 2, Number.NaN], stage).firstWrong, 3, "no number is no loss");
  const { problems, facts, data } = judge({ vqvae: [4, 2], decoder: [4, 2, 1.009, 0.7] }, stored);
  t.same(problems, [
    "Decoder: the loss of step 3 is 1.00900, stored is 1.00000: 0.9 % apart, where 0.8 % are allowed.",
  ]);
  t.equal(facts["VQ-VAE: largest difference"], "0 %, 0 % of what is allowed at its step");
  t.same(data.stages.vqvae.stored, [4, 2], "as many as there are");
});

t.test("the spread is that of the runs so far, and does not shrink", async (t) => {
  const stage = { losses: [4, 2, 1, 0.5], spread: [0, 0.1, 0.1, 0.3] };
  t.same(widened(stage, [4, 2.4, 1]).spread, [0, 0.2, 0.2, 0.3]);
  t.same(widened(stage, [4.4]).spread, [0.1, 0.1, 0.1, 0.3], "from the last step on it stays");
});

t.test("what is stored allows little at first, and never so much that nothing would be seen", async (t) => {
  const { stages, codes } = JSON.parse(readFileSync(quickLossesFile, "utf8")) as StoredLosses;
  for (const [name, stage] of Object.entries(stages)) {
    const tolerance = toleranceOf(stage);
    t.equal(stage.losses.length, 200, name);
    t.equal(tolerance.length, 200);
    t.ok(tolerance[0]! <= 1e-4, `${name}: ${tolerance[0]} at the first step`);
    t.ok(
      stage.losses.at(-1)! < 0.7 * stage.losses[0]!,
      `${name}: from ${stage.losses[0]} to ${stage.losses.at(-1)}`,
    );
    t.comment(
      `${name}: ${[0, 19, 49, 99, 199].map((i) => tolerance[i]!.toExponential(1)).join(", ")} at steps 1, 20, 50, 100, 200`,
    );
  }
  t.ok(atob(codes).length >= 512 * 64, "codes of all pictures");
});

t.test("the page stands alone and says all", async (t) => {
  const results: PhaseResult[] = [
    {
      ...adapter,
      name: "adapter",
      title: "Adapter",
      verdict: "passed",
      seconds: 1,
      budget: 5,
      facts: { Adapter: "GPU <1>" },
    },
    {
      ...fine,
      name: "kernels",
      title: "Kernels",
      verdict: "failed",
      seconds: 2,
      budget: 9,
      problems: ["a < b & c"],
      cut: ["3 of 4 tests did not run."],
    },
    {
      ...fine,
      name: "training",
      title: "Training",
      verdict: "passed",
      seconds: 3,
      budget: 9,
      tables: [{ title: "T", columns: ["k"], rows: [["<v>"]] }],
      data: {
        recorded: "x",
        stages: { decoder: { losses: [2, 1], stored: [2, 1], tolerance: [1, 1], share: 0 } },
      },
    },
  ];
  const report = reportOf(results, {
    date: "2026-11-29T10:00:00Z",
    version: "1.2.3",
    runtime: "Node",
    seconds: 6,
  });
  t.equal(report.adapter, "GPU <1>");
  t.equal(fileName(report), "gpu-check-GPU-1-2026-11-29T10-00");
  t.equal(summaryOf(report), "2 phases passed, 1 failed, 0 skipped");
  t.same(JSON.parse(jsonOf(report)), report);
  const html = pageOf(report);
  for (const part of [
    "a &#60; b &#38; c",
    "3 of 4 tests did not run.",
    "&#60;v&#62;",
    "GPU &#60;1&#62;",
    "FAILED",
    "<svg",
  ])
    t.ok(html.includes(part), part);
  t.notMatch(html, /<script|src=|href="(?!#)|url\(|@import/, "nothing is loaded");
});
