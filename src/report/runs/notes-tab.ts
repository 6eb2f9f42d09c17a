/** Facts and the note of each chosen run. */

import { formatDuration } from "../duration.js";
import { element } from "./dom.js";
import type { NoteListing, RunListing, StageListing } from "./listing.js";
import type { ChosenRun } from "./session.js";
import { runName } from "./tables-tab.js";

/** `vqvae 1,600 of 1,600 steps, 22 min 18 s`. */
export function stageText({ stage, step, steps, seconds }: StageListing): string {
  const of = steps === null ? "" : ` of ${steps.toLocaleString("en-US")}`;
  return `${stage} ${step.toLocaleString("en-US")}${of} steps, ${formatDuration(seconds)}`;
}

/** The panel of one run, which stays in the page while its run changes: nobody loses the text that they are writing. */
export class NotePanel {
  readonly element = element("article");
  readonly #facts = element("div");
  readonly #text = element("textarea", { rows: 4, spellcheck: true });
  readonly #status = element("output");
  readonly #save: HTMLButtonElement;
  readonly #id: string;
  #version: string | null = null;
  #saved = "";

  constructor(id: string) {
    this.#id = id;
    this.#text.setAttribute("aria-label", `Note of ${id}`);
    this.#text.addEventListener("input", () => this.#tell());
    this.#save = element("button", { type: "button", onclick: () => void this.save() }, "Save note");
    this.element.append(this.#facts, this.#text, element("div", { class: "row" }, this.#save, this.#status));
  }

  /** Shows the run as it is now. A text that has been changed here is kept. */
  show(one: ChosenRun): void {
    const { run } = one;
    this.#facts.replaceChildren(element("h3", {}, runName(one)), ...facts(run));
    if (run.note.version !== this.#version && !this.#isChanged) this.#take(run.note);
    this.#tell();
  }

  async save(): Promise<void> {
    const params = new URLSearchParams({ run: this.#id });
    if (this.#version !== null) params.set("version", this.#version);
    const text = this.#text.value;
    const response = await fetch(`note?${params}`, { method: "PUT", body: text }).catch(() => null);
    if (response?.status === 409) {
      const present = (await response.json()) as NoteListing;
      this.#version = present.version;
      this.#saved = present.text;
      this.#status.textContent = `The file has been changed meanwhile; saving again replaces: ${present.text}`;
    } else if (response?.ok) {
      const kept = (await response.json()) as NoteListing;
      this.#version = kept.version;
      this.#saved = text;
      this.#tell();
      this.#status.textContent = "saved in notes.md of the run's folder";
    } else this.#status.textContent = response ? await response.text() : "The server does not answer.";
  }

  get #isChanged(): boolean {
    return this.#text.value !== this.#saved;
  }

  #take({ text, version }: NoteListing): void {
    [this.#version, this.#saved, this.#text.value] = [version, text, text];
  }

  #tell(): void {
    this.#save.disabled = !this.#isChanged;
    this.#status.textContent = this.#isChanged ? "not saved" : "";
  }
}

function facts({ id, state, config, stages, problems, data, hasReport, lines }: RunListing): Node[] {
  const texts = [
    state,
    `${config.model ?? "?"} on ${config.imageTokenizer ?? "?"}, seed ${config.seed ?? "?"}`,
    ...stages.map(stageText),
    `${lines.toLocaleString("en-US")} lines of log.jsonl`,
    ...(data
      ? [
          `pictures: ${Object.entries(data.pictures)
            .map(([split, count]) => `${split} ${count.toLocaleString("en-US")}`)
            .join(", ")}`,
        ]
      : []),
  ];
  const report = `report?${new URLSearchParams({ run: id })}`;
  return [
    element("p", {}, texts.join(" · ")),
    ...(problems.length > 0
      ? [element("ul", { class: "warn" }, ...problems.map((text) => element("li", {}, text)))]
      : []),
    ...(hasReport
      ? [element("p", {}, element("a", { href: report, target: "_blank", rel: "noopener" }, "report.html"))]
      : []),
  ];
}
