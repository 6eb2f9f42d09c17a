/** Tables of a sweep for LaTeX, with booktabs. */

import { FREE } from "./scores.js";
import { type Column, number, type SweepTable, titleOf } from "./tables.js";

/** The columns that fit on a page: the paper's metrics, as far as they are computed here. */
const shown = ["bleu1", "bleu2", "bleu3", "bleu4", "meteor", "rougeL", "ciderD", "tupleF1", FREE];

/** Signs that are commands in LaTeX, and those of our labels. */
const signs: Readonly<Record<string, string>> = {
  "\\": "\\textbackslash{}",
  "~": "\\textasciitilde{}",
  "^": "\\textasciicircum{}",
  ω: "$\\omega$",
  τ: "$\\tau$",
  "×": "$\\times$",
  "−": "$-$",
};

/** A text with nothing in it that LaTeX would take for a command. */
export function latexText(text: string): string {
  return text.replace(/[\\~^ωτ×−#$%&_{}]/g, (sign) => signs[sign] ?? `\\${sign}`);
}

/** A table with intervals in small letters; the best mean of each column is bold. */
export function tableLatex({ title, heads, rows }: SweepTable, all: readonly Column[]): string {
  const columns = all.filter(({ name }) => shown.includes(name));
  const best = columns.map(({ name }) =>
    Math.max(...rows.flatMap(({ scores }) => scores.get(name)?.mean ?? []).filter((x) => !Number.isNaN(x))),
  );
  const lines = rows.map(({ head, scores, push, passes }) => {
    const cells = columns.map(({ name, decimals }, i) => {
      const score = scores.get(name);
      if (!score || Number.isNaN(score.mean)) return "--";
      const mean = number(score.mean, decimals);
      const interval = `{\\scriptsize [${number(score.low, decimals)}, ${number(score.high, decimals)}]}`;
      return `${score.mean === best[i] ? `\\textbf{${mean}}` : mean} ${interval}`;
    });
    return `${[...head.map(latexText), ...cells, push.toFixed(3), String(passes)].join(" & ")} \\\\`;
  });
  return [
    "\\begin{table}",
    `\\caption{${latexText(title)}. Means with 95\\,\\% intervals over pictures.}`,
    `\\begin{tabular}{${"l".repeat(heads.length)}${"r".repeat(columns.length + 2)}}`,
    "\\toprule",
    `${[...heads, ...columns.map(titleOf), "push", "passes"].map(latexText).join(" & ")} \\\\`,
    "\\midrule",
    ...lines,
    "\\bottomrule",
    "\\end{tabular}",
    "\\end{table}",
    "",
  ].join("\n");
}
