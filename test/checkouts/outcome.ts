/** What a checkout makes of fixed settings and pictures, and how long it takes, through its commands alone. */

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { UserError } from "../../dist/platform/errors.js";

/** Results by name, as text: equal text means equal bits. */
export type Results = Map<string, string>;

export interface Outcome {
  results: Results;
  /** Milliseconds by name; lower is faster. */
  times: Map<string, number>;
}

export interface OutcomeOptions {
  /** Where the run folder is made; what is there is deleted first. */
  folder: string;
  pictures: readonly string[];
  seeds: readonly number[];
  /** Training steps of each stage. */
  steps: number;
  adapter?: string | undefined;
}

export const guidanceMethods = ["none", "cfg", "mcs", "mcs-printed"] as const;

/** Runs a command of the checkout; returns standard output. Throws a `UserError` with its last line unless it ends with 0. */
function run(checkout: string, command: string, args: readonly string[]): string {
  const path = join(checkout, "dist", `${command}.js`);
  if (!existsSync(path))
    throw new UserError(`${checkout} is not built: ${path} is missing; run npm ci && npm run build there`);
  const { status, stdout, stderr } = spawnSync(process.execPath, [path, ...args], {
    cwd: checkout,
    encoding: "utf8",
    maxBuffer: 2 ** 28,
  });
  if (status !== 0)
    throw new UserError(
      `${command}.js of ${checkout} ended with ${status}: ${stderr.trim().split("\n").at(-1)}`,
    );
  return stdout;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile())
    .sort();
}

/** A line of a log without its measures: what depends on the clock (time, share of waiting), and peak memory. */
export function withoutTimes(line: string): string {
  const {
    ms: _,
    perSecond: __,
    bytes: ___,
    waiting: ____,
    ...rest
  } = JSON.parse(line) as Record<string, unknown>;
  return JSON.stringify(rest, (key, value: unknown) =>
    key === "seconds" || key === "time" ? undefined : value,
  );
}

/** The losses, checkpoints and weights of a short training. */
function train(checkout: string, { folder, steps, adapter }: OutcomeOptions): Outcome {
  rmSync(folder, { recursive: true, force: true });
  const settings = [
    `vqvae.steps=${steps}`,
    `decoder.steps=${steps}`,
    "vqvae.warmup=5",
    "vqvae.restartAfter=10",
    "decoder.warmup=5",
    "log.every=1",
    `log.evaluateEvery=${steps}`,
    `log.checkpointEvery=${steps}`,
    "log.scored=4",
  ];
  const chosen = adapter ? ["--adapter", adapter] : [];
  run(checkout, "train", [
    ...["--preset", "quick", "--seed", "5", "--out", folder, "--quiet", ...chosen],
    ...settings.flatMap((setting) => ["--set", setting]),
  ]);
  const results: Results = new Map();
  const times = new Map<string, number>();
  const lines = readFileSync(join(folder, "log.jsonl"), "utf8").trim().split("\n");
  lines.forEach((line, i) => {
    results.set(`log.jsonl, line ${i + 1}`, withoutTimes(line));
  });
  for (const stage of ["vqvae", "decoder"]) {
    const measured = lines.map(
      (line) => JSON.parse(line) as { stage: string; step: number; ms: number; bytes: number },
    );
    const steady = measured.filter((entry) => entry.stage === stage && entry.step > steps / 3);
    times.set(`${stage} step, ms`, median(steady.map(({ ms }) => ms)));
    times.set(`${stage} step, peak KiB`, Math.max(...steady.map(({ bytes }) => bytes)) / 1024);
  }
  for (const part of ["weights", "checkpoints"]) {
    for (const path of filesIn(join(folder, part)).filter((name) => name.endsWith(".safetensors")))
      results.set(relative(folder, path), createHash("sha256").update(readFileSync(path)).digest("hex"));
  }
  return { results, times };
}

/** The captions of pictures by the shipped weights, for each seed and way of guidance. */
function caption(checkout: string, { pictures, seeds, adapter }: OutcomeOptions): Outcome {
  const results: Results = new Map();
  const perPicture: number[] = [];
  const whole: number[] = [];
  for (const guidance of guidanceMethods) {
    for (const seed of seeds) {
      const chosen = adapter ? ["--adapter", adapter] : [];
      const started = performance.now();
      const printed = run(checkout, "caption", [
        ...["--json", "--svg", "--seed", String(seed), "--guidance", guidance, ...chosen],
        ...pictures,
      ]);
      whole.push(performance.now() - started);
      for (const line of printed.trim().split("\n")) {
        // Settings that it repeats are no results, and a newer checkout may have more of them.
        const { ms, file, caption, tokens } = JSON.parse(line) as Record<string, unknown>;
        perPicture.push(ms as number);
        results.set(`caption of ${file}, seed ${seed}, ${guidance}`, JSON.stringify({ caption, tokens }));
      }
    }
  }
  const times = new Map([
    ["caption of a picture, ms", median(perPicture)],
    ["caption.js, start to end, ms", median(whole)],
  ]);
  return { results, times };
}

export function outcomeOf(checkout: string, options: OutcomeOptions): Outcome {
  const [trained, captioned] = [train(checkout, options), caption(checkout, options)];
  return {
    results: new Map([...trained.results, ...captioned.results]),
    times: new Map([...trained.times, ...captioned.times]),
  };
}

/** One line a difference; no line if all is equal. */
export function differences(old: Results, now: Results): string[] {
  const names = new Set([...old.keys(), ...now.keys()]);
  return [...names].flatMap((name) => {
    const [before, after] = [old.get(name), now.get(name)];
    if (before === after) return [];
    const shown = (text: string | undefined) => (text === undefined ? "missing" : text.slice(0, 200));
    return [`${name}:\n  old ${shown(before)}\n  new ${shown(after)}`];
  });
}

/** The times of all rounds: medians of both and the median of the ratios new / old of each round. */
export function timesTable(rounds: readonly { old: Outcome; now: Outcome }[]): string {
  const rows = [...rounds[0]!.old.times.keys()].map((name) => {
    const pairs = rounds.map(({ old, now }) => [old.times.get(name)!, now.times.get(name)!] as const);
    const ratios = pairs.map(([before, after]) => after / before).sort((a, b) => a - b);
    const range = `${ratios[0]!.toFixed(2)} to ${ratios.at(-1)!.toFixed(2)}`;
    const [before, after] = [0, 1].map((side) => median(pairs.map((pair) => pair[side]!)).toFixed(1));
    return `| ${name} | ${before} | ${after} | ${median(ratios).toFixed(2)} | ${range} |`;
  });
  return ["| measure | old | new | new / old | rounds |", "| --- | --- | --- | --- | --- |", ...rows].join(
    "\n",
  );
}
