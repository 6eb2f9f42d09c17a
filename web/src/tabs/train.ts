/** The Train tab: runs both stages in a worker, with curves and samples. Exports the captioner to the Caption tab or to files. */

import { Captioner, formatBytes, pickedFiles } from "../../../dist/index.js";
import { formatDuration } from "../../../dist/report.js";
import type { App, CaptionerSource } from "../app.js";
import { button, h } from "../dom.js";
import { Messages } from "../messages.js";
import { sentence } from "../sentence.js";
import { Curves } from "../train/curves.js";
import { Form } from "../train/form.js";
import { keptLog } from "../train/kept.js";
import type { MemoryReturned, News, Order, Phase, RunFacts, Stage, Trained } from "../train/messages.js";
import { Watch } from "../train/watch.js";

export function mount(panel: HTMLElement, app: App): void {
  new TrainTab(panel, app);
}

/** Shortest time between two redraws of the curves, in milliseconds. */
const drawEvery = 1000;
/** Number of recent steps that the displayed speed is computed from. */
const paceSteps = 30;

const phases: Readonly<Record<Phase, string>> = {
  opening: "Opening the GPU and compiling kernels",
  pictures: "Reading the pictures",
  vqvae: "Training the VQ-VAE",
  codes: "Encoding the pictures into codes",
  decoder: "Training the decoder",
  saving: "Saving",
};
const stageNames: Readonly<Record<Stage, string>> = { vqvae: "VQ-VAE", decoder: "Decoder" };

/** The run's state, which decides on the buttons. */
type State = "none" | "running" | "pausing" | "kept" | "finished";

class TrainTab {
  private readonly panel: HTMLElement;
  private readonly app: App;
  private readonly problems = h("div");
  private readonly messages = new Messages(this.problems);
  private readonly form = new Form(this.messages);
  private readonly curves = new Curves();
  private readonly watch = new Watch();
  private worker: Worker | null = null;
  private state: State = "none";
  private facts: RunFacts | null = null;
  private trained: Trained | null = null;
  /** The captioner was requested for use; use it when it arrives. */
  private wanted = false;
  private lastOrder: Order["type"] = "start";
  /** A stage is taking steps. */
  private isStepping = false;
  private lastDrawn = 0;
  private readonly addresses = new Map<string, string>();

  private readonly start = button("Start", () => this.begin(), { class: "primary" });
  private readonly pause = button("Pause", () => this.halt());
  private readonly resume = button("Resume", () => this.order({ type: "resume" }), { class: "primary" });
  private readonly discard = button("Discard the run", () => this.order({ type: "discard" }));
  private readonly use = button("Use in the Caption tab", () => this.take());
  private readonly fetch = button("Export as files", () => this.order({ type: "export" }));

  private readonly phase = h("p", { id: "train-phase", role: "status" });
  private readonly bar = h("progress", {
    max: 1,
    value: 0,
    "aria-label": "Progress of this stage",
    hidden: true,
  });
  private readonly numbers = h("p", { id: "train-numbers", class: "quiet" });
  private readonly about = h("p", { class: "quiet small" });
  private readonly notes = h("ul", { class: "quiet small", id: "train-notes", hidden: true });
  private readonly charts = h("div", { class: "charts", id: "train-charts" });
  private readonly samples = h("div", { class: "stack", id: "train-samples" });
  private readonly files = h("p", { class: "row", id: "train-files" });

  constructor(panel: HTMLElement, app: App) {
    this.panel = panel;
    this.app = app;
    panel.append(
      h(
        "p",
        {},
        "Trains a captioner in this page: first the VQ-VAE, which encodes pictures into codes, then the decoder, which denoises captions. Nothing leaves this computer.",
      ),
      this.form.element,
      h("div", { class: "row" }, this.start, this.resume, this.pause, this.discard),
      this.problems,
      this.phase,
      this.bar,
      this.numbers,
      this.about,
      this.notes,
      this.charts,
      this.samples,
      h("h2", {}, "Trained captioner"),
      h("div", { class: "row" }, this.use, this.fetch, ...this.foreignWeights()),
      this.files,
    );
    document.addEventListener("visibilitychange", () => this.visibility());
    app.on("tab", () => this.draw());
    this.enter("none");
    void this.findKept();
  }

  /** The log of the stored run; null if there is none, or if it cannot be read (a message says why). */
  private async kept(): Promise<Awaited<ReturnType<typeof keptLog>>> {
    try {
      const log = await keptLog();
      this.messages.over("storage");
      return log;
    } catch (error) {
      this.messages.show("storage", `Runs cannot be stored or read here: ${sentence(error)}`);
      return null;
    }
  }

  /** Shows a run stored by an earlier visit. */
  private async findKept(): Promise<void> {
    const log = await this.kept();
    if (log === null || this.state !== "none") return;
    this.curves.add(log);
    const last = log.at(-1);
    this.enter("kept");
    this.phase.textContent = last
      ? `A run is stored here, at ${stageNames[last.stage as Stage]} step ${last.step}. It resumes from its last checkpoint.`
      : "A run is stored here that has not taken a step yet.";
    this.draw();
  }

  private order(order: Order): void {
    this.lastOrder = order.type;
    if (order.type === "resume" || order.type === "start") this.enter("running");
    if (!this.worker) {
      this.worker = new Worker(new URL("train-worker.js", document.baseURI), { type: "module" });
      this.worker.addEventListener("message", (event: MessageEvent<News>) => this.hear(event.data));
      this.worker.addEventListener("error", (event) => {
        // A worker that did not start never will: the next order starts another one.
        this.worker?.terminate();
        this.worker = null;
        const running = this.state === "running" || this.state === "pausing";
        this.failed(running ? "start" : this.lastOrder, event.message || "the worker did not start");
      });
    }
    this.worker.postMessage(order);
  }

  private begin(): void {
    const { pictures, presetName: preset, set } = this.form;
    if (!pictures) return;
    this.curves.clear();
    this.facts = null;
    this.setTrained(null);
    this.notes.replaceChildren();
    this.notes.hidden = true;
    this.samples.replaceChildren();
    this.draw();
    // The browser's storage holds hours of work: ask it not to clear that when the disk gets full. It may refuse.
    navigator.storage?.persist?.().catch(() => {});
    this.order({ type: "start", preset, pictures, set });
  }

  private halt(): void {
    this.order({ type: "pause" });
    this.enter("pausing");
    this.phase.textContent = "Pausing after this step …";
  }

  private hear(news: News): void {
    switch (news.type) {
      case "phase":
        this.showPhase(news.phase, news.done, news.total);
        break;
      case "facts":
        this.facts = news.facts;
        this.showFacts(news.facts);
        break;
      case "steps":
        // A resumed run first reports its stored steps, before it takes any.
        if (this.isStepping) this.messages.over("training");
        this.curves.add(news.entries);
        this.watch.step(performance.now(), news.entries.length);
        this.showNumbers();
        if (performance.now() - this.lastDrawn > drawEvery) this.draw();
        break;
      case "note":
        this.note(news.text);
        break;
      case "sample":
        this.showSample(news.stage, news.step, news.picture);
        break;
      case "trained":
        this.setTrained(news.trained);
        break;
      case "ended":
        this.ended(news.outcome, news.memory);
        break;
      case "failed":
        this.failed(news.order, news.message);
        break;
      case "discarded":
        this.messages.over("training");
        this.curves.clear();
        this.samples.replaceChildren();
        this.setTrained(null);
        this.numbers.textContent = "";
        this.about.textContent = "";
        this.phase.textContent = "The run was removed.";
        this.draw();
        this.enter("none");
        break;
    }
  }

  private showPhase(phase: Phase, done?: number, total?: number): void {
    this.isStepping = phase === "vqvae" || phase === "decoder";
    if (this.state === "pausing" && phase !== "saving") return;
    const count = done === undefined || total === undefined ? "" : ` ${done} of ${total}`;
    const text = `${phases[phase]}${count} …`;
    if (this.phase.textContent !== text) this.phase.textContent = text;
    this.bar.hidden = false;
    if (done !== undefined && total) this.bar.value = done / total;
    else if (phase !== "vqvae" && phase !== "decoder") this.bar.removeAttribute("value");
    if (phase === "vqvae" || phase === "decoder" || phase === "codes") this.watch.restart();
  }

  private showFacts({ adapter, data, pictures, vocabulary, parameters }: RunFacts): void {
    const millions = (count: number) => `${(count / 1e6).toFixed(2)}\u00a0M`;
    this.about.textContent = `${data}: ${pictures} training pictures, ${vocabulary} · VQ-VAE ${millions(parameters.vqvae)}, decoder ${millions(parameters.decoder)} parameters · ${adapter}`;
  }

  private showNumbers(): void {
    const stage: Stage = this.curves.count("decoder") > 0 ? "decoder" : "vqvae";
    const recent = this.curves.last(stage, paceSteps);
    const entry = recent.at(-1);
    if (!entry) return;
    const milliseconds = recent.map(({ ms }) => ms).sort((a, b) => a - b)[recent.length >> 1]!;
    const total = this.facts?.steps[stage];
    const rate = (entry.perSecond * entry.ms) / milliseconds;
    const left =
      total === undefined
        ? ""
        : ` · ${formatDuration(((total - entry.step) * milliseconds) / 1000)} left of this stage`;
    if (total) this.bar.value = entry.step / total;
    this.numbers.textContent = `${stageNames[stage]} step ${entry.step}${total === undefined ? "" : ` of ${total}`} · loss ${entry.losses.total?.toPrecision(4)} · ${Number(rate.toPrecision(3))} ${entry.unit}/s · GPU memory ${formatBytes(entry.bytes)}${left}`;
    this.numbers.dataset.stage = stage;
    this.numbers.dataset.step = String(entry.step);
  }

  private showSample(stage: Stage, step: number, picture: Blob): void {
    const caption = `${stage === "vqvae" ? "Held-out pictures above their reconstructions by the VQ-VAE" : "Held-out pictures with the decoder’s captions in bold and a reference below"}, step ${step}`;
    const image = h("img", { src: this.address(stage, picture), alt: caption });
    const figure = h("figure", { class: "sample" }, image, h("figcaption", {}, caption));
    figure.dataset.stage = stage;
    this.samples.querySelector(`[data-stage="${stage}"]`)?.remove();
    this.samples.prepend(figure);
  }

  private note(text: string): void {
    this.notes.hidden = false;
    this.notes.append(h("li", {}, text));
  }

  private ended(outcome: "finished" | "paused", { before, after }: MemoryReturned): void {
    this.messages.over("training");
    this.bar.hidden = true;
    this.phase.textContent = `${outcome === "finished" ? "Finished" : "Paused"}; GPU memory is released (${formatBytes(after)} in use, ${formatBytes(before)} before the training).`;
    this.phase.dataset.before = String(before);
    this.phase.dataset.after = String(after);
    this.showNumbers();
    this.draw();
    this.enter(outcome === "finished" ? "finished" : "kept");
  }

  private failed(order: Order["type"], message: string): void {
    if (order === "export") {
      this.wanted = false;
      this.messages.show("export", sentence(message));
      return;
    }
    this.messages.show("training", sentence(message));
    this.bar.hidden = true;
    this.wanted = false;
    this.phase.textContent = "";
    void this.kept().then((log) => this.enter(log === null ? "none" : "kept"));
  }

  private enter(state: State): void {
    this.state = state;
    const running = state === "running" || state === "pausing";
    this.start.hidden = running;
    this.start.textContent = state === "kept" || state === "finished" ? "Start a new run instead" : "Start";
    this.start.classList.toggle("primary", state === "none");
    this.pause.hidden = !running;
    this.pause.disabled = state === "pausing";
    this.resume.hidden = state !== "kept";
    this.discard.hidden = running || state === "none";
    this.form.element.hidden = running;
    const steps = this.curves.count("vqvae") + this.curves.count("decoder");
    const usable = state !== "pausing" && (running || this.trained !== null || steps > 0);
    this.use.disabled = !usable;
    this.fetch.disabled = !usable;
    this.panel.dataset.state = state;
  }

  private draw(): void {
    if (this.panel.hidden || document.hidden) return;
    this.lastDrawn = performance.now();
    this.charts.innerHTML = this.curves.charts().join("");
  }

  private visibility(): void {
    if (this.state !== "running") return;
    if (document.hidden) {
      this.watch.hide(performance.now());
      return;
    }
    const told = this.watch.show(performance.now());
    if (told !== null) this.note(told);
    this.draw();
  }

  // ---------------------------------------------------------------- trained captioner

  /** Uses the captioner in the Caption tab, as trained so far. */
  private take(): void {
    this.wanted = true;
    this.order({ type: "export" });
  }

  private setTrained(trained: Trained | null): void {
    this.trained = trained;
    this.files.replaceChildren();
    this.messages.over("export");
    if (!trained) return;
    const { vqvae, decoder } = trained.steps;
    const at = decoder > 0 ? `decoder step ${decoder}` : `VQ-VAE step ${vqvae}`;
    this.files.append(
      `At ${at}, in the format that the Node commands read:`,
      this.download("config.json", trained.config),
      this.download("model.safetensors", trained.model),
    );
    if (!this.wanted) return;
    this.wanted = false;
    if (decoder === 0) {
      this.note(
        "The decoder is not trained yet: its captions are random words. Only the VQ-VAE’s reconstructions are meaningful.",
      );
    }
    void this.hand(`the weights trained here (${at})`, trained);
  }

  private async hand(name: string, { config, model }: Pick<Trained, "config" | "model">): Promise<void> {
    const files = pickedFiles(
      new Map([
        ["weights/config.json", config],
        ["weights/model.safetensors", model],
      ]),
    );
    const source: CaptionerSource = {
      name,
      load: async (gpu) => {
        // Weights from elsewhere may be a baseline's.
        await import("../../../dist/baselines.js");
        return Captioner.fromFolder(gpu, files, "weights");
      },
    };
    await this.app.useCaptioner(source);
  }

  private download(name: string, blob: Blob): HTMLAnchorElement {
    return h(
      "a",
      { class: "button", download: name, href: this.address(name, blob) },
      `${name} (${formatBytes(blob.size)})`,
    );
  }

  /** An object URL of a blob, valid until the next one for the same place. */
  private address(place: string, blob: Blob): string {
    const before = this.addresses.get(place);
    if (before !== undefined) URL.revokeObjectURL(before);
    const address = URL.createObjectURL(blob);
    this.addresses.set(place, address);
    return address;
  }

  /** A control that loads weights trained elsewhere: the two files of a `weights/` folder. */
  private foreignWeights(): HTMLElement[] {
    const input = h("input", {
      type: "file",
      multiple: true,
      accept: ".json,.safetensors",
      class: "out-of-sight",
      id: "train-weights",
    });
    input.addEventListener("change", () => {
      const named = (name: string) => [...(input.files ?? [])].find((file) => file.name === name);
      const [config, model] = [named("config.json"), named("model.safetensors")];
      input.value = "";
      if (config && model) {
        this.messages.over("weights");
        void this.hand("the weights from your files", { config, model });
      } else
        this.messages.show(
          "weights",
          "Choose both files of a weights folder at once: config.json and model.safetensors.",
        );
    });
    return [input, h("label", { for: "train-weights", class: "button" }, "Use weights trained elsewhere …")];
  }
}
