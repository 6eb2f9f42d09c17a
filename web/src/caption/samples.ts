/** Several captions of one picture: which ones the model draws, and how often. */

import type { Captioner } from "../../../dist/index.js";
import { button, field, h, percent } from "../dom.js";
import type { Sampling } from "./settings.js";

/** One caption among those drawn. */
export interface Counted {
  readonly text: string;
  readonly count: number;
}

/** The different captions with their numbers, the frequent ones first. */
export function counted(texts: readonly string[]): Counted[] {
  const counts = new Map<string, number>();
  for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1);
  return [...counts].map(([text, count]) => ({ text, count })).sort((a, b) => b.count - a.count);
}

/** Draws `count` captions of a picture at once. Throws the signal's reason when aborted. */
export async function drawMany(
  captioner: Captioner,
  ids: Uint32Array,
  count: number,
  sampling: Sampling,
  signal: AbortSignal,
  onStep: (share: number) => void,
): Promise<string[]> {
  const codes = new Uint32Array(ids.length * count);
  for (let i = 0; i < count; i++) codes.set(ids, i * ids.length);
  const { timesteps } = captioner.config.decoder;
  const captions = await captioner.captionCodes(codes, {
    ...sampling,
    onStep: ({ t }) => {
      signal.throwIfAborted();
      onStep(1 - t / timesteps);
    },
  });
  return captions.map(({ text }) => text);
}

export class Samples {
  readonly element: HTMLElement;
  private readonly count = h(
    "select",
    {},
    ...[8, 16, 32, 64].map((n) => h("option", { value: n }, String(n))),
  );
  private readonly rows = h("tbody");
  private readonly table: HTMLElement;

  constructor(onDraw: (count: number) => void) {
    this.count.value = "16";
    this.table = h(
      "table",
      { class: "samples", hidden: true },
      h(
        "thead",
        {},
        h("tr", {}, ...["Caption", "How often", ""].map((name) => h("th", { scope: "col" }, name))),
      ),
      this.rows,
    );
    this.element = h(
      "section",
      { class: "stack samples-panel", "aria-label": "Several samples" },
      h(
        "div",
        { class: "row" },
        field("Samples", this.count),
        button("Draw them", () => onDraw(Number(this.count.value))),
      ),
      this.table,
    );
  }

  clear(): void {
    this.table.hidden = true;
  }

  /** Shows captions with their numbers; `references` are the right ones, if any are known. */
  show(captions: readonly Counted[], references: readonly string[]): void {
    const total = captions.reduce((sum, { count }) => sum + count, 0);
    this.table.hidden = false;
    this.rows.replaceChildren(
      ...captions.map(({ text, count }) => {
        const bar = h("td", { class: "bar" }, `${count} of ${total} (${percent(count / total)})`);
        bar.style.setProperty("--share", `${(100 * count) / total}%`);
        const isRight = references.includes(text);
        const mark = references.length === 0 ? "" : isRight ? "a reference" : "";
        return h("tr", {}, h("td", {}, text || "(no words)"), bar, h("td", { class: "quiet" }, mark));
      }),
    );
  }
}
