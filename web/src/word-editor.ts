/** Edits one word of a caption: lock, mask or replace it. */

import type { Tokenizer } from "../../dist/index.js";
import type { Word } from "./caption-words.js";
import { button, h, percent } from "./dom.js";
import { Messages } from "./messages.js";
import type { Mark } from "./word-row.js";

/** Most alternatives listed for a word. */
const alternatives = 6;

export interface WordEdit {
  /** The word's first token. */
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

  /** Shows the choices for a word of the last step; `index` counts the words before it. */
  show(index: number, shown: Word, mark: Mark | undefined, tokenizer: Tokenizer): void {
    const { text: word, from: position } = shown;
    const edit = (mark: Mark | null) => this.onEdit({ position, mark });
    const toggle = (text: string, on: boolean, mark: Mark) =>
      button(text, () => edit(on ? null : mark), { "aria-pressed": String(on) });
    const said = mark?.kind === "locked" ? mark.word : word;
    const name = (word: string) => (word === "[END]" ? "end of the caption" : word);
    const listed = shown.alternatives.filter((other) => other.word !== "[UNK]").slice(0, alternatives);
    this.element.hidden = false;
    this.element.setAttribute("aria-label", `Position ${index + 1}: ${name(said)}`);
    this.element.replaceChildren(
      h(
        "div",
        { class: "row" },
        h("strong", {}, `${index + 1}: ${name(said)}`),
        h("span", { class: "quiet" }, `probability of “${name(word)}”: ${percent(shown.probability)}`),
        ...(word === "[UNK]" ? [] : [toggle("Lock", mark?.kind === "locked", { kind: "locked", word })]),
        toggle("Mask", mark?.kind === "masked", { kind: "masked" }),
        button("Close", this.onClose, { class: "plain" }),
      ),
      h(
        "div",
        { class: "row alternatives", role: "group", "aria-label": "Alternatives at this position" },
        h("span", { class: "quiet" }, "Instead:"),
        ...listed.map((other) => {
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
      const tokens = tokenizer.encode(word);
      if (tokenizer.spans(tokens).length !== 1) messages.show("word", "Type a single word.");
      else if (tokenizer.unknownWords(word).length > 0)
        messages.show(
          "word",
          `“${word}” is not among the ${tokenizer.vocabularySize} words that this model knows.`,
        );
      else use(tokenizer.decode(tokens));
    });
    return form;
  }
}
