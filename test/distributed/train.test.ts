/** train.js under mpirun: numbers of one process, kills, stops, another number of ranks, ranks that do not fit together. */

import { execFile, execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import t from "tap";
import type { LogEntry } from "../../dist/io/run-folder.js";
import { nodePlatform } from "../../dist/platform/node.js";
import { latestCheckpoint } from "../../dist/training/checkpoint.js";
import { writePictures } from "../commands/pictures.js";
import { sizes } from "../commands/sizes.js";
import { whole } from "../whole.js";
import { type Ended, type Launcher, launch, launchers } from "./launch.js";

t.setTimeout(whole ? 7_200_000 : 900_000);

const root = mkdtempSync(join(tmpdir(), "mcd-ranks-"));
t.teardown(() => rmSync(root, { recursive: true, force: true }));
const pictures = join(root, "pictures");

const settings = [
  ...sizes.filter((entry) => !entry.startsWith("vqvae.batch")),
  "vqvae.batch=8",
  "vqvae.steps=8",
  "vqvae.warmup=3",
  "vqvae.restartAfter=3",
  "decoder.batch=8",
  "decoder.captionsPerImage=1",
  "decoder.dropout=0.1",
  "decoder.steps=8",
  "decoder.warmup=3",
  "sampling.steps=3",
  "log.evaluateEvery=4",
  "log.sampleEvery=4",
  "log.checkpointEvery=2",
  "log.scored=4",
];
const fresh = (folder: string, ...more: string[]) => [
  "dist/train.js",
  ...["--data", pictures, "--out", folder, "--seed", "3", "--quiet"],
  ...[...settings, ...more].flatMap((setting) => ["--set", setting]),
];
const resumed = (folder: string) => ["dist/train.js", "--resume", folder, "--quiet"];

const logOf = (folder: string) =>
  readFileSync(join(folder, "log.jsonl"), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as LogEntry);

/** The largest relative difference of two runs' losses and measures; Infinity where their steps are not the same. */
function difference(folder: string, other: string): number {
  const [own, wanted] = [logOf(folder), logOf(other)];
  if (own.length !== wanted.length) return Number.POSITIVE_INFINITY;
  let worst = 0;
  wanted.forEach(({ stage, step, losses, metrics = {} }, i) => {
    const found = own[i]!;
    if (found.stage !== stage || found.step !== step) worst = Number.POSITIVE_INFINITY;
    for (const [name, value] of [...Object.entries(losses), ...Object.entries(metrics)]) {
      const now = found.losses[name] ?? found.metrics?.[name] ?? Number.NaN;
      const apart = Math.abs(now - value) / Math.max(1e-3, Math.abs(value));
      worst = apart <= worst ? worst : Number.isNaN(apart) ? Number.POSITIVE_INFINITY : apart;
    }
  });
  return worst;
}

const one = join(root, "one");
t.before(async () => {
  await writePictures(pictures);
  await promisify(execFile)(process.execPath, fresh(one), {
    env: { ...process.env, MCD_DEBUG: "1" },
  });
});

/** Node's processes below a launcher. */
function ranksOf(launcher: number): number[] {
  const rows = execFileSync("ps", ["-eo", "pid=,ppid=,args="], { encoding: "utf8" })
    .trim()
    .split("\n")
    .map((row) => /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(row)!.slice(1) as [string, string, string]);
  const below = new Set([launcher]);
  for (let grew = true; grew; ) {
    const before = below.size;
    for (const [pid, parent] of rows) if (below.has(Number(parent))) below.add(Number(pid));
    grew = below.size > before;
  }
  return rows
    .filter(([pid, , args]) => below.has(Number(pid)) && args.includes("train.js") && !args.includes("mpi"))
    .map(([pid]) => Number(pid))
    .sort((a, b) => a - b);
}

async function until(condition: () => boolean): Promise<void> {
  const last = performance.now() + 400_000;
  while (!condition()) {
    if (performance.now() > last) throw new Error("the run did not get there");
    await sleep(20);
  }
}

/** Whether a process is there and computes: a killed one stays in the list until its parent asks for it. */
function isRunning(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2, stat.lastIndexOf(")") + 3) !== "Z";
  } catch {
    return false;
  }
}

/** Resolves when a run's log has more than `steps` lines. The log is written now and then, and at checkpoints. */
const logged = (folder: string, steps: number) =>
  until(() => existsSync(join(folder, "log.jsonl")) && linesOf(folder) > steps);

const linesOf = (folder: string) => readFileSync(join(folder, "log.jsonl"), "utf8").split("\n").length - 1;

/** Resolves when a stage has a checkpoint. */
const saved = (folder: string, stage: string) =>
  until(() => {
    const path = join(folder, "checkpoints", stage);
    return existsSync(path) && readdirSync(path).some((name) => name.startsWith("step-"));
  });

const found = async (folder: string, stage: string) =>
  latestCheckpoint(nodePlatform.files, join(folder, "checkpoints", stage));

function tests(launcher: Launcher): void {
  t.test(`${launcher.name}: two ranks log the numbers of one`, async (t) => {
    const run = join(root, `${launcher.name} two`.replaceAll(" ", "-"));
    const { code, errors } = await launch(launcher, 2, fresh(run), { limit: 300 }).ended;
    t.equal(code, 0, errors);
    const apart = difference(run, one);
    t.ok(apart < 1e-4, `losses and measures differ by ${apart.toExponential(1)} at most`);
    t.ok(
      logOf(run).every(({ ranks }) => ranks?.count === 2),
      "the log tells of both",
    );
    t.ok(existsSync(join(run, "report.html")), "rank 0 wrote the report");
  });
}

for (const launcher of whole ? launchers : launchers.slice(0, 1)) tests(launcher);

/** Places in a run, and how to see that it is there. */
const phases: Readonly<Record<string, (run: string, launcher: number) => Promise<void>>> = {
  "the start": (_, launcher) => until(() => ranksOf(launcher).length === 2),
  "a step of the image tokenizer": (run) => logged(run, 2),
  "the checkpoint of the image tokenizer": (run) => saved(run, "vqvae"),
  "the codes": (run) => logged(run, 7),
  "a step of the decoder": (run) => logged(run, 10),
  "the scores": (run) => until(() => existsSync(join(run, "weights"))),
};

const [launcher] = launchers;
if (launcher && whole) {
  for (const rank of [0, 1]) {
    for (const [phase, reached] of Object.entries(phases)) {
      t.test(`rank ${rank} is killed at ${phase}`, async (t) => {
        const run = join(root, `kill ${rank} ${phase}`.replaceAll(" ", "-"));
        const started = launch(launcher, 2, fresh(run), { limit: 300 });
        await reached(run, started.pid);
        const ranks = ranksOf(started.pid);
        const began = performance.now();
        process.kill(ranks[rank]!, "SIGKILL");
        const { code } = await started.ended;
        t.not(code, 0);
        const ms = Math.round(performance.now() - began);
        t.comment(`the job ended after ${ms} ms`);
        t.ok(ms < 30_000, "the job ends within seconds");
        await until(() => !ranks.some(isRunning));
        const begun = existsSync(join(run, "config.json"));
        const again = await launch(launcher, 2, begun ? resumed(run) : fresh(run), { limit: 300 }).ended;
        t.equal(again.code, 0, again.errors);
        t.ok(difference(run, one) < 1e-4, "the numbers of an undisturbed process");
      });
    }
  }
}

if (launcher) {
  t.test("a killed job goes on with another number of ranks", async (t) => {
    const run = join(root, "killed");
    const started = launch(launcher, 2, fresh(run), { limit: 300 });
    await saved(run, "vqvae");
    const ranks = ranksOf(started.pid);
    t.equal(ranks.length, 2);
    const began = performance.now();
    process.kill(ranks[1]!, "SIGKILL");
    const { code, errors } = await started.ended;
    t.not(code, 0);
    t.ok(performance.now() - began < 30_000, "the job ends within seconds");
    t.match(errors, /signal 9|SIGKILL|[Kk]illed/, "and says why");
    t.ok((await found(run, "vqvae")).checkpoint, "the last checkpoint is whole");
    const again = await launch(launcher, 4, resumed(run), { limit: 300 }).ended;
    t.equal(again.code, 0, again.errors);
    const apart = difference(run, one);
    t.ok(apart < 1e-4, `the numbers of an undisturbed process, to ${apart.toExponential(1)}`);
  });

  t.test("two ranks plan a run", async (t) => {
    const { code, output, errors } = await launch(launcher, 2, [...fresh(join(root, "planned")), "--plan"], {
      limit: 300,
    }).ended;
    t.equal(code, 0, errors);
    t.match(output, /^2 processes: each takes an equal part of a batch/m);
    // 8 captions, 4 on each.
    t.match(output, /^ {2}chosen: decoder\.microBatches=1, the fewest within/m);
    t.match(output, /^time: {4}ESTIMATE from measured micro-batches/m);
    t.equal(output.match(/^steps: /gm)?.length, 1, "told once");
  });

  t.test("a run in a given time has the plan of rank 0 on all ranks", async (t) => {
    const run = join(root, "minutes");
    const planned = ["steps", "warmup", "Every", "scored"];
    const args = fresh(run).filter((word, i, all) => {
      const setting = word === "--set" ? all[i + 1]! : word;
      return !planned.some((key) => setting.split("=")[0]!.endsWith(key)) || setting.startsWith("sampling");
    });
    const command = args.filter((word) => word !== "--quiet");
    const trained = async (minutes: number, tries = 0): Promise<Ended> => {
      const ended = await launch(launcher, 2, [...command, "--minutes", String(minutes)], { limit: 600 })
        .ended;
      // A slow machine says how long it needs.
      const [, least] = /is too short: .*give at least ([\d.]+)/.exec(ended.errors) ?? [];
      if (least === undefined || tries === 3) return ended;
      return trained(Math.ceil(13 * Number(least)) / 10, tries + 1);
    };
    const { code, errors } = await trained(0.8);
    t.equal(code, 0, errors);
    t.match(errors, /^plan: +[\dmins ]+ in all: vqvae \d+ steps of [\d.]+ ms; decoder \d+ steps/m);
    t.equal(errors.match(/^plan: .* in all/gm)?.length, 1, "told once");
    const { vqvae, decoder } = JSON.parse(readFileSync(join(run, "config.json"), "utf8"));
    const last = (stage: string) =>
      logOf(run)
        .filter((entry) => entry.stage === stage)
        .at(-1)!;
    t.equal(last("vqvae").step, vqvae.steps, "the steps of the plan");
    t.equal(last("decoder").step, decoder.steps);
    t.equal(last("decoder").ranks?.count, 2);
    t.ok(existsSync(join(run, "report.html")));
  });

  for (const signal of whole ? (["SIGTERM", "SIGUSR1"] as const) : (["SIGUSR1"] as const)) {
    t.test(`${signal} on one rank alone saves and ends all`, async (t) => {
      const run = join(root, signal);
      const started = launch(
        launcher,
        2,
        fresh(run, "vqvae.steps=10000", "log.evaluateEvery=0", "log.sampleEvery=0", "log.checkpointEvery=0"),
        { limit: 300 },
      );
      await logged(run, 5);
      process.kill(ranksOf(started.pid).at(-1)!, signal);
      const { code, errors } = await started.ended;
      t.not(code, 0);
      t.match(errors, /stopped; go on with/, "rank 0 tells the way on");
      const { checkpoint } = await found(run, "vqvae");
      t.equal(checkpoint?.step, logOf(run).at(-1)!.step, "the last step is saved");
    });
  }

  t.test("ranks with other settings are refused before anything is written", async (t) => {
    const run = join(root, "refused");
    const script = `if (process.env.OMPI_COMM_WORLD_RANK === "1" || process.env.PMI_RANK === "1") process.argv.push("--set", "decoder.dim=32");
      await import(${JSON.stringify(new URL("../../dist/train.js", import.meta.url).href)});`;
    const { code, errors } = await launch(
      launcher,
      2,
      ["--input-type=module", "-e", script, "--", ...fresh(run).slice(1)],
      {
        limit: 120,
      },
    ).ended;
    t.not(code, 0);
    t.match(
      errors,
      /rank 1: error: this process does not train the same as rank 0: config\.decoder\.dim is 32 here and 16 there/,
    );
    t.notOk(existsSync(join(run, "config.json")));
  });

  t.test("mistakes are told once", async (t) => {
    const run = join(root, "mistaken");
    const { code, errors } = await launch(launcher, 2, fresh(run, "decoder.batch=7"), { limit: 120 }).ended;
    t.not(code, 0);
    t.equal(errors.match(/error: /g)?.length, 1, errors);
    t.match(errors, /decoder\.batch should be a multiple of 2 \(2 processes/);
  });
}
