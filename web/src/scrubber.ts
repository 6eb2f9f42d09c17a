/** A slider over denoising steps, and a button that plays them. */

import type { DenoiseStep } from "../../dist/index.js";
import { button, h } from "./dom.js";

/** What the scrubber shows of a step. */
type Step = Pick<DenoiseStep, "u" | "words">;

/** Milliseconds per step during playback. */
const pace = 220;

export class Scrubber {
  readonly element: HTMLElement;
  private readonly slider: HTMLInputElement;
  private readonly text: HTMLOutputElement;
  private readonly play: HTMLButtonElement;
  private readonly onMove: (index: number) => void;
  private steps: readonly Step[] = [];
  private timer: ReturnType<typeof setInterval> | null = null;

  /** Calls `onMove` with the step that is selected or played. */
  constructor(onMove: (index: number) => void) {
    this.onMove = onMove;
    this.slider = h("input", { type: "range", min: 0, max: 0, value: 0, "aria-label": "Denoising step" });
    this.slider.addEventListener("input", () => {
      this.stop();
      this.move(Number(this.slider.value));
    });
    this.text = h("output", { class: "quiet" });
    this.play = button("Play", () => (this.timer === null ? this.start() : this.stop()));
    this.element = h("div", { class: "scrubber" }, this.play, this.slider, this.text);
    this.show([], null);
  }

  /** Shows the steps so far. `index`: the step to select; null: the last. */
  show(steps: readonly Step[], index: number | null): void {
    this.steps = steps;
    this.slider.max = String(Math.max(0, steps.length - 1));
    this.slider.disabled = steps.length === 0;
    this.play.disabled = steps.length < 2;
    this.label(index ?? steps.length - 1);
  }

  private label(index: number): void {
    this.slider.value = String(index);
    const step = this.steps[index];
    const masks = step?.words.filter((word) => word === "[MASK]").length ?? 0;
    const text = step ? `t = ${step.u}, ${masks} of ${step.words.length} masked` : "no steps yet";
    this.text.textContent = text;
    this.slider.setAttribute("aria-valuetext", text);
  }

  private move(index: number): void {
    this.label(index);
    this.onMove(index);
  }

  private start(): void {
    this.play.textContent = "Pause";
    let index = Number(this.slider.value) >= this.steps.length - 1 ? 0 : Number(this.slider.value);
    this.move(index);
    this.timer = setInterval(() => {
      if (index >= this.steps.length - 1) return this.stop();
      this.move(++index);
    }, pace);
  }

  /** Stops playback. */
  stop(): void {
    if (this.timer !== null) clearInterval(this.timer);
    this.timer = null;
    this.play.textContent = "Play";
  }
}
