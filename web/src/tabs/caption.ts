/** The Caption tab: a picture, its codes, and its caption step by step from [MASK]s. */

import { type Captioner, type DenoiseStep, DeviceLostError } from "../../../dist/index.js";
import type { App } from "../app.js";
import { codeText } from "../caption/code-text.js";
import { describe, planOf } from "../caption/describe.js";
import { givenBy } from "../caption/given.js";
import { introduction } from "../caption/introduction.js";
import { addressOf, type Given, linkTo } from "../caption/link.js";
import { cellsOf, partOf, placeOf } from "../caption/region.js";
import { counted, drawMany, Samples } from "../caption/samples.js";
import { type Sampling, Settings } from "../caption/settings.js";
import { Sharing } from "../caption/sharing.js";
import { Sweep } from "../caption/sweep.js";
import { attentionOf, markOf, type Word, wordsOf } from "../caption-words.js";
import { CodeFigure } from "../code-figure.js";
import { CodeGrid, type Region } from "../code-grid.js";
import { button, captioned, h, percent } from "../dom.js";
import { type Encoded, encode, imageData, reported, withCodes } from "../encoded.js";
import { cutOut } from "../picture.js";
import { acceptPictures, pictureInput } from "../picture-input.js";
import { Scrubber } from "../scrubber.js";
import { sentence } from "../sentence.js";
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
  private readonly samples = new Samples((count) => void this.drawSamples(count));
  private readonly sweep = new Sweep(() => void this.compare());
  private readonly sharing: Sharing;
  private readonly weights = h("p", { class: "quiet", id: "caption-weights", hidden: true });
  private readonly foreign = h("p", { class: "remark", id: "picture-remark", role: "status" });
  private readonly cut = h("p", { class: "row", hidden: true });
  /** Everything that needs the GPU. */
  private readonly live = h("div", { class: "live" });
  private recorded: HTMLElement | null = null;
  private readonly about = h("p", { class: "quiet", id: "picture-about" });
  private readonly readout = h("p", { class: "readout", "aria-live": "polite" });
  private readonly result = h("p", { class: "caption", "aria-live": "polite" });
  private readonly plan = h("p", { class: "quiet" });
  private readonly section = h("section", {
    class: "denoising result",
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
  /** What the steps were sampled with. */
  private drawn: { sampling: Sampling; words: readonly Given[] | null } | null = null;
  private region: Region | null = null;
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
        "The picture under its code grid; the arrow keys move from cell to cell and show the words that attend to it; with Shift they choose a region",
      onCell: (cell) => this.pointAtCell(cell),
      onRegion: (region) => this.chooseRegion(region),
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
    this.sharing = new Sharing(app, {
      address: () => this.address(),
      code: () =>
        codeText(new URL("weights/emoji", document.baseURI).href, this.drawn!.sampling, this.drawn!.words),
      text: () => this.steps.at(-1)?.text ?? "",
      animation: () => this.animate(),
    });
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
      this.showWeights();
      this.open();
    });
    app.on("gpu", (isThere) => void this.showRecorded(!isThere));
    if (app.gpuMissing !== null) void this.showRecorded(true);
    app.on("tab", () => {
      if (this.isStale && !panel.hidden) this.open();
    });
    app.on("busy", (busy) => {
      this.stop.disabled = !busy;
    });
    this.stop.disabled = true;
    if (app.captioner) this.settings.take(app.captioner);
    this.showWeights();
    this.open();
  }

  private lay(panel: HTMLElement): void {
    panel.append(introduction(), this.live);
    this.live.append(
      this.section,
      pictureInput(this.app),
      this.about,
      this.settings.element,
      this.samples.element,
      this.sweep.element,
      h(
        "section",
        { class: "figures", "aria-label": "The picture’s codes" },
        captioned(this.figure.codes, this.figure.facts),
        captioned(this.figure.reconstruction, "The VQ-VAE’s reconstruction from the codes"),
      ),
    );
    const seen = captioned(
      this.grid.element,
      "The picture as the model sees it, under its code grid. Drag to choose a region.",
    );
    seen.append(this.cut);
    this.section.append(
      seen,
      h(
        "div",
        { class: "said" },
        this.weights,
        this.result,
        this.foreign,
        this.row.element,
        this.scrubber.element,
        this.editor.element,
        h("div", { class: "row" }, this.again, this.stop, this.reset),
        this.plan,
        this.sharing.element,
        this.readout,
      ),
    );
  }

  /** Shows the recorded run in place of everything that needs the GPU, or removes it. */
  private async showRecorded(isWanted: boolean): Promise<void> {
    if (!isWanted) {
      this.recorded?.remove();
      this.recorded = null;
      this.live.hidden = false;
      return;
    }
    if (this.recorded) return;
    this.live.hidden = true;
    const place = h("div");
    this.recorded = place;
    this.panel.append(place);
    try {
      const { recordedRun } = await import("../caption/recorded-run.js");
      place.append(await recordedRun());
    } catch (error) {
      place.append(h("p", {}, `The recorded caption cannot be shown: ${sentence(error)}`));
    }
  }

  /** Names weights that are not the shipped ones, where their captions are. */
  private showWeights(): void {
    const { app } = this;
    this.weights.hidden = app.usesShipped || !app.captioner;
    this.weights.replaceChildren(
      `Captions by ${app.sourceName}. `,
      button("Use the shipped weights again", () => void app.useShipped(), { class: "plain" }),
    );
  }

  /** Starts over for a new picture or captioner: now, or when the panel becomes visible. */
  private open(): void {
    this.marks.clear();
    this.encoded = null;
    this.steps = [];
    this.drawn = null;
    this.index = null;
    this.isStale = true;
    this.foreign.textContent = "";
    this.samples.clear();
    this.sweep.clear();
    this.grid.forget();
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
      const isNew = !this.encoded;
      if (!this.encoded) {
        this.about.textContent = describe(picture);
        this.app.phase("Encoding the picture …");
        const encoded = await encode(captioner, picture);
        // Another picture may have come meanwhile.
        signal.throwIfAborted();
        this.encoded = encoded;
        this.figure.show(this.encoded, captioner.config.vqvae.codes);
        if (picture.codes) this.grid.show(imageData(this.encoded), side);
        else if (picture.file === null && this.app.usesShipped) {
          const { isForeign, remark } = await import("../caption/drawings-only.js");
          if (await isForeign(captioner, picture, encoded.ids)) this.foreign.textContent = remark;
        }
      }
      // Work that another replaces leaves the link to it.
      signal.throwIfAborted();
      const link = this.app.takeLink(picture);
      if (link) this.settings.take(captioner, link.sampling);
      else if (!isNew) this.settings.nextSeed();
      const words = link?.words ?? this.given(captioner);
      const sampling = this.settings.sampling();
      this.steps = [];
      this.drawn = { sampling, words };
      this.index = null;
      this.marks.forEach((mark, position) => {
        if (mark.kind === "masked") this.marks.delete(position);
      });
      this.choose(null);
      const began = performance.now();
      const step = () => {
        const done = this.steps.length;
        this.app.phase(
          `Denoising: step ${Math.min(done + 1, sampling.steps)} of ${sampling.steps}`,
          done / sampling.steps,
        );
      };
      step();
      try {
        await withCodes(captioner, this.encoded.ids, async (codes) => {
          const options = { ...sampling, ...(words ? { words } : {}), ...reported(captioner), signal };
          for await (const taken of captioner.denoise(codes, options)) {
            this.steps.push(taken);
            this.show();
            step();
          }
        });
      } catch (error) {
        // Work that was cut short leaves the link to what follows it, a lost device's to its repetition.
        if (link && (signal.aborted || error instanceof DeviceLostError)) this.app.returnLink(link);
        throw error;
      }
      const seconds = (performance.now() - began) / 1000;
      if (link?.words) this.lockGiven(link.words, captioner);
      this.plan.textContent = `${this.steps.length} steps in ${seconds.toFixed(1)} s, seed ${sampling.seed}. Select a word to lock, replace or mask it.`;
    };
    const outcome = await this.app.work("caption", job, () => this.denoise());
    if (outcome === "done") this.section.dataset.finished = String(Number(this.section.dataset.finished) + 1);
    else if (outcome === "replaced") this.isStale = true;
  }

  /** The words that the user's marks give, which move to where the words will stand; null: the model chooses all. */
  private given({ tokenizer, decoder }: Captioner): readonly Given[] | null {
    const last = this.steps.at(-1);
    if (this.marks.size === 0 || !last) return null;
    const { list, marks } = givenBy(last, this.marks, tokenizer, decoder.shape.length);
    this.marks = marks;
    return list;
  }

  /** Locks the words that a link gave. */
  private lockGiven(words: readonly Given[], { tokenizer }: Captioner): void {
    const last = this.steps.at(-1);
    if (!last) return;
    for (const word of wordsOf(last, tokenizer))
      if (words[word.from] !== null && words[word.from] !== undefined)
        this.marks.set(word.from, { kind: "locked", word: word.text });
    this.show();
  }

  /** The permanent link to what is shown. */
  private address(): string {
    const { sampling, words } = this.drawn!;
    const codes = this.encoded?.ids ?? null;
    return addressOf(linkTo({ file: this.app.picture?.file ?? null, codes }, sampling, words));
  }

  private async animate(): Promise<Blob> {
    const { picture, captioner } = this.app;
    if (!picture || !captioner) throw new Error("there is no caption yet");
    const { animation } = await import("../caption/animation.js");
    const pixels = picture.codes && this.encoded ? imageData(this.encoded) : picture.pixels;
    return animation(
      pixels,
      this.steps.map((step) => wordsOf(step, captioner.tokenizer)),
    );
  }

  /** Other captions of the picture, with their numbers. */
  private async drawSamples(count: number): Promise<void> {
    const { app, encoded, settings } = this;
    if (!encoded) return;
    const job = async (captioner: Captioner, signal: AbortSignal) => {
      const tell = (share: number) => app.phase(`Drawing ${count} captions`, share);
      tell(0);
      const texts = await drawMany(captioner, encoded.ids, count, settings.sampling(), signal, tell);
      this.samples.show(counted(texts), app.picture?.captions ?? []);
    };
    await app.work("caption", job, () => this.drawSamples(count));
  }

  /** The caption with other numbers of steps and temperatures. */
  private async compare(): Promise<void> {
    const { app, encoded, settings } = this;
    if (!encoded) return;
    const job = (captioner: Captioner, signal: AbortSignal) =>
      this.sweep.run(
        captioner,
        encoded.ids,
        settings.sampling(),
        app.picture?.captions ?? [],
        signal,
        (done, total) => app.phase(`Comparing settings: ${done} of ${total}`, done / total),
      );
    await app.work("caption", job, () => this.compare());
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
    this.result.textContent = last?.u === 0 ? last.text || "(no words)" : last ? "…" : "";
    const done = last?.u === 0;
    const word = chosen === null ? undefined : words[chosen];
    if (chosen !== null && word && done && app.captioner)
      this.editor.show(chosen, word, markOf(this.marks, word), app.captioner.tokenizer);
    else this.editor.hide();
    this.sharing.enable(done && this.drawn !== null);
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

  /** Tints the words that attend to a cell, or to the region if one is chosen. */
  private pointAtCell(cell: number | null): void {
    const { step, encoded } = this;
    const attention = step?.attention;
    if (this.region) return;
    if (cell === null || !attention || !encoded) {
      this.row.tint(null);
      this.pointAtWord(null);
      return;
    }
    const side = Math.round(Math.sqrt(attention.columns));
    const [row, column] = [Math.floor(cell / side), cell % side];
    this.readout.textContent = `Row ${row + 1}, column ${column + 1}, code ${encoded.ids[cell]}: attended to most by ${this.attending([cell])}.`;
  }

  /** Tints the words by their attention to cells. Returns those that attend most, with their shares. */
  private attending(cells: readonly number[]): string {
    const { words } = this;
    const attention = this.step!.attention!;
    const weights = words.map((word) => {
      const own = attentionOf(attention, word);
      return cells.reduce((sum, cell) => sum + own[cell]!, 0);
    });
    this.row.tint(weights);
    return weights
      .map((weight, i) => ({ weight, word: words[i]!.text }))
      .sort((a, b) => b.weight - a.weight)
      .slice(0, namedWords)
      .map(({ weight, word }) => `${word === "[END]" ? "the end" : word} ${percent(weight)}`)
      .join(", ");
  }

  /** Shows what attends to a region, and offers to caption it alone; null: no region. */
  private chooseRegion(region: Region | null): void {
    this.region = region;
    this.cut.hidden = region === null;
    const attention = this.step?.attention;
    if (!region || !attention) {
      this.row.tint(null);
      this.pointAtWord(null);
      return;
    }
    const side = Math.round(Math.sqrt(attention.columns));
    this.readout.textContent = `${placeOf(region)}: attended to most by ${this.attending(cellsOf(region, side))}.`;
    const alone = button("Caption this region alone", () => void this.captionRegion(region, side));
    this.cut.replaceChildren(
      alone,
      button("Clear the region", () => this.grid.forget(), { class: "plain" }),
    );
  }

  /** Uses a region of the picture as the picture. */
  private async captionRegion(region: Region, side: number): Promise<void> {
    const { app, encoded } = this;
    const { picture } = app;
    if (!picture || !encoded) return;
    const whole = picture.codes ? { ...picture, pixels: imageData(encoded) } : picture;
    const cutting = async () => cutOut(whole, partOf(region, side, whole.pixels));
    await app.choosePicture(cutting());
  }
}
