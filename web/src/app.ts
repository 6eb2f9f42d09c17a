/** State that the tabs share: the device, the captioner, the picture, messages and the status line. */

import { Captioner, DeviceLostError, formatBytes, type Gpu, UserError } from "../../dist/index.js";
import { Events } from "./events.js";
import { Losses, lossText, openGpu, reopenGpu } from "./gpu.js";
import type { Messages, StatusLine } from "./messages.js";
import { noWebGpu } from "./no-webgpu.js";
import type { Picture } from "./picture.js";
import type { Gallery } from "./picture-input.js";

/** Where a captioner comes from: kept, so that it can be made anew on another device when this one is lost. */
export interface CaptionerSource {
  /** As the page calls it: "the shipped weights". */
  readonly name: string;
  load(gpu: Gpu, onProgress: (progress: { loaded: number; total: number }) => void): Promise<Captioner>;
}

export interface AppEvents {
  /** Another captioner is in use; null while there is none. Whoever showed something of the old one shows it anew. */
  captioner: Captioner | null;
  /** Another picture is in use. */
  picture: Picture;
  /** The gallery is there. */
  gallery: Gallery;
  /** Another tab came to the front. */
  tab: string;
  /** Work on the captioner began (true) or ended. */
  busy: boolean;
}

/** Where the app shows things; the shell of the page has it. */
export interface Screen {
  readonly messages: Messages;
  readonly status: StatusLine;
  /** Facts for the foot of the page. */
  facts(text: string, bytes: number): void;
}

/** The weights that the page brings along. */
export const shippedWeights: CaptionerSource = {
  name: "the shipped weights",
  load: (gpu, onProgress) => Captioner.load("weights/emoji/", { gpu, onProgress }),
};

export class App {
  readonly messages: Messages;
  /** In use at the moment; listen to `captioner` for changes. */
  captioner: Captioner | null = null;
  picture: Picture | null = null;
  gallery: Gallery | null = null;
  private readonly screen: Screen;
  private readonly events = new Events<AppEvents>();
  /** Where the captioner in use comes from, or came from before the device was lost. */
  private source: CaptionerSource = shippedWeights;
  /** What was asked for last and has not failed. */
  private wanted: CaptionerSource = shippedWeights;
  /** What the message of source "captioner" is about. */
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

  /** Tells that another tab came to the front. */
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
    // Of a gallery that is there only the first picture can lack, and now there is one.
    if (this.gallery) this.messages.over("gallery");
    this.events.emit("picture", picture);
  }

  /**
   * Uses the picture that a person chose once it is read, or says why it cannot be read. If several are being read, the
   * one chosen last takes precedence.
   */
  async choosePicture(reading: Promise<Picture>, retry?: () => unknown): Promise<void> {
    this.choice = reading;
    try {
      const picture = await reading;
      if (this.choice !== reading) return;
      this.messages.over("picture");
      this.screen.status.over("loss");
      this.usePicture(picture);
    } catch (error) {
      if (this.choice === reading) this.messages.show("picture", sentence(error), retry);
    }
  }

  /** Messages about work on the former picture or captioner are over. */
  private workChanged(): void {
    this.messages.over("caption");
    this.messages.over("guidance");
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

  /** The device that the page's tabs share, opened at the first call. Null if it cannot be: a message says why and offers `retry`. */
  private async gpu(retry: () => unknown): Promise<Gpu | null> {
    const { messages, status } = this.screen;
    try {
      status.show("gpu", "Opening the GPU …");
      this.opened ??= this.open();
      return await this.opened;
    } catch (error) {
      messages.show("gpu", error instanceof UserError ? noWebGpu(error.message) : sentence(error), retry);
      return null;
    } finally {
      status.over("gpu");
    }
  }

  /** Opens the device and loads the captioner; messages say what went wrong. */
  async start(): Promise<void> {
    const gpu = await this.gpu(() => this.start());
    if (gpu) await this.loadCaptioner(gpu, this.wanted);
  }

  /**
   * Uses another captioner, for example one that was just trained, and frees the one before. False if it cannot be loaded
   * (a message says why; the one before stays in use), or if another one was asked for meanwhile.
   */
  async useCaptioner(source: CaptionerSource): Promise<boolean> {
    const gpu = await this.gpu(() => this.useCaptioner(source));
    if (!gpu || !(await this.loadCaptioner(gpu, source))) return false;
    this.messages.over("captioner");
    return true;
  }

  private async loadCaptioner(gpu: Gpu, source: CaptionerSource): Promise<boolean> {
    const { messages, status } = this.screen;
    this.wanted = source;
    const isWanted = () => this.wanted === source;
    try {
      status.show("captioner", `Loading ${source.name} …`);
      const captioner = await source.load(gpu, ({ loaded, total }) => {
        if (!isWanted()) return;
        const text = `Loading ${source.name}: ${formatBytes(loaded)} of ${formatBytes(total)}`;
        status.show("captioner", text, total > 0 ? loaded / total : undefined);
      });
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
      // Loss of the device is mended elsewhere.
      if (error instanceof DeviceLostError) return false;
      this.wanted = this.source;
      this.failed = source;
      messages.show("captioner", sentence(error), () => this.useCaptioner(source));
      return false;
    }
  }

  private async lost(gpu: Gpu, reason: string): Promise<void> {
    if ((await this.opened?.catch(() => null)) !== gpu) return;
    const { messages, status } = this.screen;
    this.opened = null;
    // What it held went with the device.
    this.captioner = null;
    this.events.emit("captioner", null);
    if (!this.losses.add(performance.now())) {
      status.over("loss");
      const often = `${lossText(reason)}, ${this.losses.count} times within a minute.`;
      messages.show("gpu", often, () => this.start());
      return;
    }
    status.show("loss", `${lossText(reason)}; opening it again …`);
    await this.stopWork();
    // If that fails, the start says why.
    await reopenGpu(() => {
      this.opened ??= this.open();
      return this.opened;
    }).catch(() => {});
    await this.start();
    if (this.captioner) status.show("loss", "The GPU was lost and is open again.");
    else status.over("loss");
  }

  /**
   * Runs work of a tab on the captioner; work that still goes on is aborted first, and has ended before this begins. A message
   * tells an error and offers `retry`; an end by `signal` is no error. True if the work came to its end.
   */
  async work(
    tab: "caption" | "guidance",
    job: (captioner: Captioner, signal: AbortSignal) => Promise<void>,
    retry: () => unknown,
  ): Promise<boolean> {
    const abort = new AbortController();
    const before = this.job;
    before?.abort.abort();
    const run = async (): Promise<boolean> => {
      await before?.ended;
      const { captioner, messages } = this;
      if (!captioner || abort.signal.aborted) return false;
      this.events.emit("busy", true);
      this.engineError = null;
      try {
        await job(captioner, abort.signal);
        messages.over(tab);
        if (this.engineError === null) messages.over("engine");
        return true;
      } catch (error) {
        if (abort.signal.aborted || error instanceof DeviceLostError) return false;
        // An asynchronous error is thrown by the next call too: one message is enough.
        if (error === this.engineError) messages.over("engine");
        messages.show(tab, sentence(error), retry);
        return false;
      } finally {
        this.events.emit("busy", false);
        this.showFacts();
      }
    };
    const ended = run();
    this.job = { abort, ended };
    return ended;
  }

  /** Aborts the work on the captioner, if there is any, and waits for its end. */
  async stopWork(): Promise<void> {
    this.job?.abort.abort();
    await this.job?.ended;
  }

  /** The adapter and the memory of the engine, at the foot of the page. */
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

/** An error as people read it. */
export function sentence(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  // Names of files stay as they are written.
  const isName = /^\S*[./]/.test(text);
  return `${isName ? text.charAt(0) : text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
}
