/** The words of a caption at one denoising step. */

import { markOf, type Word } from "./caption-words.js";
import { h } from "./dom.js";

export interface WordRowOptions {
  label: string;
  /** Makes the words buttons. Called with the index of the word that is pressed. */
  onPress?: (index: number) => void;
  /** Called with the index of the word that gets the pointer or the focus; null when it leaves. */
  onPoint?: (index: number | null) => void;
}

/** A word that the user locked, replaced or masked. */
export type Mark = { kind: "locked"; word: string } | { kind: "masked" };

export class WordRow {
  readonly element: HTMLOListElement;
  private readonly options: WordRowOptions;
  private readonly words: HTMLElement[] = [];

  constructor(options: WordRowOptions) {
    this.options = options;
    this.element = h("ol", { class: "words", "aria-label": options.label });
  }

  /** Shows the words of a step, the user's marks by token, and the index of the word that is being edited. */
  show(
    words: readonly Word[],
    marks: ReadonlyMap<number, Mark> = new Map(),
    chosen: number | null = null,
  ): void {
    this.grow(words.length);
    const end = words.findIndex((word) => markOf(marks, word) === undefined && word.text === "[END]");
    words.forEach(({ text: word, probability }, i) => {
      const element = this.words[i]!;
      const mark = markOf(marks, words[i]!);
      const shown = mark?.kind === "masked" ? "[MASK]" : mark?.kind === "locked" ? mark.word : word;
      const kind = shown === "[MASK]" ? "mask" : shown === "[END]" ? "end" : "word";
      element.textContent = kind === "mask" ? "[MASK]" : kind === "end" ? "end" : shown;
      element.dataset.kind = kind;
      element.dataset.word = word;
      element.dataset.past = String(end >= 0 && i > end);
      element.dataset.mark = mark?.kind ?? "";
      element.style.removeProperty("--weight");
      element.style.setProperty("--sure", kind === "mask" ? "0" : probability.toFixed(3));
      const spoken = kind === "mask" ? "masked" : kind === "end" ? "end of the caption" : shown;
      const marked = mark ? `, ${mark.kind}` : "";
      element.setAttribute("aria-label", `${i + 1}: ${spoken}${marked}`);
      if (this.options.onPress) element.setAttribute("aria-pressed", String(chosen === i));
    });
  }

  /** Tints the words by their weights, relative to the largest; null: no tint. */
  tint(weights: readonly number[] | null): void {
    const most = Math.max(1e-9, ...(weights ?? []));
    this.words.forEach((element, i) => {
      if (weights) element.style.setProperty("--weight", (weights[i]! / most).toFixed(3));
      else element.style.removeProperty("--weight");
    });
  }

  /** Underlines the words that differ from another caption's with the same index; null: none. */
  compare(others: readonly string[] | null): void {
    this.words.forEach((element, i) => {
      const word = element.dataset.word;
      element.dataset.differs = String(others !== null && others[i] !== word);
    });
  }

  /** Focuses a word. */
  focus(index: number): void {
    this.words[index]?.focus();
  }

  private grow(count: number): void {
    while (this.words.length > count) this.words.pop()!.parentElement!.remove();
    for (let i = this.words.length; i < count; i++) {
      const { onPress, onPoint } = this.options;
      const element = onPress ? h("button", { type: "button", class: "word" }) : h("span", { class: "word" });
      if (onPress) element.addEventListener("click", () => onPress(i));
      if (onPoint) {
        for (const event of ["pointerenter", "focus"] as const)
          element.addEventListener(event, () => onPoint(i));
        for (const event of ["pointerleave", "blur"] as const)
          element.addEventListener(event, () => onPoint(null));
      }
      this.words.push(element);
      this.element.append(h("li", {}, element));
    }
  }
}
