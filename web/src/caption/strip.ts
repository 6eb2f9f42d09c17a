/** The moving strip at the top: the words of a recorded caption fall into [MASK], and come back. It moves once, or when asked. */

import run from "../../measured/strip.json" with { type: "json" };
import { button, h } from "../dom.js";

/** Milliseconds for each state. All of them take less than 5 seconds, after which moving content would need a pause. */
const pace = 200;

interface Frame {
  readonly phase: "forward" | "reverse";
  readonly t: number;
  readonly words: readonly string[];
}

/** The strip's states: x_0 … x_T drawn by the forward process, and x_T … x_0 as the model denoised it. */
const frames: readonly Frame[] = [
  ...run.forward.map((state) => ({ phase: "forward" as const, ...state })),
  ...run.reverse.map((state) => ({ phase: "reverse" as const, ...state })),
];
/** Places shown: those of the caption's words and one for its end. */
const places = run.text.split(" ").length + 1;

export class Strip {
  readonly element: HTMLElement;
  private readonly words = Array.from({ length: places }, () => h("li", { class: "chip" }));
  private readonly phases = {
    forward: h("span", {}, "Forward: words turn into [MASK]"),
    reverse: h("span", {}, "Reverse: they come back"),
  };
  private readonly time = h("span", { class: "quiet" });
  private readonly again: HTMLButtonElement;
  private timer: ReturnType<typeof setInterval> | null = null;

  constructor() {
    this.again = button("Show again", () => this.play(), { class: "small" });
    this.element = h(
      "figure",
      {
        class: "strip",
        "aria-label": `A recorded example: the caption “${run.text}” is masked word by word, and denoised`,
      },
      h(
        "figcaption",
        { class: "row strip-head" },
        this.phases.forward,
        this.phases.reverse,
        this.time,
        this.again,
      ),
      h("ol", { class: "chips", "aria-hidden": "true" }, ...this.words),
    );
    this.show(frames.length - 1);
    if (!matchMedia("(prefers-reduced-motion: reduce)").matches) this.play();
  }

  private play(): void {
    if (this.timer !== null) clearInterval(this.timer);
    let index = 0;
    this.show(0);
    this.timer = setInterval(() => {
      this.show(++index);
      if (index < frames.length - 1) return;
      clearInterval(this.timer!);
      this.timer = null;
    }, pace);
  }

  private show(index: number): void {
    const { phase, t, words } = frames[index]!;
    for (const [name, element] of Object.entries(this.phases))
      element.setAttribute("data-now", String(name === phase));
    this.time.textContent = `t = ${t}`;
    this.words.forEach((element, i) => {
      const word = words[i]!;
      element.textContent = word === "[END]" ? "end" : word;
      element.dataset.kind = word === "[MASK]" ? "mask" : word === "[END]" ? "end" : "word";
    });
  }
}
