/** The runs that the browser keeps: which there are, one to open, others to compare with. */

import { button, h } from "../dom.js";
import { begun, type KeptRun } from "./kept.js";

export interface RunActions {
  /** Opens a run: its curves, and the buttons for it. */
  open(run: KeptRun): void;
  /** Asks whether to remove it. */
  remove(run: KeptRun): void;
  /** The runs to compare with changed. */
  compare(): void;
}

export class Runs {
  readonly element: HTMLElement;
  private readonly rows = h("tbody");
  private readonly chosen = new Set<string>();
  private readonly actions: RunActions;
  private runs: readonly KeptRun[] = [];

  constructor(actions: RunActions) {
    this.actions = actions;
    const names = ["Begun", "State", "CIDEr-D, held out", "Compare", "", ""];
    this.element = h(
      "section",
      { "aria-label": "Runs kept in this browser", hidden: true },
      h("h2", {}, "Runs kept in this browser"),
      h(
        "div",
        { class: "scroll", tabindex: 0, role: "group", "aria-label": "Table of runs" },
        h(
          "table",
          { class: "samples", id: "train-runs" },
          h(
            "thead",
            {},
            h("tr", {}, ...names.map((name) => (name ? h("th", { scope: "col" }, name) : h("td")))),
          ),
          this.rows,
        ),
      ),
    );
  }

  /** The runs to compare with. */
  get compared(): readonly KeptRun[] {
    return this.runs.filter(({ id }) => this.chosen.has(id));
  }

  /** Shows the stored runs, the newest first; `current` is open. While one is `busy`, none can be opened or removed. */
  show(runs: readonly KeptRun[], current: string | null, busy: boolean): void {
    this.runs = runs;
    for (const id of this.chosen)
      if (!runs.some((run) => run.id === id) || id === current) this.chosen.delete(id);
    this.element.hidden = runs.length === 0;
    this.rows.replaceChildren(
      ...runs.toReversed().map((run) => {
        const { id, log, isFinished } = run;
        const name = begun(id);
        const compare = h("input", { type: "checkbox", "aria-label": `Compare with the run of ${name}` });
        compare.checked = this.chosen.has(id);
        compare.disabled = id === current;
        compare.addEventListener("change", () => {
          if (compare.checked) this.chosen.add(id);
          else this.chosen.delete(id);
          this.actions.compare();
        });
        const score = log.findLast(({ metrics }) => metrics?.ciderD !== undefined)?.metrics?.ciderD;
        const open = button("Open", () => this.actions.open(run), {
          disabled: busy || id === current,
          "aria-label": `Open the run of ${name}`,
        });
        const remove = button("Remove …", () => this.actions.remove(run), {
          disabled: busy,
          "aria-label": `Remove the run of ${name}`,
        });
        return h(
          "tr",
          { "data-run": id },
          h("td", {}, `${name}${id === current ? " (open)" : ""}`),
          h("td", {}, isFinished ? `finished: ${reached(run)}` : `stopped at ${reached(run)}`),
          h("td", {}, score === undefined ? "–" : score.toFixed(2)),
          h("td", {}, compare),
          h("td", {}, open),
          h("td", {}, remove),
        );
      }),
    );
  }
}

/** How far a run is: "decoder step 40 of 120". */
export function reached({ log, steps }: KeptRun): string {
  const last = log.at(-1);
  if (!last) return "the start";
  const stage = last.stage === "decoder" ? "decoder" : "vqvae";
  return `${stage === "decoder" ? "decoder" : "VQ-VAE"} step ${last.step} of ${steps[stage]}`;
}
