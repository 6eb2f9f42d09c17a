/** Collects the log entries of a run and draws their curves. */

import { type LogEntry, lineChart, type Series } from "../../../dist/report.js";
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

  /** Charts as SVG text: the losses of each stage that has begun, and its measures on held-out pictures. */
  charts(): string[] {
    return (["vqvae", "decoder"] as const).flatMap((stage) => {
      const entries = this.entries[stage];
      if (entries.length === 0) return [];
      const x = entries.map(({ step }) => step);
      const y = entries.map(({ losses }) => losses.total ?? Number.NaN);
      const loss = lineChart([{ name: "loss", x, y }], {
        title: `${titles[stage]}: training loss`,
        xLabel: "step",
        logY: true,
        smoothing,
      });
      const measured = entries.filter(({ metrics }) => metrics !== undefined);
      const names = Object.keys(measured[0]?.metrics ?? {});
      // Counts and decibels need separate scales.
      return [loss, ...names.map((name) => measureChart(stage, name, measured))];
    });
  }
}

const measures: Readonly<Record<string, string>> = {
  psnr: "PSNR in dB",
  ssim: "SSIM",
  usedCodes: "codes in use",
  ciderD: "CIDEr-D",
  bleu4: "BLEU-4",
  exact: "captions equal to a reference",
};

function measureChart(stage: Stage, name: string, measured: readonly LogEntry[]): string {
  const series: Series = {
    name,
    x: measured.map(({ step }) => step),
    y: measured.map(({ metrics }) => metrics?.[name] ?? Number.NaN),
  };
  return lineChart([series], {
    title: `${titles[stage]}, held out: ${measures[name] ?? name}`,
    xLabel: "step",
  });
}
