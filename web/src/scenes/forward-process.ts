/** How it works: the caption of the scene as training would noise it, at any step of the forward process. */

import type { Schedule, Tokenizer } from "../../../dist/index.js";
import { button, h } from "../dom.js";

/** What is drawn for a position once, so that the slider shows one history. */
interface Draw {
  /** Uniform in [0, 1): below γ̄_t the position is masked, from 1 − M·β̄_t on it is replaced. Each step has the marginal q(x_t | x_0). */
  readonly at: number;
  /** The token in its place if it is replaced. */
  readonly other: number;
}

/** A slider over t with the caption's words at t. */
export class ForwardProcess {
  readonly element: HTMLElement;
  private readonly slider = h("input", {
    type: "range",
    min: 0,
    max: 0,
    value: 0,
    "aria-label": "Step t of the forward process",
  });
  private readonly text = h("output", { class: "quiet" });
  private readonly words = h("ol", { class: "chips", "aria-label": "The caption at step t" });
  private shown: { ids: readonly number[]; tokenizer: Tokenizer; schedule: Schedule } | null = null;
  private draws: readonly Draw[] = [];

  constructor() {
    this.slider.addEventListener("input", () => this.paint());
    this.element = h(
      "section",
      { class: "forward", "aria-label": "How it works", hidden: true },
      h("h2", {}, "How it works"),
      h(
        "p",
        {},
        "Training noises true captions: by step t each word has turned into [MASK], or into any other word, the more likely the larger t is. The network learns to tell the clean words from such a caption and the codes of the picture. To caption a picture it starts at the largest t, where nearly all is masked, and goes back: the slider above shows those steps, the one below noises the caption again.",
      ),
      h(
        "div",
        { class: "scrubber" },
        button("Redraw", () => this.draw()),
        this.slider,
        this.text,
      ),
      this.words,
    );
  }

  /** Shows the tokens of a finished caption; null: nothing. */
  show(ids: readonly number[] | null, tokenizer: Tokenizer, schedule: Schedule): void {
    this.element.hidden = ids === null;
    if (ids === null || String(ids) === String(this.shown?.ids ?? "")) return;
    this.shown = { ids, tokenizer, schedule };
    this.slider.max = String(schedule.steps);
    this.draw();
  }

  private draw(): void {
    const { ids, schedule } = this.shown!;
    this.draws = ids.map(() => ({
      at: Math.random(),
      other: Math.floor(Math.random() * schedule.tokens),
    }));
    this.paint();
  }

  private paint(): void {
    if (!this.shown) return;
    const { ids, tokenizer, schedule } = this.shown;
    const t = Number(this.slider.value);
    const [masked, replaced] = [schedule.gammaBar[t]!, schedule.uniformBar[t]!];
    const state = ids.map((id, i) => {
      const { at, other } = this.draws[i]!;
      return at < masked ? schedule.tokens : at >= 1 - replaced ? other : id;
    });
    const masks = state.filter((id) => id === schedule.tokens).length;
    const others = state.filter((id, i) => id !== schedule.tokens && id !== ids[i]).length;
    this.text.textContent = `t = ${t}: ${masks} of ${ids.length} masked, ${others} replaced`;
    this.slider.setAttribute("aria-valuetext", this.text.textContent);
    this.words.replaceChildren(
      ...state.map((id, i) => {
        const word = tokenizer.word(id);
        const kind =
          id === schedule.tokens ? "mask" : word === "[END]" ? "end" : id === ids[i] ? "word" : "other";
        return h("li", { class: "chip", "data-kind": kind }, kind === "end" ? "end" : word);
      }),
    );
  }
}
