/** Strikes tiny training runs at random moments, resumes them, and compares what they come to with an undisturbed run. */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomBelow } from "../../dist/metrics/random.js";
import { writePictures } from "../commands/pictures.js";
import { attempt, type Moment, type Outcome, type Phase, phaseOf, phases } from "./attempt.js";
import { blowOf, type Fault, faults, isStruck } from "./faults.js";
import type { Counted } from "./injected.js";
import { damages, differences, trainArguments } from "./run.js";

export interface Struck {
  fault: string;
  /** The moment that was aimed at; for a fault from inside the phase in which the process ended. */
  at: Moment;
  run: number;
}

export interface Report {
  seed: number;
  struck: Struck[];
  /** Blows that came after the end of the process. */
  missed: number;
  runs: number;
  problems: string[];
}

export interface TortureOptions {
  faults: number;
  seed: number;
  /** Blows that one run takes before it may end. */
  perRun?: number;
  /** Of these kinds alone. */
  kinds?: readonly Fault[];
  onProgress?: (report: Report, detail: string) => void;
}

const moments: readonly Moment[] = [
  "data",
  "vqvae",
  "checkpoint",
  "encoding",
  "decoder",
  "checkpoint",
  "scores",
  "report",
];

/** The phases' durations of an undisturbed run, in milliseconds. */
function durationsOf({ began, milliseconds }: Outcome): Record<Phase, number> {
  const starts = phases.map((phase) => began[phase] ?? milliseconds);
  return Object.fromEntries(
    phases.map((phase, i) => [phase, (starts[i + 1] ?? milliseconds) - starts[i]!]),
  ) as Record<Phase, number>;
}

/** A sentence for people and no stack, whatever happened. */
function complaints({ stderr, hung }: Outcome): string[] {
  const found: string[] = [];
  if (hung) found.push("it did not end");
  if (/^ {4}at /m.test(stderr)) found.push("it printed a stack trace");
  if (/mistake in the program/.test(stderr)) found.push("it blamed itself");
  return found;
}

export async function torture({
  faults: wanted,
  seed,
  perRun = 5,
  kinds = faults,
  onProgress = () => {},
}: TortureOptions): Promise<Report> {
  const root = mkdtempSync(join(tmpdir(), "mcd-torture-"));
  const report: Report = { seed, struck: [], missed: 0, runs: 0, problems: [] };
  let drawn = 0;
  const draw = (below: number) => randomBelow(below, seed, 0x746f7274, drawn++);
  const share = () => draw(1000) / 1000;
  try {
    const pictures = join(root, "pictures");
    await writePictures(pictures);
    const undisturbed = join(root, "undisturbed");
    onProgress(report, "the undisturbed run");
    const countInto = join(root, "counted.json");
    const reference = await attempt(undisturbed, trainArguments(pictures, undisturbed), {
      injected: { countInto },
    });
    if (reference.code !== 0) throw new Error(`the undisturbed run failed: ${reference.stderr}`);
    const durations = durationsOf(reference);
    const all = JSON.parse(readFileSync(countInto, "utf8")) as Counted;

    while (report.struck.length < wanted) {
      const number = ++report.runs;
      const folder = join(root, `run-${number}`);
      const aims = Array.from({ length: perRun }, () => draw(moments.length)).sort((a, b) => a - b);
      let ended = false;
      for (const aim of aims) {
        if (report.struck.length >= wanted || ended) break;
        const fault = kinds[draw(kinds.length)]!;
        const at = moments[aim]!;
        const delay = at === "checkpoint" ? draw(12) : Math.floor(share() * durations[at]);
        const args = [...trainArguments(pictures, folder), ...(fault.options ?? [])];
        const outcome = await attempt(folder, args, {
          blow: blowOf(fault, at, delay),
          injected: fault.inject?.(share(), all),
        });
        const { code, signal, stderr } = outcome;
        ended = code === 0;
        const struck = isStruck(fault, outcome);
        const place = fault.strike ? at : phaseOf(stderr);
        const told = `${fault.name} at ${place}, run ${number}`;
        const problems = [...complaints(outcome), ...(await damages(folder))];
        if (struck && !(ended && !fault.survives) && !fault.endsWell(outcome))
          problems.push(`it ended with ${signal ?? code}: ${lastLine(stderr)}`);
        report.problems.push(...problems.map((problem) => `${told}: ${problem}`));
        if (struck) report.struck.push({ fault: fault.name, at: place, run: number });
        else report.missed++;
        onProgress(report, told);
      }
      if (!ended) {
        const last = await attempt(folder, trainArguments(pictures, folder));
        if (last.code !== 0) report.problems.push(`run ${number} cannot go on: ${lastLine(last.stderr)}`);
        ended = last.code === 0;
      }
      if (ended) {
        report.problems.push(
          ...differences(folder, undisturbed).map((problem) => `run ${number}: ${problem}`),
        );
        rmSync(folder, { recursive: true });
      }
      onProgress(report, `run ${number} ended`);
    }
    return report;
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

function lastLine(stderr: string): string {
  return stderr.trim().split("\n").at(-1) ?? "";
}
