/** One picture and one seed with several numbers of steps and several temperatures, side by side. */

import type { Captioner } from "../../../dist/index.js";
import { button, h } from "../dom.js";
import { withCodes } from "../encoded.js";
import type { Sampling } from "./settings.js";

const temperatures = [0, 0.5, 1, 1.5] as const;

/** Numbers of steps to compare: one, a few, and the model's own. */
export function stepCounts({ config }: Captioner): number[] {
  const { sampling, decoder } = config;
  const counts = [1, 5, sampling.steps].filter((count) => count <= decoder.timesteps);
  return [...new Set(counts)].sort((a, b) => a - b);
}

export class Sweep {
  readonly element: HTMLElement;
  private readonly table = h("table", { class: "sweep", hidden: true });

  constructor(onRun: () => void) {
    this.element = h(
      "section",
      { class: "stack", "aria-label": "Steps and temperature side by side" },
      h(
        "div",
        { class: "row" },
        button("Compare steps and temperatures", onRun),
        h("span", { class: "quiet" }, "the same seed in every cell"),
      ),
      h(
        "div",
        { class: "scroll", tabindex: 0, role: "group", "aria-label": "Table of captions" },
        this.table,
      ),
    );
  }

  clear(): void {
    this.table.hidden = true;
  }

  /** Fills the table, cell by cell. Throws the signal's reason when aborted. */
  async run(
    captioner: Captioner,
    ids: Uint32Array,
    { guidance, seed }: Sampling,
    references: readonly string[],
    signal: AbortSignal,
    onCell: (done: number, total: number) => void,
  ): Promise<void> {
    const counts = stepCounts(captioner);
    const cells = counts.map(() => temperatures.map(() => h("td", {}, "…")));
    const named = (scope: string, text: string) => h("th", { scope }, text);
    this.table.replaceChildren(
      h("caption", { class: "quiet small" }, "Rows: denoising steps. Columns: temperature."),
      h(
        "thead",
        {},
        h("tr", {}, named("col", "Steps"), ...temperatures.map((value) => named("col", String(value)))),
      ),
      h("tbody", {}, ...counts.map((count, row) => h("tr", {}, named("row", String(count)), ...cells[row]!))),
    );
    this.table.hidden = false;
    let done = 0;
    await withCodes(captioner, ids, async (codes) => {
      for (const [row, steps] of counts.entries()) {
        for (const [column, temperature] of temperatures.entries()) {
          const { text } = await captioner.caption(codes, { steps, temperature, seed, guidance, signal });
          const cell = cells[row]![column]!;
          cell.textContent = text || "(no words)";
          if (references.includes(text))
            cell.append(" ", h("span", { class: "quiet small" }, "(a reference)"));
          onCell(++done, counts.length * temperatures.length);
        }
      }
    });
  }
}
