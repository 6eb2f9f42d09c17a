/** The numbers of a log entry as curves: names, titles, and how each is drawn. */

import type { LogEntry } from "../io/run-folder.js";

/** Logged beside the losses of an image tokenizer, and no part of their sum. */
const CODE_STATISTICS = new Set(["losses.perplexity", "losses.used"]);

const TITLES: Readonly<Record<string, string>> = {
  "losses.total": "Total loss",
  "losses.perplexity": "Perplexity of the codes of a batch",
  "losses.used": "Codes used in a batch",
  "metrics.psnr": "Held out: PSNR (dB)",
  "metrics.ssim": "Held out: SSIM",
  "metrics.usedCodes": "Held out: codes in use",
  "metrics.ciderD": "Held out: CIDEr-D",
  "metrics.bleu4": "Held out: BLEU-4",
  "metrics.exact": "Held out: captions equal to a reference",
  "metrics.bound": "Held out: bound on −log p (nats)",
  gradNorm: "Gradient norm before clipping",
  learningRate: "Learning rate",
  ms: "Time of a step (ms)",
  memoryMiB: "Peak memory (MiB)",
  waiting: "Share of the time waiting for pictures",
};

/** Quantities of a log entry in the order of charts; `losses.…` and `metrics.…` stand for all of these names. */
const ORDER = ["losses.total", "metrics.", "losses.", "gradNorm", "learningRate", "perSecond", "memoryMiB"];

/** The numbers of an entry by name: `losses.total`, `metrics.ciderD`, `gradNorm` …*/
export function figuresOf(entry: LogEntry): [name: string, value: number][] {
  const { losses, metrics = {}, gradNorm, learningRate, perSecond, ms, bytes, waiting } = entry;
  const figures: [string, number][] = [];
  for (const name in losses) figures.push([`losses.${name}`, losses[name]!]);
  for (const name in metrics) figures.push([`metrics.${name}`, metrics[name]!]);
  figures.push(["gradNorm", gradNorm], ["learningRate", learningRate], ["perSecond", perSecond], ["ms", ms]);
  figures.push(["memoryMiB", bytes / 2 ** 20]);
  if (waiting !== undefined) figures.push(["waiting", waiting]);
  return figures;
}

/** The title of a chart of one quantity. */
export function titleOf(name: string, unit: LogEntry["unit"]): string {
  if (name === "perSecond") return `Throughput (${unit}/s)`;
  const [kind, own] = name.split(".", 2) as [string, string | undefined];
  return TITLES[name] ?? (own === undefined ? kind : kind === "losses" ? `Loss: ${own}` : `Held out: ${own}`);
}

/** Whether a quantity is part of the loss, and not a statistic that is logged beside it. */
export function isLoss(name: string): boolean {
  return name.startsWith("losses.") && !CODE_STATISTICS.has(name);
}

/** Whether a quantity is measured in every step, on one batch, so that a smoothed line tells more. */
export function isNoisy(name: string): boolean {
  return !name.startsWith("metrics.") && name !== "learningRate" && name !== "memoryMiB";
}

/** Whether a quantity is drawn on a logarithmic axis where all values are positive. */
export function isLogarithmic(name: string): boolean {
  return isLoss(name) || name === "gradNorm";
}

/** Sorts quantities into the order of charts. */
export function inOrder(names: Iterable<string>): string[] {
  const rank = (name: string) => {
    const place = ORDER.findIndex((start) => name.startsWith(start));
    return (place < 0 ? ORDER.length : place) + (CODE_STATISTICS.has(name) ? 0.5 : 0);
  };
  return [...names].sort((a, b) => rank(a) - rank(b));
}

/** Weight of the past in the moving average of a curve of `count` points, averaged over about a sixtieth of its length. */
export function smoothingOf(count: number, share = 60): number {
  return 1 - 1 / Math.max(1, count / share);
}
