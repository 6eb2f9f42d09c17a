/** Faults by kind and moment, as a Markdown table. */

import type { Moment } from "./attempt.js";
import type { Struck } from "./torture.js";

const titles: Record<Moment, string> = {
  data: "data",
  vqvae: "VQ-VAE",
  checkpoint: "checkpoint",
  encoding: "encoding",
  decoder: "decoder",
  scores: "scores",
  report: "report",
};

export function faultsTable(struck: readonly Struck[]): string {
  const moments = Object.keys(titles) as Moment[];
  const row = (head: string, of: readonly Struck[]) =>
    `| ${[head, ...moments.map((moment) => of.filter(({ at }) => at === moment).length), of.length].join(" | ")} |`;
  const kinds = [...new Set(struck.map(({ fault }) => fault))].sort();
  return [
    `| fault | ${moments.map((moment) => titles[moment]).join(" | ")} | all |`,
    `| --- |${" --- |".repeat(moments.length + 1)}`,
    ...kinds.map((kind) =>
      row(
        kind,
        struck.filter(({ fault }) => fault === kind),
      ),
    ),
    row("all", struck),
  ].join("\n");
}
