/** Differences over trainings as Markdown, a table for each kind. */

import { SIGNIFICANT } from "../../metrics/significance.js";
import type { JoinedDifference } from "./trainings.js";

const signed = (value: number): string => `${value >= 0 ? "+" : ""}${Number(value.toPrecision(3))}`;

/** A table for each kind of difference, with each training's own number; * where the adjusted p is below 0.05. */
export function trainingsMarkdown(joined: readonly JoinedDifference[]): string {
  const kinds = [...new Set(joined.map(({ kind }) => kind))];
  return kinds
    .map((kind) => {
      const rows = joined
        .filter((entry) => entry.kind === kind)
        .map(({ split, metric, of, minus, over, holm }) => {
          const interval = `${signed(over.mean)} [${signed(over.low)}, ${signed(over.high)}]`;
          const p = Number.isNaN(holm) ? "–" : `${holm.toPrecision(2)}${holm < SIGNIFICANT ? "*" : ""}`;
          const cells = [split, metric, `${of} − ${minus}`, interval, over.each.map(signed).join("; "), p];
          return `| ${cells.join(" | ")} |`;
        });
      return [
        `**${kind}**\n`,
        "| split | metric | difference | mean [95 % over trainings] | each training | p, Holm |",
        "| --- | --- | --- | --- | --- | --- |",
        ...rows,
      ].join("\n");
    })
    .join("\n\n");
}
