/** `npm run fuzz`: damaged files of every kind that is read, from fixed seeds. */

import { type ChildProcess, fork } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Command, InvalidArgumentError } from "commander";
import { targets } from "./targets.js";
import type { Report } from "./worker.js";

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0)
    throw new InvalidArgumentError("It has to be a whole number.");
  return value;
}

const command = new Command("npm run fuzz --")
  .description(
    "Reads damaged files: each input has to give what the untouched file gives, a result that satisfies stated invariants, or one sentence. A crash, more than 10 s of computing, more than 1 GiB above the input or a broken invariant is a failure, told with its seed. The exit status is 1 if there is any.",
  )
  .option("--seed <n>", "the first seed; each input has the next", wholeNumber, 0)
  .option("--count <n>", "inputs of each target", wholeNumber, 2000)
  .option("--only <names>", `targets, with commas: ${targets.map(({ name }) => name).join(", ")}`)
  .option(
    "--seconds <n>",
    "more computing than this is a hang, and ten times as long by the clock",
    wholeNumber,
    10,
  )
  .parse();
const options = command.opts<{ seed: number; count: number; only?: string; seconds: number }>();
const wanted = options.only?.split(",").map((name) => name.trim());
const unknown = wanted?.find((name) => !targets.some((target) => target.name === name));
if (unknown !== undefined) command.error(`error: there is no target "${unknown}"`, { exitCode: 2 });

const MOST_MEMORY = 2 ** 30;

/** What came of a target's inputs. */
class Tally {
  readonly counts = { same: 0, other: 0, refused: 0, failed: 0 };
  crashes = 0;
  hangs = 0;
  greedy = 0;
  slowest = 0;
  largest = 0;

  get failures(): number {
    return this.counts.failed + this.crashes + this.hangs + this.greedy;
  }
}

/**
 * Ends a process that computes for too long over one input, or does nothing for ten times as long. By computing, since other
 * work on the machine is no fault of the input's.
 */
class HangWatch {
  hung = false;
  readonly #child: ChildProcess;
  readonly #seconds: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(child: ChildProcess, seconds: number) {
    this.#child = child;
    this.#seconds = seconds;
  }

  begin(): void {
    const [began, computed] = [performance.now(), this.#computed()];
    this.#timer = setInterval(() => {
      const clock = (performance.now() - began) / 1000;
      if (this.#computed() - computed <= this.#seconds && clock <= 10 * this.#seconds) return;
      this.hung = true;
      this.#child.kill("SIGKILL");
    }, 250);
  }

  end(): void {
    clearInterval(this.#timer);
  }

  /** Seconds that the process has computed, all threads together; 0 where nothing tells (not Linux). */
  #computed(): number {
    try {
      const stat = readFileSync(`/proc/${this.#child.pid}/stat`, "utf8");
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      // Hundredths of a second, in user mode and in the system.
      return (Number(fields[11]) + Number(fields[12])) / 100;
    } catch {
      return 0;
    }
  }
}

/** Runs inputs `first` … `end` − 1, in further processes behind an input that ended one. */
async function fuzz(name: string, first: number, end: number, tally: Tally): Promise<void> {
  while (first < end) first = (await runProcess(name, first, end, tally)) + 1;
}

/** Returns the last seed that was begun. */
function runProcess(name: string, first: number, end: number, tally: Tally): Promise<number> {
  const path = fileURLToPath(new URL("./worker.js", import.meta.url));
  return new Promise((resolve) => {
    const child = fork(path, [name, String(first), String(end - first)]);
    const watch = new HangWatch(child, options.seconds);
    let [seed, begun] = [first - 1, false];
    child.on("message", (report: Report) => {
      seed = report.seed;
      begun = report.kind === "begins";
      if (report.kind === "begins") {
        watch.begin();
        return;
      }
      watch.end();
      const { outcome, memory } = report;
      tally.counts[outcome.verdict]++;
      tally.slowest = Math.max(tally.slowest, outcome.milliseconds);
      tally.largest = Math.max(tally.largest, memory);
      if (outcome.verdict === "failed") console.log(`${name} ${seed}: ${outcome.why}`);
      if (memory > MOST_MEMORY + outcome.size) {
        tally.greedy++;
        console.log(`${name} ${seed}: took ${(memory / 2 ** 20).toFixed(0)} MiB`);
      }
      if ((seed + 1 - options.seed) % 500 === 0)
        console.error(`${name}: ${seed + 1 - options.seed} of ${options.count}, ${tally.failures} failed`);
    });
    child.on("exit", (code, signal) => {
      watch.end();
      if (begun && watch.hung) {
        tally.hangs++;
        console.log(`${name} ${seed}: not done after ${options.seconds} s of computing`);
      } else if (begun || (code !== 0 && seed < end - 1)) {
        tally.crashes++;
        console.log(`${name} ${seed}: the process ended with ${signal ?? code}`);
      }
      resolve(Math.max(seed, first));
    });
  });
}

const head =
  "| input | read | as untouched | other, invariants hold | one sentence | crashes | hangs | over 1 GiB | broken | slowest | most memory |";
const lines = [head, head.replace(/[^|]+/g, " --- ")];
let failures = 0;
for (const { name } of targets) {
  if (wanted !== undefined && !wanted.includes(name)) continue;
  const tally = new Tally();
  await fuzz(name, options.seed, options.seed + options.count, tally);
  failures += tally.failures;
  const { same, other, refused, failed } = tally.counts;
  const cells = [
    ...[name, options.count, same, other, refused, tally.crashes, tally.hangs, tally.greedy, failed],
    `${tally.slowest.toFixed(0)} ms`,
    `${(tally.largest / 2 ** 20).toFixed(0)} MiB`,
  ];
  lines.push(`| ${cells.join(" | ")} |`);
}
console.log(lines.join("\n"));
process.exitCode = failures > 0 ? 1 : 0;
