/** The Caption tab: a picture, its codes, and its caption step by step from [MASK]s. */

import {
  type Captioner,
  type DenoiseStep,
  type GuidanceMethod,
  guidanceMethods,
} from "../../../dist/index.js";
import type { App } from "../app.js";
import { attentionOf, markOf, type Word, wordsOf } from "../caption-words.js";
import { CodeFigure } from "../code-figure.js";
import { CodeGrid } from "../code-grid.js";
import { button, field, h, percent } from "../dom.js";
import { type Encoded, encode, reported, withCodes } from "../encoded.js";
import type { Picture } from "../picture.js";
import { acceptPictures, pictureInput } from "../picture-input.js";
import { Scrubber } from "../scrubber.js";
import { WordEditor } from "../word-editor.js";
import { type Mark, WordRow } from "../word-row.js";

/** Number of words listed for the cell under the pointer. */
const namedWords = 3;

export function mount(panel: HTMLElement, app: App): void {
  new CaptionTab(panel, app);
}

class CaptionTab {
  private readonly app: App;
  private readonly panel: HTMLElement;
  private readonly grid: CodeGrid;
  private readonly figure = new CodeFigure();
  private readonly row: WordRow;
  private readonly scrubber: Scrubber;
  private readonly editor: WordEditor;
  private readonly settings = new Settings();
  private readonly about = h("p", { class: "quiet", id: "picture-about" });
  private readonly readout = h("p", { class: "readout", "aria-live": "polite" });
  private readonly result = h("p", { class: "caption", "aria-live": "polite" });
  private readonly plan = h("p", { class: "quiet" });
  private readonly section = h("section", {
    class: "denoising",
    "aria-label": "Caption",
    "data-finished": "0",
  });
  private readonly again: HTMLButtonElement;
  private readonly stop: HTMLButtonElement;
  private readonly reset: HTMLButtonElement;

  private encoded: Encoded | null = null;
  /** The results shown do not, or not completely, belong to the current picture and captioner. */
  private isStale = true;
  private steps: DenoiseStep[] = [];
  /** The step shown; null: the last so far. */
  private index: number | null = null;
  /** The user's marks, each at the first token of its word. */
  private marks = new Map<number, Mark>();
  /** The index of the word that is being edited. */
  private chosen: number | null = null;

  constructor(panel: HTMLElement, app: App) {
    this.app = app;
    this.panel = panel;
    this.grid = new CodeGrid({
      label:
        "The picture under its code grid; the arrow keys move from cell to cell and show the words that attend to it",
      onCell: (cell) => this.pointAtCell(cell),
    });
    this.row = new WordRow({
      label: "Caption",
      onPress: (index) => this.choose(this.chosen === index ? null : index),
      onPoint: (index) => this.pointAtWord(index),
    });
    this.scrubber = new Scrubber((index) => {
      this.index = index === this.steps.length - 1 ? null : index;
      this.choose(null);
    });
    this.editor = new WordEditor(
      ({ position, mark }) => {
        if (mark) this.marks.set(position, mark);
        else this.marks.delete(position);
        this.show();
      },
      () => this.choose(null),
    );
    this.again = button("Denoise again", () => void this.denoise(), { class: "primary" });
    this.stop = button("Stop", () => void app.stopWork());
    this.reset = button("Clear locks and masks", () => {
      this.marks.clear();
      this.show();
    });
    this.lay(panel);
    acceptPictures(panel, app);
    app.on("picture", () => this.open());
    app.on("captioner", (captioner) => {
      if (captioner) this.settings.take(captioner);
      this.open();
    });
    app.on("tab", () => {
      if (this.isStale && !panel.hidden) this.open();
    });
    app.on("busy", (busy) => {
      this.stop.disabled = !busy;
    });
    this.stop.disabled = true;
    if (app.captioner) this.settings.take(app.captioner);
    this.open();
  }

  private lay(panel: HTMLElement): void {
    const figure = (content: HTMLElement, ...caption: (Node | string)[]) =>
      h("figure", {}, content, h("figcaption", { class: "quiet" }, ...caption));
    panel.append(
      pictureInput(this.app),
      h(
        "section",
        { class: "figures", "aria-label": "The picture and its codes" },
        figure(this.grid.element, "The picture as the model sees it, under its code grid"),
        figure(this.figure.codes, this.figure.facts),
        figure(this.figure.reconstruction, "The VQ-VAE’s reconstruction from the codes"),
      ),
      this.about,
      this.section,
    );
    this.section.append(
      this.result,
      this.row.element,
      this.readout,
      this.scrubber.element,
      this.editor.element,
      h("div", { class: "row" }, this.again, this.stop, this.reset),
      this.plan,
      this.settings.element,
    );
  }

  /** Starts over for a new picture or captioner: now, or when the panel becomes visible. */
  private open(): void {
    this.marks.clear();
    this.encoded = null;
    this.steps = [];
    this.index = null;
    this.isStale = true;
    this.choose(null);
    if (!this.panel.hidden && this.app.captioner) void this.denoise();
  }

  /** Denoises a caption of the picture, given the locked and masked words. Shows each step as it arrives. */
  private async denoise(): Promise<void> {
    const { picture } = this.app;
    if (!picture) return;
    this.isStale = false;
    const job = async (captioner: Captioner, signal: AbortSignal) => {
      const { side } = captioner.decoder.shape;
      this.grid.show(picture.pixels, side);
      if (!this.encoded) {
        this.about.textContent = describe(picture);
        this.app.phase("Encoding the picture …");
        this.encoded = await encode(captioner, picture);
        this.figure.show(this.encoded, captioner.config.vqvae.codes);
      } else this.settings.nextSeed();
      signal.throwIfAborted();
      const words = this.given(captioner);
      const chain = this.settings.chain();
      this.steps = [];
      this.index = null;
      this.marks.forEach((mark, position) => {
        if (mark.kind === "masked") this.marks.delete(position);
      });
      this.choose(null);
      const began = performance.now();
      const step = () => {
        const done = this.steps.length;
        this.app.phase(
          `Denoising: step ${Math.min(done + 1, chain.steps)} of ${chain.steps}`,
          done / chain.steps,
        );
      };
      step();
      await withCodes(captioner, this.encoded.ids, async (codes) => {
        const options = {
          ...chain,
          words,
          ...reported(captioner),
          signal,
        };
        for await (const taken of captioner.denoise(codes, options)) {
          this.steps.push(taken);
          this.show();
          step();
        }
      });
      const seconds = (performance.now() - began) / 1000;
      this.plan.textContent = `${this.steps.length} steps in ${seconds.toFixed(1)} s, seed ${chain.seed}. Select a word to lock, replace or mask it.`;
    };
    const isDone = await this.app.work("caption", job, () => this.denoise());
    if (isDone) this.section.dataset.finished = String(Number(this.section.dataset.finished) + 1);
    // Other work replaced it, or the device was lost.
    else this.isStale = true;
  }

  /**
   * The words to keep, by their tokens or as typed; null for each token that the model shall choose. If any word is masked, keeps
   * all others (including the [END]s, so that the caption keeps its length); else keeps the locked words. Undefined: the model
   * chooses all words. Moves the marks to where the words will stand: a typed word may have more tokens than the one before.
   */
  private given({ tokenizer, decoder }: Captioner): (string | number | null)[] | undefined {
    const last = this.steps.at(-1);
    if (this.marks.size === 0 || !last) return undefined;
    const isMasked = [...this.marks.values()].some(({ kind }) => kind === "masked");
    const list: (string | number | null)[] = [];
    const moved = new Map<number, Mark>();
    let position = 0;
    for (const word of wordsOf(last, tokenizer)) {
      const mark = markOf(this.marks, word);
      const tokens = last.tokens.slice(word.from, word.to);
      if (mark) moved.set(position, mark);
      if (mark?.kind === "locked" && mark.word !== word.text) {
        list.push(mark.word);
        position += mark.word === "[END]" ? 1 : tokenizer.encode(mark.word).length;
        continue;
      }
      // [UNK] stands for a word outside the vocabulary: the model chooses again there.
      const isKept = mark ? mark.kind === "locked" : isMasked && word.text !== "[UNK]";
      list.push(...(isKept ? tokens : tokens.map(() => null)));
      position += tokens.length;
    }
    this.marks = moved;
    // A longer word pushes the end out.
    const isSpare = (entry: string | number | null | undefined) =>
      entry === null || entry === tokenizer.endId;
    for (; position > decoder.shape.length && isSpare(list.at(-1)); position--) list.pop();
    return list;
  }

  private get step(): DenoiseStep | null {
    return this.steps[this.index ?? this.steps.length - 1] ?? null;
  }

  /** The words of the step shown. */
  private get words(): Word[] {
    const { step, app } = this;
    return step && app.captioner ? wordsOf(step, app.captioner.tokenizer) : [];
  }

  /** Opens the editor at a word of the last step; null closes it. */
  private choose(index: number | null): void {
    if (index !== null) this.index = null;
    const closed = index === null ? this.chosen : null;
    this.chosen = index;
    this.show();
    if (closed !== null && this.editor.element.contains(document.activeElement)) this.row.focus(closed);
  }

  private show(): void {
    const { chosen, app, words } = this;
    const isLast = this.index === null;
    this.row.show(words, isLast ? this.marks : new Map(), chosen);
    this.scrubber.show(this.steps, this.index);
    const last = this.steps.at(-1);
    this.result.textContent = last?.u === 0 ? last.text || "(no word at all)" : last ? "…" : "";
    const done = last?.u === 0;
    const word = chosen === null ? undefined : words[chosen];
    if (chosen !== null && word && done && app.captioner)
      this.editor.show(chosen, word, markOf(this.marks, word), app.captioner.tokenizer);
    else this.editor.hide();
    this.again.disabled = !app.picture || !app.captioner;
    this.reset.disabled = this.marks.size === 0;
    if (this.marks.size > 0) this.plan.textContent = planOf(this.marks);
    this.pointAtWord(null);
  }

  /** Highlights the cells that a word attends to. */
  private pointAtWord(index: number | null): void {
    const attention = this.step?.attention;
    const at = index ?? this.chosen;
    const word = at === null ? undefined : this.words[at];
    if (!attention || !word) {
      this.grid.light(null);
      this.readout.textContent = attention
        ? "Point at a word to see which cells it attends to. Point at a cell of the picture to see which words attend to it."
        : "";
      return;
    }
    const weights = attentionOf(attention, word);
    this.grid.light(weights);
    const sum = weights.reduce((a, b) => a + b, 0);
    this.readout.textContent = `“${word.text}” gives ${percent(sum)} of its cross-attention to the ${attention.columns} codes${sum < 0.995 ? ", the rest to the summary of the picture" : ""}: ${percent(Math.max(...weights))} to the brightest cell, against ${percent(sum / attention.columns)} if it attended uniformly.`;
  }

  /** Tints the words that attend to a cell. */
  private pointAtCell(cell: number | null): void {
    const { step, encoded } = this;
    const attention = step?.attention;
    if (cell === null || !attention || !encoded) {
      this.row.tint(null);
      this.pointAtWord(null);
      return;
    }
    const { words } = this;
    const weights = words.map((word) => attentionOf(attention, word)[cell]!);
    this.row.tint(weights);
    const named = weights
      .map((weight, i) => ({ weight, word: words[i]!.text }))
      .sort((a, b) => b.weight - a.weight)
      .slice(0, namedWords)
      .map(({ weight, word }) => `${word === "[END]" ? "the end" : word} ${percent(weight)}`);
    const side = Math.round(Math.sqrt(attention.columns));
    this.readout.textContent = `Row ${Math.floor(cell / side) + 1}, column ${(cell % side) + 1}, code ${encoded.ids[cell]}: attended to most by ${named.join(", ")}.`;
  }
}

function describe({ name, note, captions }: Picture): string {
  const people =
    captions.length > 0 ? ` Reference captions: ${captions.map((text) => `“${text}”`).join(", ")}.` : "";
  return `${name}.${note ? ` ${note}` : ""}${people}`;
}

function planOf(marks: ReadonlyMap<number, Mark>): string {
  const kinds = [...marks.values()].map(({ kind }) => kind);
  const locked = kinds.filter((kind) => kind === "locked").length;
  const masked = kinds.length - locked;
  const what = [locked ? `${locked} locked` : "", masked ? `${masked} masked` : ""]
    .filter(Boolean)
    .join(", ");
  const fate = masked
    ? "only masked words will be denoised again"
    : "all words that are not locked will be denoised again";
  return `${what}: ${fate}.`;
}

/** Settings for sampling captions. */
class Settings {
  readonly element: HTMLElement;
  private readonly steps = h("input", { type: "number", min: 1, max: 100, value: 25 });
  private readonly method = h("select", {}, ...guidanceMethods.map((name) => h("option", {}, name)));
  private readonly scale = h("input", { type: "number", min: -10, max: 10, step: 0.5, value: 2 });
  private readonly temperature = h("input", { type: "number", min: 0, max: 3, step: 0.1, value: 1 });
  private readonly seed = h("input", { type: "number", min: 0, max: 4294967295, value: 1 });

  constructor() {
    this.element = h(
      "details",
      {},
      h("summary", {}, "Sampling settings"),
      h(
        "div",
        { class: "row" },
        field("Steps", this.steps),
        field("Guidance", this.method),
        field("Scale ω", this.scale),
        field("Temperature", this.temperature),
        field("Seed", this.seed),
      ),
    );
  }

  /** Sets the inputs from the captioner's configuration. */
  take({ config }: Captioner): void {
    const { sampling, decoder, seed } = config;
    this.steps.max = String(decoder.timesteps);
    this.steps.value = String(sampling.steps);
    this.method.value = sampling.guidance;
    this.scale.value = String(sampling.scale);
    this.temperature.value = String(sampling.temperature);
    this.seed.value = String(seed);
  }

  /** Takes the next seed, for another sample. */
  nextSeed(): void {
    this.seed.value = String((number(this.seed) + 1) % 2 ** 32);
  }

  chain(): {
    steps: number;
    temperature: number;
    seed: number;
    guidance: { method: GuidanceMethod; scale: number };
  } {
    return {
      steps: Math.round(number(this.steps)),
      temperature: number(this.temperature),
      seed: Math.round(number(this.seed)),
      guidance: { method: this.method.value as GuidanceMethod, scale: number(this.scale) },
    };
  }
}

/** The number in an input, clamped to its bounds. */
function number(input: HTMLInputElement): number {
  const [least, most] = [Number(input.min), Number(input.max)];
  const value = Math.min(most, Math.max(least, input.valueAsNumber || 0));
  input.value = String(value);
  return value;
}
