/** State that the tabs share: the device, the captioner, the picture, messages and the status line. */

import { Captioner, DeviceLostError, formatBytes, type Gpu, UserError } from "../../dist/index.js";
import type { Linked } from "./caption/link.js";
import { Events } from "./events.js";
import { Compilation, runOnce } from "./first-run.js";
import { type Gallery, galleryPicture, listed } from "./gallery.js";
import { Losses, lossText, openGpu, reopenGpu } from "./gpu.js";
import type { Messages, StatusLine } from "./messages.js";
import { noWebGpu } from "./no-webgpu.js";
import type { Picture } from "./picture.js";
import { sentence } from "./sentence.js";

/** Loads a captioner. The app keeps it, so that it can load the captioner again on another device after a device loss. */
export interface CaptionerSource {
  /** Name in the page's texts, e.g. "the shipped weights". */
  readonly name: string;
  load(
    gpu: Gpu,
    onProgress: (progress: { loaded: number; total: number }) => void,
    whileLoading: (captioner: Captioner) => Promise<void>,
  ): Promise<Captioner>;
}

export interface AppEvents {
  /** The captioner changed; null while there is none. Listeners discard results of the previous one and compute them again. */
  captioner: Captioner | null;
  /** The picture changed. */
  picture: Picture;
  /** The gallery is loaded. */
  gallery: Gallery;
  /** Another tab was opened. */
  tab: string;
  /** Work on the captioner began (true) or ended (false). */
  busy: boolean;
  /** Whether this browser has a GPU for the page: false once it has none. */
  gpu: boolean;
}

/**
 * How a tab's work ended. `replaced`: other work took its place, or the device was lost: the tab does it again when it is
 * looked at. `failed`: a message says why, and the user decides when to try again.
 */
export type WorkOutcome = "done" | "failed" | "replaced";

/** The app's outputs, provided by the shell of the page. */
export interface Screen {
  readonly messages: Messages;
  readonly status: StatusLine;
  /** Shows facts at the foot of the page. */
  facts(text: string, bytes: number): void;
}

/** The weights that ship with the page. */
export const shippedWeights: CaptionerSource = {
  name: "the shipped weights",
  load: (gpu, onProgress, whileLoading) =>
    Captioner.load("weights/emoji/", { gpu, onProgress, whileLoading }),
};

export class App {
  readonly messages: Messages;
  /** The current captioner; listen to `captioner` for changes. */
  captioner: Captioner | null = null;
  picture: Picture | null = null;
  gallery: Gallery | null = null;
  /** Whether the user, or the link that the page was opened with, chose the picture. */
  isChosen = false;
  /** The link to be followed next: what it says beside its picture is for the tab Caption. */
  linked: Linked | null = null;
  /** Why there is no GPU; null while there may be one. */
  gpuMissing: string | null = null;
  private readonly screen: Screen;
  private readonly events = new Events<AppEvents>();
  /** Source of the current captioner, or, after a device loss, of the previous one. */
  private source: CaptionerSource = shippedWeights;
  /** The source requested last that has not failed. */
  private wanted: CaptionerSource = shippedWeights;
  /** The source that the message of source "captioner" is about. */
  private failed: CaptionerSource | null = null;
  private opened: Promise<Gpu> | null = null;
  private engineError: unknown = null;
  private choice: Promise<Picture> | null = null;
  private job: { abort: AbortController; ended: Promise<unknown> } | null = null;
  private readonly losses = new Losses();

  constructor(screen: Screen) {
    this.screen = screen;
    this.messages = screen.messages;
  }

  on<K extends keyof AppEvents>(event: K, listener: (value: AppEvents[K]) => void): () => void {
    return this.events.on(event, listener);
  }

  /** Emits `tab` after another tab was opened. */
  tabOpened(id: string): void {
    this.events.emit("tab", id);
  }

  useGallery(gallery: Gallery): void {
    this.gallery = gallery;
    this.events.emit("gallery", gallery);
  }

  usePicture(picture: Picture): void {
    this.picture = picture;
    this.workChanged();
    // Once the gallery is loaded, its message can only be about its first picture, which is no longer needed.
    if (this.gallery) this.messages.over("gallery");
    this.events.emit("picture", picture);
  }

  /**
   * Uses the picture that the user chose, once it is read, or shows why it cannot be read. If several are being read, the
   * one chosen last takes precedence.
   */
  async choosePicture(reading: Promise<Picture>, retry?: () => unknown): Promise<void> {
    this.choice = reading;
    try {
      const picture = await reading;
      if (this.choice !== reading) return;
      this.isChosen = true;
      this.messages.over("picture");
      this.screen.status.over("loss");
      this.usePicture(picture);
    } catch (error) {
      if (this.choice === reading) this.messages.show("picture", sentence(error), retry);
    }
  }

  /** Follows a link: uses its picture, now or once the gallery is there. */
  follow(link: Linked): void {
    this.linked = link;
    const { codes, file } = link;
    this.isChosen = codes !== null || file !== null;
    if (codes) {
      // The model decodes the picture when it is there.
      const pixels = new ImageData(1, 1);
      this.usePicture({
        pixels,
        name: "a picture from a link, as the model sees it",
        note: "",
        file: null,
        captions: [],
        codes,
      });
      return;
    }
    const { gallery } = this;
    if (!gallery) return;
    const entry = listed(gallery, file);
    if (entry) void this.choosePicture(galleryPicture(gallery, entry));
    else if (file !== null) this.missesLinked(file);
    else if (this.picture) this.usePicture(this.picture);
  }

  /** Says that the gallery has no such picture, and drops the link. */
  missesLinked(file: string): void {
    this.linked = null;
    this.messages.show("picture", `The link’s picture ${file} is not in the gallery.`);
  }

  /** What the link says beside a picture, once: null for other pictures than its own. */
  takeLink(picture: Picture): Linked | null {
    const { linked } = this;
    if (!linked) return null;
    const { file, codes } = linked;
    const isOwn = codes ? codes === picture.codes : file === null || file === picture.file;
    if (!isOwn) return null;
    this.linked = null;
    return linked;
  }

  /** Gives back a link that was taken for work that did not end; a newer one stays. */
  returnLink(link: Linked): void {
    this.linked ??= link;
  }

  /** Uses the weights that ship with the page. */
  get usesShipped(): boolean {
    return this.source === shippedWeights;
  }

  /** The weights that are in use, or will be once they are loaded. */
  get wantedSource(): CaptionerSource {
    return this.wanted;
  }

  /** The name of the weights in use. */
  get sourceName(): string {
    return this.source.name;
  }

  /** Removes messages about work on the previous picture or captioner. */
  private workChanged(): void {
    this.messages.over("caption");
    this.messages.over("guidance");
    this.messages.over("scenes");
  }

  private async open(): Promise<Gpu> {
    try {
      const gpu = await openGpu();
      gpu.on("lost", ({ reason }) => void this.lost(gpu, reason));
      gpu.on("error", (error) => {
        this.engineError = error;
        this.messages.show("engine", sentence(error));
      });
      this.messages.over("gpu");
      this.messages.over("engine");
      return gpu;
    } catch (error) {
      this.opened = null;
      throw error;
    }
  }

  /** The device that the page's tabs share, opened at the first call. Null if it cannot be opened: a message says why and offers `retry`. */
  private async gpu(retry: () => unknown): Promise<Gpu | null> {
    const { messages, status } = this.screen;
    try {
      status.show("gpu", "Opening the GPU …");
      this.opened ??= this.open();
      const gpu = await this.opened;
      this.gpuMissing = null;
      this.events.emit("gpu", true);
      return gpu;
    } catch (error) {
      if (!(error instanceof UserError)) {
        messages.show("gpu", sentence(error), retry);
        return null;
      }
      this.gpuMissing = error.message;
      messages.show("gpu", noWebGpu(error.message), retry, { lasting: true });
      this.events.emit("gpu", false);
      return null;
    } finally {
      status.over("gpu");
    }
  }

  /** Opens the device and loads the captioner. Shows errors as messages. */
  async start(): Promise<void> {
    const gpu = await this.gpu(() => this.start());
    if (gpu) await this.loadCaptioner(gpu, this.wanted);
  }

  /**
   * Uses another captioner, for example one that was just trained, and frees the previous one. Returns false if it cannot be
   * loaded (a message says why; the previous one stays in use), or if another one was requested meanwhile.
   */
  async useCaptioner(source: CaptionerSource): Promise<boolean> {
    this.wanted = source;
    const gpu = await this.gpu(() => this.useCaptioner(source));
    if (!gpu || !(await this.loadCaptioner(gpu, source))) return false;
    this.messages.over("captioner");
    return true;
  }

  /** Uses the weights that ship with the page again. */
  useShipped(): Promise<boolean> {
    return this.useCaptioner(shippedWeights);
  }

  private async loadCaptioner(gpu: Gpu, source: CaptionerSource): Promise<boolean> {
    const { messages, status } = this.screen;
    const isWanted = () => this.wanted === source;
    try {
      status.show("captioner", `Loading ${source.name} …`);
      const captioner = await source.load(
        gpu,
        ({ loaded, total }) => {
          if (!isWanted()) return;
          const text = `Loading ${source.name}: ${formatBytes(loaded)} of ${formatBytes(total)}`;
          status.show("captioner", text, total > 0 ? loaded / total : undefined);
        },
        (unfilled) => this.firstRun(unfilled),
      );
      if (!isWanted()) {
        captioner.dispose();
        return false;
      }
      await this.stopWork();
      this.captioner?.dispose();
      this.captioner = captioner;
      this.source = source;
      status.over("captioner");
      if (this.failed === source) messages.over("captioner");
      this.workChanged();
      this.showFacts();
      this.events.emit("captioner", captioner);
      return true;
    } catch (error) {
      if (!isWanted()) return false;
      status.over("captioner");
      // `lost` handles a device loss.
      if (error instanceof DeviceLostError) return false;
      this.wanted = this.source;
      this.failed = source;
      messages.show("captioner", sentence(error), () => this.useCaptioner(source));
      return false;
    }
  }

  /** Compiles the kernels of a caption and runs them once, so that the first picture need not wait for that. */
  private async firstRun(captioner: Captioner): Promise<void> {
    const { status } = this.screen;
    const compilation = new Compilation(captioner.gpu.device, (compiled, requested) => {
      const text =
        compiled < requested
          ? `Compiling kernels: ${compiled} of ${requested}`
          : "Running the kernels for the first time …";
      status.show("compilation", text, compiled < requested ? compiled / requested : undefined);
    });
    try {
      await runOnce(captioner);
    } catch {
      // If it is not over then, the first caption says so.
    } finally {
      compilation.end();
      status.over("compilation");
    }
  }

  private async lost(gpu: Gpu, reason: string): Promise<void> {
    if ((await this.opened?.catch(() => null)) !== gpu) return;
    const { messages, status } = this.screen;
    this.opened = null;
    // Its buffers were lost with the device.
    this.captioner = null;
    this.events.emit("captioner", null);
    if (!this.losses.add(performance.now())) {
      status.over("loss");
      const often = `${lossText(reason)}, ${this.losses.count} times within a minute.`;
      messages.show("gpu", often, () => this.start());
      return;
    }
    status.show("loss", `${lossText(reason)}; reopening it …`);
    await this.stopWork();
    // If that fails, `start` says why.
    await reopenGpu(() => {
      this.opened ??= this.open();
      return this.opened;
    }).catch(() => {});
    await this.start();
    if (this.captioner) status.show("loss", "The GPU was lost and has been reopened.");
    else status.over("loss");
  }

  /**
   * Runs a tab's work on the captioner. Aborts earlier work first and waits until it has ended. Shows an error as a message
   * that offers `retry`; an abort by `signal` is no error.
   */
  async work(
    tab: "caption" | "guidance" | "scenes",
    job: (captioner: Captioner, signal: AbortSignal) => Promise<void>,
    retry: () => unknown,
  ): Promise<WorkOutcome> {
    const abort = new AbortController();
    const before = this.job;
    before?.abort.abort();
    const run = async (): Promise<WorkOutcome> => {
      await before?.ended;
      const { captioner, messages } = this;
      if (!captioner || abort.signal.aborted) return "replaced";
      this.events.emit("busy", true);
      this.engineError = null;
      try {
        await job(captioner, abort.signal);
        messages.over(tab);
        if (this.engineError === null) messages.over("engine");
        return "done";
      } catch (error) {
        if (abort.signal.aborted || error instanceof DeviceLostError) return "replaced";
        // The next call throws an asynchronous error again: one message is enough.
        if (error === this.engineError) messages.over("engine");
        messages.show(tab, sentence(error), retry);
        return "failed";
      } finally {
        this.screen.status.over("work");
        this.events.emit("busy", false);
        this.showFacts();
      }
    };
    const ended = run();
    this.job = { abort, ended };
    return ended;
  }

  /** Says in the status line what the current work does; `progress` from 0 to 1. */
  phase(text: string, progress?: number): void {
    this.screen.status.show("work", text, progress);
  }

  /** Aborts the work on the captioner, if any, and waits until it has ended. */
  async stopWork(): Promise<void> {
    this.job?.abort.abort();
    await this.job?.ended;
  }

  /** Shows the adapter and the engine's memory at the foot of the page. */
  showFacts(): void {
    const { captioner } = this;
    if (!captioner) return;
    const { gpu } = captioner;
    const { liveBytes, pooledBytes } = gpu.memory;
    this.screen.facts(
      `${gpu.description}${gpu.software ? ", computing on the CPU" : ""} · GPU memory: ${formatBytes(liveBytes)} in use, ${formatBytes(pooledBytes)} kept for reuse · ${this.source.name}`,
      liveBytes,
    );
  }
}
