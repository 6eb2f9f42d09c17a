/** The Train tab: runs both stages in a worker, with curves and samples, and keeps the runs. */

import { formatBytes } from "../../../dist/index.js";
import { formatDuration } from "../../../dist/report.js";
import type { App } from "../app.js";
import { confirmed } from "../confirm.js";
import { button, h } from "../dom.js";
import { Losses } from "../gpu.js";
import { Messages } from "../messages.js";
import { sentence } from "../sentence.js";
import { Curves } from "../train/curves.js";
import { Form } from "../train/form.js";
import { type KeptRun, keptRun, keptRuns, newId } from "../train/kept.js";
import { Liveness } from "../train/liveness.js";
import type { MemoryReturned, News, Order, Phase, RunFacts, Stage } from "../train/messages.js";
import { Runs, reached } from "../train/runs.js";
import { TrainedCaptioner } from "../train/trained.js";
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
  measures: "Evaluating on held-out pictures",
  samples: "Drawing samples of held-out pictures",
  saving: "Saving",
};
const stageNames: Readonly<Record<Stage, string>> = { vqvae: "VQ-VAE", decoder: "Decoder" };

/** The run's state, which decides on the buttons. */
type State = "none" | "running" | "pausing" | "kept" | "finished";

class TrainTab {
  private readonly panel: HTMLElement;
  private readonly problems = h("div");
  private readonly messages = new Messages(this.problems);
  private readonly form = new Form(this.messages);
  private readonly curves = new Curves();
  private readonly watch = new Watch();
  private readonly liveness = new Liveness();
  private readonly deaths = new Losses();
  private readonly trained: TrainedCaptioner;
  private readonly runs: Runs;
  private worker: Worker | null = null;
  private state: State = "none";
  /** The run that is open: the buttons and curves are about it. */
  private run: string | null = null;
  private kept: readonly KeptRun[] = [];
  private facts: RunFacts | null = null;
  private lastOrder: Order["type"] = "start";
  /** A stage is taking steps. */
  private isStepping = false;
  /** The worker has taken a step since it was started. */
  private hasStepped = false;
  private lastDrawn = 0;
  /** When the phase began, and how long the last evaluation took, in milliseconds. */
  private phaseBegan = 0;
  private lastEvaluation: number | null = null;
  private shownPhase: Phase | null = null;

  private readonly start = button("Start", () => this.begin(), { class: "primary" });
  private readonly pause = button("Pause", () => this.halt());
  private readonly resume = button("Resume", () => this.order({ type: "resume", run: this.run! }), {
    class: "primary",
  });

  private readonly phase = h("p", { id: "train-phase", role: "status" });
  private readonly phaseTime = h("span", { id: "train-phase-time", class: "quiet" });
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

  constructor(panel: HTMLElement, app: App) {
    this.panel = panel;

    this.trained = new TrainedCaptioner(app, this.messages, {
      request: () => this.order({ type: "export", run: this.run! }),
      note: (text) => this.note(text),
    });
    this.runs = new Runs({
      open: (run) => this.open(run),
      remove: (run) => void this.remove(run),
      compare: () => this.draw(),
    });
    panel.append(
      h(
        "p",
        {},
        "Trains a captioner in this page: first the VQ-VAE, which encodes pictures into codes, then the decoder, which denoises captions. Nothing leaves this computer.",
      ),
      this.form.element,
      h("div", { class: "row" }, this.start, this.resume, this.pause),
      this.problems,
      h("div", { class: "row" }, this.phase, this.phaseTime),
      this.bar,
      this.numbers,
      this.about,
      this.notes,
      this.samples,
      this.charts,
      this.trained.element,
      this.runs.element,
    );
    document.addEventListener("visibilitychange", () => this.visibility());
    app.on("tab", () => this.draw());
    setInterval(() => this.tick(), 1000);
    this.enter("none");
    void this.findKept();
  }

  /** Reads the stored runs again. Returns false if they cannot be read (a message says why). */
  private async readKept(): Promise<boolean> {
    try {
      this.kept = await keptRuns();
      this.messages.over("storage");
      return true;
    } catch (error) {
      this.kept = [];
      this.messages.show("storage", `Runs cannot be stored or read here: ${sentence(error)}`);
      return false;
    } finally {
      this.showRuns();
    }
  }

  private showRuns(): void {
    this.runs.show(this.kept, this.run, this.isBusy);
  }

  private get isBusy(): boolean {
    return this.state === "running" || this.state === "pausing";
  }

  /** Opens the newest run stored by an earlier visit: an unfinished one if there is any. */
  private async findKept(): Promise<void> {
    await this.readKept();
    const newest = this.kept.findLast(({ isFinished }) => !isFinished) ?? this.kept.at(-1);
    if (newest && this.state === "none" && this.run === null) this.open(newest);
  }

  /** Shows a stored run. */
  private open(run: KeptRun): void {
    this.run = run.id;
    this.facts = null;
    this.clear();
    this.curves.add(run.log);
    this.enter(run.isFinished ? "finished" : "kept");
    this.phase.textContent = run.isFinished
      ? `This run is finished, at ${reached(run)}.`
      : run.log.length > 0
        ? `This run stopped at ${reached(run)}. It resumes from its last checkpoint.`
        : "This run has not taken a step yet.";
    this.draw();
  }

  /** Asks before a stored run is removed for good. */
  private async remove(run: KeptRun): Promise<void> {
    const hours = run.log.reduce((sum, { ms }) => sum + ms, 0) / 1000;
    const lost = `Its ${run.log.length} steps (${formatDuration(hours)} of training), its checkpoints and its trained weights will be deleted. Files that you exported remain.`;
    if (await confirmed("Remove this run?", lost, "Remove it")) this.order({ type: "discard", run: run.id });
  }

  private order(order: Order): void {
    this.lastOrder = order.type;
    if (order.type === "resume" || order.type === "start") {
      this.hasStepped = false;
      this.enter("running");
      this.liveness.begin(() => this.replaceWorker("fell silent"));
    }
    this.worker ??= this.hire();
    this.worker.postMessage(order);
  }

  private hire(): Worker {
    const worker = new Worker(new URL("train-worker.js", document.baseURI), { type: "module" });
    worker.addEventListener("message", (event: MessageEvent<News>) => {
      this.liveness.heard();
      this.hear(event.data);
    });
    worker.addEventListener("error", (event) => {
      // A worker that did not start never will: the next order starts another one.
      if (this.isBusy && this.hasStepped) return this.replaceWorker(event.message || "failed");
      this.dismiss();
      this.failed(this.isBusy ? "start" : this.lastOrder, event.message || "the worker did not start");
    });
    return worker;
  }

  private dismiss(): void {
    this.liveness.end();
    this.worker?.terminate();
    this.worker = null;
  }

  /** Replaces a worker that died in the middle of a run, and resumes the run, unless that happens again and again. */
  private replaceWorker(why: string): void {
    const { run, state } = this;
    this.dismiss();
    if (!this.deaths.add(performance.now())) {
      this.failed("start", `the training’s worker died ${this.deaths.count} times within a minute (${why})`);
      return;
    }
    if (state === "pausing") {
      this.failed("start", `the training’s worker died (${why}); the run resumes from its last checkpoint`);
      return;
    }
    this.note(
      `The training’s worker ${why} and was replaced; the training continues from its last checkpoint.`,
    );
    this.order({ type: "resume", run: run! });
  }

  private begin(): void {
    const { pictures, presetName: preset, set } = this.form;
    if (!pictures) return;
    this.run = newId();
    this.facts = null;
    this.clear();
    this.draw();
    // The browser's storage holds hours of work: ask it not to clear that when the disk gets full. It may refuse.
    navigator.storage?.persist?.().catch(() => {});
    this.order({ type: "start", run: this.run, preset, pictures, set });
  }

  /** Clears what is shown of a run. */
  private clear(): void {
    this.curves.clear();
    this.trained.show(null);
    this.notes.replaceChildren();
    this.notes.hidden = true;
    this.samples.replaceChildren();
    this.numbers.textContent = "";
    delete this.numbers.dataset.stage;
    delete this.numbers.dataset.step;
    this.about.textContent = "";
    this.lastEvaluation = null;
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
        if (this.isStepping) {
          this.messages.over("training");
          this.hasStepped = true;
        }
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
        this.trained.show(news.trained);
        break;
      case "ended":
        void this.ended(news.outcome, news.memory);
        break;
      case "failed":
        this.failed(news.order, news.message);
        break;
      case "discarded":
        void this.discarded(news.run);
        break;
      case "alive":
        break;
    }
  }

  private async discarded(run: string): Promise<void> {
    this.messages.over("training");
    if (run === this.run) {
      this.run = null;
      this.clear();
      this.phase.textContent = "The run was removed.";
      this.draw();
      this.enter("none");
    }
    await this.readKept();
  }

  private showPhase(phase: Phase, done?: number, total?: number): void {
    this.isStepping = phase === "vqvae" || phase === "decoder";
    const now = performance.now();
    if (phase !== this.shownPhase) {
      if (this.shownPhase === "measures") this.lastEvaluation = now - this.phaseBegan;
      this.shownPhase = phase;
      this.phaseBegan = now;
      this.phaseTime.textContent = "";
    }
    if (this.state === "pausing" && phase !== "saving") return;
    const count = done === undefined || total === undefined ? "" : ` ${done} of ${total}`;
    const text = `${phases[phase]}${count} …`;
    if (this.phase.textContent !== text) this.phase.textContent = text;
    this.bar.hidden = false;
    if (done !== undefined && total) this.bar.value = done / total;
    else if (phase !== "vqvae" && phase !== "decoder") this.bar.removeAttribute("value");
    if (this.isStepping || phase === "codes") this.watch.restart();
  }

  /** Shows how long an evaluation has taken so far: nothing else moves meanwhile. */
  private tick(): void {
    if (this.state !== "running" || this.shownPhase !== "measures") return;
    const seconds = (performance.now() - this.phaseBegan) / 1000;
    this.phaseTime.textContent = ` ${formatDuration(seconds)}`;
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
    const { lastEvaluation, facts } = this;
    const stepsLeft = total === undefined ? 0 : total - entry.step;
    const evaluations = facts?.evaluateEvery
      ? Math.ceil(stepsLeft / facts.evaluateEvery)
      : stepsLeft > 0
        ? 1
        : 0;
    const remaining = stepsLeft * milliseconds + evaluations * (lastEvaluation ?? 0);
    const left = stepsLeft > 0 ? ` · ${formatDuration(remaining / 1000)} left of this stage` : "";
    const evaluation =
      lastEvaluation === null ? "" : ` · last evaluation ${formatDuration(lastEvaluation / 1000)}`;
    if (total) this.bar.value = entry.step / total;
    this.numbers.textContent = `${stageNames[stage]} step ${entry.step}${total === undefined ? "" : ` of ${total}`} · loss ${entry.losses.total?.toPrecision(4)} · ${Number(rate.toPrecision(3))} ${entry.unit}/s · GPU memory ${formatBytes(entry.bytes)}${evaluation}${left}`;
    this.numbers.dataset.stage = stage;
    this.numbers.dataset.step = String(entry.step);
  }

  private showSample(stage: Stage, step: number, picture: Blob): void {
    const caption = `${stage === "vqvae" ? "Held-out pictures above their reconstructions by the VQ-VAE" : "Held-out pictures with the decoder’s captions in bold and a reference below"}, step ${step}`;
    const image = h("img", { src: URL.createObjectURL(picture), alt: caption });
    image.addEventListener("load", () => URL.revokeObjectURL(image.src));
    const figure = h("figure", { class: "sample" }, image, h("figcaption", {}, caption));
    figure.dataset.stage = stage;
    this.samples.querySelector(`[data-stage="${stage}"]`)?.remove();
    this.samples.prepend(figure);
  }

  private note(text: string): void {
    this.notes.hidden = false;
    this.notes.append(h("li", {}, text));
  }

  private async ended(outcome: "finished" | "paused", { before, after }: MemoryReturned): Promise<void> {
    this.liveness.end();
    this.messages.over("training");
    this.bar.hidden = true;
    this.phaseTime.textContent = "";
    this.phase.textContent = `${outcome === "finished" ? "Finished" : "Paused"}; GPU memory is released (${formatBytes(after)} in use, ${formatBytes(before)} before the training).`;
    this.phase.dataset.before = String(before);
    this.phase.dataset.after = String(after);
    this.showNumbers();
    this.draw();
    this.enter(outcome === "finished" ? "finished" : "kept");
    await this.readKept();
  }

  private failed(order: Order["type"], message: string): void {
    this.trained.refused();
    if (order === "export") {
      this.messages.show("export", sentence(message));
      return;
    }
    this.liveness.end();
    this.messages.show("training", sentence(message));
    this.bar.hidden = true;
    this.phase.textContent = "";
    this.phaseTime.textContent = "";
    void this.afterFailure();
  }

  /** The run is kept if it was begun; else the page is where it was before it. */
  private async afterFailure(): Promise<void> {
    const { run } = this;
    const stored = run === null ? null : await keptRun(run).catch(() => null);
    if (!stored) this.run = null;
    this.enter(stored ? (stored.isFinished ? "finished" : "kept") : "none");
    await this.readKept();
  }

  private enter(state: State): void {
    this.state = state;
    const running = this.isBusy;
    this.start.hidden = running;
    this.start.textContent = state === "none" ? "Start" : "Start another run";
    this.start.classList.toggle("primary", state !== "kept");
    this.pause.hidden = !running;
    this.pause.disabled = state === "pausing";
    this.resume.hidden = state !== "kept";
    this.form.element.hidden = running;
    const steps = this.curves.count("vqvae") + this.curves.count("decoder");
    this.trained.enable(this.run !== null && state !== "pausing" && (running || steps > 0));
    this.panel.dataset.state = state;
    this.showRuns();
  }

  private draw(): void {
    if (this.panel.hidden || document.hidden) return;
    this.lastDrawn = performance.now();
    this.charts.innerHTML = this.curves.charts(this.runs.compared).join("");
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
}
