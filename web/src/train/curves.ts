/** Collects the log entries of a run and draws their curves. */

import { type LogEntry, lineChart, type Series } from "../../../dist/report.js";
import { begun, type KeptRun } from "./kept.js";
import type { Stage } from "./messages.js";

const titles: Readonly<Record<Stage, string>> = { vqvae: "VQ-VAE", decoder: "Decoder" };
/** Smoothing factor of the thick line: the weight of the previous value. */
const smoothing = 0.95;

export class Curves {
  private readonly entries: Record<Stage, LogEntry[]> = { vqvae: [], decoder: [] };

  clear(): void {
    for (const stage of ["vqvae", "decoder"] as const) this.entries[stage] = [];
  }

  /** Adds steps. A step that a resumed run repeats replaces its old entry and all later ones of its stage. */
  add(entries: readonly LogEntry[]): void {
    for (const entry of entries) {
      const list = this.entries[entry.stage as Stage];
      while (list.length > 0 && list.at(-1)!.step >= entry.step) list.pop();
      list.push(entry);
    }
  }

  /** The last steps of a stage, the latest at the end. */
  last(stage: Stage, count: number): readonly LogEntry[] {
    return this.entries[stage].slice(-count);
  }

  count(stage: Stage): number {
    return this.entries[stage].length;
  }

  /**
   * Charts as SVG text: the losses of each stage that has begun, and its measures on held-out pictures, with those of other runs
   * beside them.
   */
  charts(others: readonly KeptRun[] = []): string[] {
    return (["vqvae", "decoder"] as const).flatMap((stage) => {
      const entries = this.entries[stage];
      if (entries.length === 0) return [];
      const runs: Run[] = [
        { name: "this run", entries },
        ...others.map(({ id, log }) => ({
          name: begun(id),
          entries: log.filter((entry) => entry.stage === stage),
        })),
      ];
      const loss = lineChart(
        runs.map((run) => seriesOf(run, ({ losses }) => losses.total)),
        {
          title: `${titles[stage]}: training loss`,
          xLabel: "step",
          yLabel: "loss, logarithmic",
          logY: true,
          include: { x: [0] },
          smoothing,
        },
      );
      const names = Object.keys(entries.find(({ metrics }) => metrics !== undefined)?.metrics ?? {});
      // Counts and decibels need separate scales.
      return [loss, ...names.map((name) => measureChart(stage, name, runs))];
    });
  }
}

/** Steps of a stage, with the run's name for the legend. */
interface Run {
  readonly name: string;
  readonly entries: readonly LogEntry[];
}

const measures: Readonly<Record<string, string>> = {
  psnr: "PSNR in dB",
  ssim: "SSIM",
  usedCodes: "codes in use",
  ciderD: "CIDEr-D",
  bleu4: "BLEU-4",
  exact: "captions equal to a reference",
};

function seriesOf({ name, entries }: Run, value: (entry: LogEntry) => number | undefined): Series {
  return {
    name,
    x: entries.map(({ step }) => step),
    y: entries.map((entry) => value(entry) ?? Number.NaN),
  };
}

/** Where the axes of scores end at least: on a shorter one, noise looks like progress. */
const leastTop: Readonly<Record<string, number>> = { ssim: 1, ciderD: 0.1, bleu4: 0.1, exact: 0.1 };

/** A measure from 0 on: an axis that begins at the lowest value makes every change look large. */
function measureChart(stage: Stage, name: string, runs: readonly Run[]): string {
  const measured = runs.map((run) => ({
    ...run,
    entries: run.entries.filter(({ metrics }) => metrics?.[name] !== undefined),
  }));
  return lineChart(
    measured.map((run) => seriesOf(run, ({ metrics }) => metrics?.[name])),
    {
      title: `${titles[stage]}, held out: ${measures[name] ?? name}`,
      xLabel: "step",
      include: { x: [0], y: [0, leastTop[name] ?? 1] },
    },
  );
}
