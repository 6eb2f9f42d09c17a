/** The Guidance lab: one picture, one seed, four guidance methods side by side. */

import {
  type Captioner,
  type DenoiseStep,
  fullWeight,
  type GuidanceMethod,
  type Tokenizer,
} from "../../../dist/index.js";
import type { App } from "../app.js";
import { type Word, wordsOf } from "../caption-words.js";
import { CodeGrid } from "../code-grid.js";
import { button, field, h, percent } from "../dom.js";
import { type Encoded, encode, imageData, withCodes } from "../encoded.js";
import { type Gallery, galleryPicture } from "../gallery.js";
import type { Picture } from "../picture.js";
import { acceptPictures, galleryStrip } from "../picture-input.js";
import { Scrubber } from "../scrubber.js";
import { WordRow } from "../word-row.js";

/** p: prediction from all codes; p₀: from none; pₘ: with the hidden codes masked. */
const methods: readonly { method: GuidanceMethod; title: string; formula: (scale: number) => string }[] = [
  { method: "none", title: "None", formula: () => "log p" },
  { method: "cfg", title: "Classifier-free", formula: (w) => `log p₀ + ${w} (log p − log p₀)` },
  { method: "mcs", title: "MCS", formula: (w) => `log pₘ + ${w} (log p − log pₘ)` },
  { method: "mcs-printed", title: "MCS as printed", formula: (w) => `${w} log pₘ + (1 − ${w}) log p` },
];

export function mount(panel: HTMLElement, app: App): void {
  new GuidanceLab(panel, app);
}

/** One method's caption and its elements. */
class Column {
  readonly element: HTMLElement;
  readonly method: GuidanceMethod;
  steps: DenoiseStep[] = [];
  /** The settings that the steps were sampled with. Sampling again with the same settings is unnecessary. */
  drawnWith = "";
  private readonly formulaOf: (scale: number) => string;
  private readonly formula = h("p", { class: "formula quiet" });
  private readonly text = h("p", { class: "outcome" });
  private readonly facts = h("p", { class: "quiet small" });
  private readonly row: WordRow;

  constructor({ method, title, formula }: (typeof methods)[number]) {
    this.method = method;
    this.formulaOf = formula;
    this.row = new WordRow({ label: `Caption by ${title}` });
    this.element = h(
      "section",
      { class: "card", "aria-label": title, "data-method": method },
      h("h2", {}, title),
      this.formula,
      this.text,
      this.row.element,
      this.facts,
    );
  }

  showScale(scale: number): void {
    const weight = fullWeight({ method: this.method, scale });
    const says = this.method === "none" ? "" : weight === 1 ? "; this ω gives the full prediction alone" : "";
    this.formula.textContent = `${this.formulaOf(scale)}${says}`;
  }

  /** The words of step `index`, or of the last before it. */
  words(index: number | null, tokenizer: Tokenizer | null): Word[] {
    const step = this.steps[Math.min(index ?? Number.POSITIVE_INFINITY, this.steps.length - 1)];
    return step && tokenizer ? wordsOf(step, tokenizer) : [];
  }

  show(index: number | null, plain: readonly Word[] | null, tokenizer: Tokenizer | null): void {
    this.row.show(this.words(index, tokenizer));
    this.row.compare(plain?.map(({ text }) => text) ?? null);
    const last = this.steps.at(-1);
    const isDone = last?.u === 0;
    this.text.textContent = isDone ? last.text || "(no words)" : this.steps.length > 0 ? "…" : "waiting";
    const words = isDone ? this.words(null, tokenizer) : [];
    const end = words.findIndex(({ text }) => text === "[END]");
    const said = words.slice(0, end < 0 ? undefined : end + 1).map(({ probability }) => probability);
    this.facts.textContent =
      said.length > 0
        ? `mean probability p̃ of the words: ${percent(said.reduce((a, b) => a + b, 0) / said.length)}`
        : "";
  }
}

class GuidanceLab {
  private readonly app: App;
  private readonly panel: HTMLElement;
  private readonly columns = methods.map((method) => new Column(method));
  private readonly grid: CodeGrid;
  private readonly scrubber: Scrubber;
  private readonly scale = h("input", { type: "range", min: 0, max: 5, step: 0.25, value: 2 });
  private readonly scaleText = h("output", {});
  private readonly seed = h("input", { type: "number", min: 0, max: 4294967295, value: 1 });
  private readonly hiddenText = h("p", { class: "quiet", "aria-live": "polite" });
  private readonly stop: HTMLButtonElement;
  private encoded: Encoded | null = null;
  private index: number | null = null;
  private isStale = true;
  /** The picture that the lab opens with, while the user has chosen none. */
  private example: Picture | null = null;
  /** Whether it is known if there is such a picture. */
  private isSettled = false;
  private readonly found = h("p", { class: "quiet", id: "guidance-example" });

  constructor(panel: HTMLElement, app: App) {
    this.app = app;
    this.panel = panel;
    panel.dataset.finished = "0";
    this.grid = new CodeGrid({
      label: "The codes that MCS hides: paint with the pointer, or move with the arrow keys and press space",
      onPaint: () => void this.run(),
    });
    this.scrubber = new Scrubber((index) => {
      this.index = index;
      this.show();
    });
    this.stop = button("Stop", () => void app.stopWork(), { disabled: true });
    this.scale.addEventListener("input", () => this.showScale());
    for (const input of [this.scale, this.seed]) input.addEventListener("change", () => void this.run());
    this.lay();
    acceptPictures(panel, app);
    const renew = () => {
      this.encoded = null;
      for (const column of this.columns) {
        column.drawnWith = "";
        column.steps = [];
      }
      void this.run();
    };
    app.on("picture", () => {
      if (!app.isChosen && this.example) return;
      this.example = null;
      this.found.textContent = "";
      renew();
    });
    app.on("captioner", renew);
    app.on("busy", (busy) => {
      this.stop.disabled = !busy;
    });
    // Changes made while the panel was hidden are computed when it becomes visible.
    app.on("tab", () => {
      if (this.isStale) void this.run();
    });
    this.showScale();
    const begin = async (gallery: Gallery) => {
      await this.useExample(gallery);
      this.isSettled = true;
      renew();
    };
    if (app.gallery) void begin(app.gallery);
    else app.on("gallery", (gallery) => void begin(gallery));
    this.show();
  }

  private get picture(): Picture | null {
    return this.example ?? this.app.picture;
  }

  /** Uses the first example of the search, unless the user has chosen a picture. */
  private async useExample(gallery: Gallery): Promise<void> {
    const { guidance } = gallery;
    const first = guidance?.examples[0];
    if (!guidance || !first || this.app.isChosen) return;
    const about = "an example found by search";
    // Without it the lab opens on the other tab's picture.
    const picture = await galleryPicture(gallery, { ...first, about }).catch(() => null);
    if (!picture || this.app.isChosen) return;
    this.example = picture;
    this.seed.value = String(first.seed);
    this.scale.value = String(guidance.scale);
    this.showScale();
    const { none = 0, cfg = 0, mcs = 0 } = first.rightOfSeeds;
    this.found.textContent = `A search of ${guidance.searched} validation pictures found this example, where guidance matters. Of ${guidance.seeds} captions with different seeds, ${none} ${none === 1 ? "was" : "were"} right without guidance, ${cfg} with classifier-free guidance and ${mcs} with MCS (ω = ${guidance.scale}). Reference captions: ${first.captions.map((text) => `“${text}”`).join(", ")}.`;
  }

  private lay(): void {
    const random = (rate: number) =>
      Uint8Array.from({ length: this.grid.marks.length }, () => (Math.random() < rate ? 1 : 0));
    this.panel.append(
      h(
        "p",
        {},
        "Guidance runs the model twice, once with all codes of the picture and once with fewer, and amplifies the difference between the two predictions. p is the prediction from all codes, p₀ from none, and pₘ from those that MCS does not hide; paint over codes to choose the hidden ones. Words that differ from the caption without guidance are underlined.",
      ),
      this.found,
      h(
        "div",
        { class: "lab" },
        h(
          "section",
          { class: "stack", "aria-label": "Picture and settings" },
          this.grid.element,
          h(
            "div",
            { class: "row" },
            button("Hide half at random", () => this.paint(random(0.5))),
            button("Invert", () => this.paint(this.grid.marks.map((painted) => 1 - painted))),
            button("Hide none", () => this.paint(new Uint8Array(this.grid.marks.length))),
          ),
          this.hiddenText,
          field("Scale ω", this.scale, this.scaleText),
          field("Seed", this.seed),
        ),
        h("div", { class: "columns" }, ...this.columns.map(({ element }) => element)),
      ),
      h("div", { class: "row" }, this.stop),
      this.scrubber.element,
      galleryStrip(this.app),
    );
  }

  private paint(marks: Uint8Array): void {
    this.grid.marks = marks;
    void this.run();
  }

  private showScale(): void {
    const scale = Number(this.scale.value);
    this.scaleText.textContent = String(scale);
    for (const column of this.columns) column.showScale(scale);
  }

  /** Denoises the captions that are missing or outdated, one method after another. */
  private async run(): Promise<void> {
    this.isStale = true;
    this.show();
    if (this.panel.hidden || (!this.isSettled && !this.app.isChosen) || !this.picture || !this.app.captioner)
      return;
    this.isStale = false;
    this.index = null;
    this.scrubber.stop();
    const outcome = await this.app.work(
      "guidance",
      (captioner, signal) => this.denoise(captioner, signal),
      () => this.run(),
    );
    if (outcome === "done") this.panel.dataset.finished = String(Number(this.panel.dataset.finished) + 1);
    else if (outcome === "replaced") this.isStale = true;
  }

  private async denoise(captioner: Captioner, signal: AbortSignal): Promise<void> {
    const { picture } = this;
    if (!picture) return;
    const { side } = captioner.decoder.shape;
    this.grid.show(picture.pixels, side);
    const encoded = this.encoded ?? (await encode(captioner, picture));
    // Another picture may have come meanwhile.
    signal.throwIfAborted();
    this.encoded = encoded;
    if (picture.codes) this.grid.show(imageData(encoded), side);
    const scale = Number(this.scale.value);
    const seed = Math.max(0, Math.round(this.seed.valueAsNumber || 0));
    const marks = this.grid.marks;
    const isPainted = marks.includes(1);
    await withCodes(captioner, this.encoded.ids, async (codes) => {
      for (const column of this.columns) {
        const { method } = column;
        const usesMarks = method === "mcs" || method === "mcs-printed";
        const guidance = { method, scale, ...(isPainted && usesMarks ? { hidden: marks } : {}) };
        const drawnWith = JSON.stringify([
          seed,
          method === "none" ? null : scale,
          usesMarks ? Array.from(marks) : null,
        ]);
        if (column.drawnWith === drawnWith) continue;
        column.drawnWith = "";
        column.steps = [];
        for await (const step of captioner.denoise(codes, { guidance, seed, signal })) {
          column.steps.push(step);
          this.show();
        }
        column.drawnWith = drawnWith;
      }
    });
  }

  private show(): void {
    const { index, columns } = this;
    const plain = columns[0]!;
    const tokenizer = this.app.captioner?.tokenizer ?? null;
    const compared = plain.steps.length > 0 ? plain.words(index, tokenizer) : null;
    for (const column of columns) column.show(index, column.method === "none" ? null : compared, tokenizer);
    const longest = columns.reduce((a, b) => (b.steps.length > a.steps.length ? b : a));
    this.scrubber.show(longest.steps, index);
    const marks = this.grid.marks;
    const count = marks.reduce((a, b) => a + b, 0);
    const rate = this.app.captioner?.config.sampling.maskRate;
    this.hiddenText.textContent =
      count > 0
        ? `MCS hides the ${count} painted ${count === 1 ? "code" : "codes"} of ${marks.length}.`
        : `Nothing is painted: MCS hides ${rate === undefined ? "some" : percent(rate)} of the codes at random, the same ones in both MCS columns.`;
  }
}
