/** Edits one word of a caption: lock, mask or replace it. */

import type { DenoiseStep, Tokenizer } from "../../dist/index.js";
import { button, h, percent } from "./dom.js";
import { Messages } from "./messages.js";
import type { Mark } from "./word-row.js";

export interface WordEdit {
  position: number;
  /** Null removes the mark. */
  mark: Mark | null;
}

export class WordEditor {
  readonly element: HTMLElement;
  private readonly onEdit: (edit: WordEdit) => void;
  private readonly onClose: () => void;

  constructor(onEdit: (edit: WordEdit) => void, onClose: () => void) {
    this.onEdit = onEdit;
    this.onClose = onClose;
    this.element = h("div", { class: "editor", role: "group", hidden: true });
    this.element.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.onClose();
    });
  }

  hide(): void {
    this.element.hidden = true;
  }

  /** Shows the choices for a position of the last step. */
  show(position: number, step: DenoiseStep, mark: Mark | undefined, tokenizer: Tokenizer): void {
    const word = step.words[position]!;
    const edit = (mark: Mark | null) => this.onEdit({ position, mark });
    const toggle = (text: string, on: boolean, mark: Mark) =>
      button(text, () => edit(on ? null : mark), { "aria-pressed": String(on) });
    const said = mark?.kind === "locked" ? mark.word : word;
    const name = (word: string) => (word === "[END]" ? "end of the caption" : word);
    this.element.hidden = false;
    this.element.setAttribute("aria-label", `Position ${position + 1}: ${name(said)}`);
    this.element.replaceChildren(
      h(
        "div",
        { class: "row" },
        h("strong", {}, `${position + 1}: ${name(said)}`),
        h(
          "span",
          { class: "quiet" },
          `probability of “${name(word)}”: ${percent(step.probabilities[position]!)}`,
        ),
        ...(word === "[UNK]" ? [] : [toggle("Lock", mark?.kind === "locked", { kind: "locked", word })]),
        toggle("Mask", mark?.kind === "masked", { kind: "masked" }),
        button("Close", this.onClose, { class: "plain" }),
      ),
      h(
        "div",
        { class: "row alternatives", role: "group", "aria-label": "Alternatives at this position" },
        h("span", { class: "quiet" }, "Instead:"),
        ...step.alternatives[position]!.filter((other) => other.word !== "[UNK]").map((other) => {
          const item = button("", () => edit({ kind: "locked", word: other.word }), {
            "aria-pressed": String(mark?.kind === "locked" && mark.word === other.word),
          });
          item.append(name(other.word), " ", h("span", { class: "quiet" }, percent(other.probability)));
          return item;
        }),
        this.anyWord(tokenizer, (word) => edit({ kind: "locked", word })),
      ),
    );
  }

  private anyWord(tokenizer: Tokenizer, use: (word: string) => void): HTMLFormElement {
    const input = h("input", {
      type: "text",
      size: 10,
      autocomplete: "off",
      spellcheck: "false",
      "aria-label": "Another word",
    });
    const problems = h("div");
    const messages = new Messages(problems);
    const form = h("form", { class: "row" }, input, h("button", {}, "Use this word"), problems);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const word = input.value.trim();
      if (tokenizer.encode(word).length !== 1) messages.show("word", "Type a single word.");
      else if (tokenizer.unknownWords(word).length > 0)
        messages.show(
          "word",
          `“${word}” is not among the ${tokenizer.vocabularySize} words that this model knows.`,
        );
      else use(tokenizer.word(tokenizer.encode(word)[0]!));
    });
    return form;
  }
}
