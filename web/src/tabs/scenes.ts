/** The Scenes tab: a scene that is drawn at random or composed, its caption, and whether that is true. */

import { Captioner, type DenoiseStep, McDiffusion } from "../../../dist/index.js";
import { cellsOf, regionOf, type Scene, visibleBoxes } from "../../../dist/scenes.js";
import { type App, type CaptionerSource, shippedWeights } from "../app.js";
import { codeText } from "../caption/code-text.js";
import { addressOf } from "../caption/link.js";
import { type Sampling, Settings } from "../caption/settings.js";
import { Sharing } from "../caption/sharing.js";
import { attentionOf, type Word, wordsOf } from "../caption-words.js";
import { button, captioned, field, h, percent } from "../dom.js";
import { reported, withCodes } from "../encoded.js";
import { fetchScenes, type ServedScenes } from "../scenes/art.js";
import { Composition } from "../scenes/composition.js";
import { ForwardProcess } from "../scenes/forward-process.js";
import { linkToScene, readSceneLink } from "../scenes/link.js";
import { ObjectList } from "../scenes/object-list.js";
import { Palette } from "../scenes/palette.js";
import { downloadPicture, picture } from "../scenes/picture.js";
import { Stage } from "../scenes/stage.js";
import { Judge, phraseAt, referenceList, type Told, verdictList } from "../scenes/truth.js";
import { Scrubber } from "../scrubber.js";
import { sentence } from "../sentence.js";
import { WordRow } from "../word-row.js";

/** Milliseconds without a change after which a scene is captioned. */
const pause = 300;
/** Side of the picture until a captioner is there. */
const usualSize = 64;

/** The weights that are trained on scenes, if they are served. */
const sceneWeights: CaptionerSource = {
  name: "the weights trained on scenes",
  load: (gpu, onProgress, whileLoading) =>
    Captioner.load("weights/scenes/", { gpu, onProgress, whileLoading }),
};

/** Fetches the drawings first: nothing of scenes is loaded before the tab is opened. */
export async function mount(panel: HTMLElement, app: App): Promise<void> {
  new ScenesTab(panel, app, await fetchScenes());
}

class ScenesTab {
  private readonly app: App;
  private readonly panel: HTMLElement;
  private readonly served: ServedScenes;
  private readonly composition: Composition;
  private readonly judge: Judge;
  private readonly stage: Stage;
  private readonly row: WordRow;
  private readonly scrubber: Scrubber;
  private readonly settings = new Settings();
  private readonly sharing: Sharing;
  private readonly weights = h("p", { class: "remark", id: "scenes-weights", role: "status" });
  private readonly result = h("p", { class: "caption", "aria-live": "polite" });
  private readonly before = h("p", { class: "quiet" });
  private readonly summary = h("p", { id: "scenes-truth", role: "status" });
  private readonly readout = h("p", { class: "readout", "aria-live": "polite" });
  private readonly verdicts = h("div");
  private readonly references = h("div");
  private readonly forward = new ForwardProcess();
  private readonly list: ObjectList;
  private readonly number = h("input", { type: "number", min: 0, max: 4294967295, value: 0 });
  private readonly section = h("section", {
    class: "result scene",
    "aria-label": "Scene",
    "data-finished": "0",
  });

  private scene: Scene;
  private steps: DenoiseStep[] = [];
  private index: number | null = null;
  /** What the steps were sampled with; null before the first ones are complete. */
  private drawn: Sampling | null = null;
  private chosen: number | null = null;
  private pointedObject: number | null = null;
  private pointedWord: number | null = null;
  /** Numbers of the objects whose codes are hidden. */
  private hidden = new Set<number>();
  /** The words of the caption before codes were hidden. */
  private unhidden: readonly string[] | null = null;
  private timer: ReturnType<typeof setTimeout> | null = null;
  private isStale = true;

  constructor(panel: HTMLElement, app: App, served: ServedScenes) {
    this.app = app;
    this.panel = panel;
    this.served = served;
    this.composition = new Composition(served.art, app.captioner?.config.data.imageSize ?? usualSize);
    this.judge = new Judge(served.art);
    this.scene = this.composition.scene;
    this.stage = new Stage(
      {
        onChoose: (object) => this.choose(object),
        onPoint: (object) => this.pointAtObject(object),
        onDrag: (object, x, y) => this.edit(() => this.composition.alter(object, { x, y })),
      },
      "The scene. Choose an object in the list; the arrow keys move it, with Shift further, plus and minus change its size, Delete removes it",
    );
    this.list = new ObjectList({
      onChoose: (object) => this.choose(object),
      onPoint: (object) => this.pointAtObject(object),
      onHide: (object, isHidden) => this.hide(object, isHidden),
    });
    this.row = new WordRow({
      label: "Caption of the scene",
      onPress: (index) => this.pointAtWord(this.pointedWord === index ? null : index),
      onPoint: (index) => this.pointAtWord(index),
    });
    this.scrubber = new Scrubber((index) => {
      this.index = index === this.steps.length - 1 ? null : index;
      this.show();
    });
    this.sharing = new Sharing(app, {
      address: () => this.address(),
      code: () => codeText(new URL(this.weightsFolder, document.baseURI).href, this.drawn!, null),
      text: () => this.steps.at(-1)?.text ?? "",
      animation: () => this.animate(),
    });
    this.lay();
    this.listen();
    this.followAddress();
    this.takeCaptioner();
    this.useSceneWeights();
  }

  private lay(): void {
    const { composition, served } = this;
    const palette = new Palette(served.art, {
      onAdd: (thing) => this.add(() => composition.add(thing)),
      onDrop: (thing, clientX, clientY) => {
        const point = this.stage.pointAt(clientX, clientY);
        if (point) this.add(() => composition.add(thing, point.x, point.y));
      },
    });
    const act = (text: string, change: { x?: number; y?: number; grow?: number }, label: string) =>
      button(text, () => this.alter(change), { class: "small", "aria-label": label });
    const figure = captioned(
      this.stage.element,
      "The picture as the model sees it. Drag its objects, or move them with the arrow keys.",
    );
    figure.append(
      h(
        "div",
        { class: "row", role: "group", "aria-label": "The chosen object" },
        act("+", { grow: 2 }, "Larger"),
        act("−", { grow: -2 }, "Smaller"),
        button("Remove", () => this.remove(), { class: "small" }),
      ),
      h(
        "div",
        { class: "row" },
        button("Draw a scene", () => this.draw(Math.floor(Math.random() * 1e6)), { class: "primary" }),
        button("Other ground", () =>
          this.edit(() => composition.useGround((composition.ground + 1) % 2 ** 32)),
        ),
        field("Number", this.number),
      ),
    );
    this.section.append(
      figure,
      h(
        "div",
        { class: "said" },
        this.result,
        this.row.element,
        this.before,
        this.summary,
        this.readout,
        this.list.element,
        this.scrubber.element,
        h(
          "div",
          { class: "row" },
          button("Caption again", () => {
            this.settings.nextSeed();
            void this.caption();
          }),
          button("Download as PNG", () => void this.download()),
        ),
        this.sharing.element,
      ),
    );
    this.panel.append(
      this.weights,
      this.section,
      palette.element,
      this.settings.element,
      h(
        "section",
        { class: "figures", "aria-label": "Ground truth" },
        h("div", {}, h("h2", {}, "What the caption says"), this.verdicts),
        h("div", {}, h("h2", {}, "True captions"), this.references),
      ),
      this.forward.element,
    );
  }

  private listen(): void {
    const { app, panel } = this;
    this.stage.element.addEventListener("keydown", (event) => this.key(event));
    this.list.element.addEventListener("keydown", (event) => this.key(event));
    this.number.addEventListener("change", () =>
      this.draw(Math.max(0, Math.round(this.number.valueAsNumber || 0))),
    );
    this.settings.element.addEventListener("change", () => this.later());
    app.on("captioner", () => this.takeCaptioner());
    app.on("tab", (id) => {
      if (!panel.hidden) {
        this.useSceneWeights();
        if (this.followAddress() || this.isStale) this.later();
      } else if (app.wantedSource === sceneWeights && (id === "caption" || id === "guidance"))
        // The other tabs' pictures are single emoji.
        void app.useShipped();
    });
  }

  /** Loads the weights for scenes in place of the shipped ones; others that the user chose stay. */
  private useSceneWeights(): void {
    if (this.served.hasWeights && this.app.wantedSource === shippedWeights)
      void this.app.useCaptioner(sceneWeights);
    this.tellWeights();
  }

  private get weightsFolder(): string {
    return this.app.wantedSource === sceneWeights ? "weights/scenes" : "weights/emoji";
  }

  private tellWeights(): void {
    const { app, served } = this;
    const { captioner } = app;
    this.weights.textContent = served.hasWeights
      ? !captioner || captioner.config.data.source === "scenes"
        ? ""
        : `Captions by ${app.sourceName}, which were not trained on scenes.`
      : captioner?.config.data.source === "scenes"
        ? ""
        : `No weights trained on scenes were served with this page. Captions are by ${app.sourceName}, trained on pictures of single things: expect them to be wrong.`;
  }

  private takeCaptioner(): void {
    const { captioner } = this.app;
    this.tellWeights();
    this.clear();
    if (!captioner) return;
    this.settings.take(captioner, this.linked);
    this.composition.resize(captioner.config.data.imageSize);
    this.changed();
  }

  private linked: Parameters<Settings["take"]>[1] = {};
  private followed = "";

  /** Draws the scene of a link that was not followed yet. Returns whether there is one. */
  private followAddress(): boolean {
    const { hash } = location;
    if (!hash.startsWith("#scenes") || hash === this.followed) return false;
    this.followed = hash;
    const link = readSceneLink(hash, this.served.art.things);
    if (!link) return false;
    this.composition.follow(link.recipe);
    this.linked = link.sampling;
    if (this.app.captioner) this.settings.take(this.app.captioner, link.sampling);
    this.reset();
    this.hidden = new Set([...link.hidden].filter((number) => number < this.composition.objects.length));
    this.changed();
    return true;
  }

  private draw(number: number): void {
    this.composition.draw(number % 2 ** 32);
    this.reset();
    this.changed();
  }

  /** Forgets what belongs to objects that are no longer there. */
  private reset(): void {
    this.chosen = null;
    this.pointedObject = null;
    this.hidden.clear();
    this.unhidden = null;
  }

  private add(action: () => number | null): void {
    const number = action();
    if (number === null) {
      this.readout.textContent = "There is no room for more than eight objects: remove one first.";
      return;
    }
    this.chosen = number;
    this.edit(() => {});
  }

  private alter(change: { x?: number; y?: number; grow?: number }): void {
    const { chosen } = this;
    if (chosen !== null) this.edit(() => this.composition.alter(chosen, change));
  }

  private remove(): void {
    const { chosen } = this;
    if (chosen === null) return;
    const hadFocus = this.list.element.contains(document.activeElement);
    this.composition.remove(chosen);
    this.reset();
    this.changed();
    if (hadFocus && !this.list.focus()) this.stage.element.focus();
  }

  /** Changes the scene. */
  private edit(action: () => void): void {
    action();
    this.unhidden = null;
    this.changed();
  }

  private key(event: KeyboardEvent): void {
    const by = event.shiftKey ? 4 : 1;
    const changes: Record<string, { x?: number; y?: number; grow?: number }> = {
      ArrowLeft: { x: -by },
      ArrowRight: { x: by },
      ArrowUp: { y: -by },
      ArrowDown: { y: by },
      "+": { grow: 1 },
      "=": { grow: 1 },
      "-": { grow: -1 },
    };
    if (this.chosen === null || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Delete" || event.key === "Backspace") this.remove();
    else if (event.key === "Escape") this.choose(null);
    else if (changes[event.key]) this.alter(changes[event.key]!);
    else return;
    event.preventDefault();
  }

  private choose(object: number | null): void {
    this.chosen = object;
    this.show();
  }

  /** What follows from another scene: its picture now, its caption after a pause. */
  private changed(): void {
    this.scene = this.composition.scene;
    this.number.value = String(this.composition.recipe.scene);
    this.clear();
    this.list.list(this.scene, (object) => this.nameOf(object), this.hidden);
    this.references.replaceChildren(referenceList(this.scene));
    this.show();
    this.later();
  }

  private clear(): void {
    this.steps = [];
    this.drawn = null;
    this.index = null;
    this.isStale = true;
    this.pointedWord = null;
  }

  private later(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.caption(), pause);
  }

  /** Captions the scene, without the hidden codes. */
  private async caption(): Promise<void> {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    if (this.panel.hidden || !this.app.captioner) return;
    this.isStale = false;
    const job = async (captioner: Captioner, signal: AbortSignal) => {
      const codes = await captioner.codes(this.pixels());
      const ids = await codes.read().finally(() => codes.dispose());
      signal.throwIfAborted();
      for (const cell of this.hiddenCells()) ids[cell] = captioner.config.vqvae.codes;
      const sampling = this.settings.sampling();
      this.steps = [];
      this.index = null;
      await withCodes(captioner, ids, async (tensor) => {
        for await (const step of captioner.denoise(tensor, { ...sampling, ...reported(captioner), signal })) {
          this.steps.push(step);
          this.app.phase(
            `Captioning the scene: step ${this.steps.length} of ${sampling.steps}`,
            this.steps.length / sampling.steps,
          );
          this.show();
        }
      });
      this.drawn = sampling;
      this.show();
    };
    const outcome = await this.app.work("scenes", job, () => this.caption());
    if (outcome === "done") this.section.dataset.finished = String(Number(this.section.dataset.finished) + 1);
    else if (outcome === "replaced") this.isStale = true;
  }

  private pixels(): ImageData {
    return picture(this.scene, this.served.art);
  }

  /** The side of the code grid. */
  private get grid(): number {
    return Math.round(Math.sqrt(this.app.captioner?.positions ?? 64));
  }

  /** The cells that the visible parts of the hidden objects touch. */
  private hiddenCells(): Set<number> {
    const { grid, scene } = this;
    const boxes = visibleBoxes(scene, this.served.art.sheet);
    const hidden = [...this.hidden].flatMap((number) => boxes[number] ?? []);
    return new Set(cellsOf(regionOf(hidden, scene.size, grid)));
  }

  private get step(): DenoiseStep | null {
    return this.steps[this.index ?? this.steps.length - 1] ?? null;
  }

  private get words(): Word[] {
    const { step, app } = this;
    return step && app.captioner ? wordsOf(step, app.captioner.tokenizer) : [];
  }

  /** The words up to the end of the caption. */
  private spoken(): string[] {
    const texts = this.words.map(({ text }) => text);
    const end = texts.indexOf("[END]");
    return end < 0 ? texts : texts.slice(0, end);
  }

  private told(): Told | null {
    return this.step?.u === 0 ? this.judge.tell(this.scene, this.spoken()) : null;
  }

  private show(): void {
    const { step, words } = this;
    this.row.show(words);
    this.scrubber.show(this.steps, this.index);
    const isDone = this.steps.at(-1)?.u === 0;
    this.result.textContent = isDone ? this.steps.at(-1)!.text || "(no words)" : step ? "…" : "";
    this.sharing.enable(isDone && this.drawn !== null);
    const told = this.told();
    this.summary.textContent = told?.summary ?? "";
    this.verdicts.replaceChildren(...(told ? [verdictList(this.scene, told, this.spoken())] : []));
    const isCompared = isDone && this.hidden.size > 0 && this.unhidden !== null;
    this.before.textContent = isCompared ? `With all codes: ${this.unhidden!.join(" ")}` : "";
    this.row.compare(isCompared ? this.unhidden : null);
    this.showForward();
    this.showPointed(told);
  }

  /** The finished caption for the forward process; of decoders that do not diffuse tokens, nothing. */
  private showForward(): void {
    const { captioner } = this.app;
    const last = this.steps.at(-1);
    if (captioner?.decoder instanceof McDiffusion)
      this.forward.show(
        last?.u === 0 ? [...last.tokens] : null,
        captioner.tokenizer,
        captioner.decoder.schedule,
      );
    else this.forward.element.hidden = true;
  }

  /** The picture with what is pointed at: a word's attention and objects, or an object and the words about it. */
  private showPointed(told: Told | null): void {
    const { step, scene, pointedObject, pointedWord, words } = this;
    const word = pointedWord === null ? undefined : words[pointedWord];
    const attention = word && step?.attention ? attentionOf(step.attention, word) : null;
    const phrase = told && pointedWord !== null ? phraseAt(told, pointedWord) : null;
    const pointed = phrase ? phrase.objects : pointedObject === null ? [] : [pointedObject];
    this.stage.show({
      size: scene.size,
      pixels: this.pixels(),
      boxes: scene.objects.map(({ box }) => box),
      chosen: this.chosen,
      pointed,
      attention,
      hidden: this.hiddenCells(),
      grid: this.grid,
    });
    const about = (number: number) =>
      words.map((_, i) =>
        told?.phrases.some((one) => one.words.includes(i) && one.objects.includes(number)) ? 1 : 0,
      );
    const weights = pointedObject === null ? null : about(pointedObject);
    this.row.tint(weights);
    this.list.mark({ chosen: this.chosen, pointed });
    if (word && attention) this.readout.textContent = this.readWord(word, attention, phrase?.objects ?? []);
    else if (weights && told && pointedObject !== null) {
      const named = words.filter((_, i) => weights[i]).map(({ text }) => text);
      this.readout.textContent = `${this.nameOf(pointedObject)}: ${named.length > 0 ? `“${named.join(" ")}”` : "no word of the caption"}.`;
    } else if (!step) this.readout.textContent = "";
  }

  private readWord({ text }: Word, attention: Float32Array, objects: readonly number[]): string {
    if (objects.length === 0)
      return `“${text === "[END]" ? "the end" : text}” is about no object: the lit cells are those that it attends to.`;
    const { grid, scene } = this;
    const boxes = objects.map((number) => scene.objects[number]!.box);
    const { inside } = regionOf(boxes, scene.size, grid);
    const sum = attention.reduce((a, b) => a + b, 0);
    const share = attention.reduce((a, b, cell) => a + (inside[cell] ? b : 0), 0) / Math.max(1e-9, sum);
    const area = inside.filter(Boolean).length / inside.length;
    const names = [...new Set(objects.map((number) => this.nameOf(number)))].join(" and ");
    return `“${text}” is about ${names}: ${percent(share)} of its attention to the codes is in the box, which has ${percent(area)} of the cells.`;
  }

  private nameOf(number: number): string {
    return this.composition.objects[number]!.thing.name;
  }

  private pointAtObject(object: number | null): void {
    if (object === this.pointedObject) return;
    this.pointedObject = object;
    this.showPointed(this.told());
  }

  private pointAtWord(index: number | null): void {
    this.pointedWord = index;
    this.showPointed(this.told());
  }

  /** Hides the codes of an object, or shows them again. */
  private hide(number: number, isHidden: boolean): void {
    if (this.hidden.size === 0 && this.steps.at(-1)?.u === 0) {
      this.index = null;
      this.unhidden = this.spoken();
    }
    if (isHidden) this.hidden.add(number);
    else this.hidden.delete(number);
    this.clear();
    this.show();
    this.later();
  }

  /** The permanent link to what is shown. */
  private address(): string {
    return addressOf(linkToScene(this.composition.recipe, this.drawn!, this.hidden));
  }

  private async animate(): Promise<Blob> {
    const { captioner } = this.app;
    if (!captioner) throw new Error("there is no caption yet");
    const { animation } = await import("../caption/animation.js");
    return animation(
      this.pixels(),
      this.steps.map((step) => wordsOf(step, captioner.tokenizer)),
    );
  }

  private async download(): Promise<void> {
    try {
      await downloadPicture(this.pixels(), "scene.png");
      this.app.messages.over("share");
    } catch (error) {
      this.app.messages.show("share", sentence(error));
    }
  }
}
