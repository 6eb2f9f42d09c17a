/** What the tabs share: the device, the captioner, the picture, the status line. */

import { Captioner, DeviceLostError, formatBytes, type Gpu, UserError } from "../../dist/index.js";
import { Events } from "./events.js";
import { Losses, lossText, openGpu, reopenGpu } from "./gpu.js";
import type { Picture } from "./picture.js";

/** Where a captioner comes from: kept, so that it can be made anew on another device when this one is lost. */
export interface CaptionerSource {
  /** As the page calls it: "the shipped weights". */
  readonly name: string;
  load(gpu: Gpu, onProgress: (progress: { loaded: number; total: number }) => void): Promise<Captioner>;
}

export interface AppEvents {
  /** Another captioner is in use; null while there is none. Whoever showed something of the old one shows it anew. */
  captioner: Captioner | null;
  /** Another picture was chosen. */
  picture: Picture;
  /** Another tab came to the front. */
  tab: string;
  /** Work on the captioner began (true) or ended. */
  busy: boolean;
}

/** What the app shows to people; the shell of the page has it. */
export interface Screen {
  /** A line about what is going on; empty: nothing is. `progress` from 0 to 1. */
  status(text: string, progress?: number): void;
  /** Something went wrong; with `retry`, a button offers to do it again. */
  error(text: string, retry?: () => void): void;
  /** Takes errors away that are no longer true. */
  clearErrors(): void;
  /** There is no WebGPU here: says why and what helps. */
  noWebGpu(reason: string, retry: () => void): void;
  /** Facts for the foot of the page. */
  facts(text: string, bytes: number): void;
}

/** The weights that the page brings along. */
export const shippedWeights: CaptionerSource = {
  name: "the shipped weights",
  load: (gpu, onProgress) => Captioner.load("weights/emoji/", { gpu, onProgress }),
};

export class App {
  readonly screen: Screen;
  /** In use at the moment; listen to `captioner` for changes. */
  captioner: Captioner | null = null;
  picture: Picture | null = null;
  private readonly events = new Events<AppEvents>();
  private source: CaptionerSource = shippedWeights;
  private opened: Promise<Gpu> | null = null;
  private job: { abort: AbortController; ended: Promise<unknown> } | null = null;
  private readonly losses = new Losses();

  constructor(screen: Screen) {
    this.screen = screen;
  }

  on<K extends keyof AppEvents>(event: K, listener: (value: AppEvents[K]) => void): () => void {
    return this.events.on(event, listener);
  }

  /** Tells that another tab came to the front. */
  tabOpened(id: string): void {
    this.events.emit("tab", id);
  }

  usePicture(picture: Picture): void {
    this.picture = picture;
    this.events.emit("picture", picture);
  }

  /** The device that the page's tabs share, opened at the first call. Throws a `UserError` where there is no WebGPU. */
  gpu(): Promise<Gpu> {
    this.opened ??= this.open();
    return this.opened;
  }

  private async open(): Promise<Gpu> {
    try {
      const gpu = await openGpu();
      gpu.on("lost", ({ reason }) => void this.lost(gpu, reason));
      gpu.on("error", (error) => this.screen.error(sentence(error)));
      return gpu;
    } catch (error) {
      this.opened = null;
      throw error;
    }
  }

  /** Opens the device and loads the captioner, with progress on the status line; says what went wrong otherwise. */
  async start(): Promise<void> {
    let gpu: Gpu;
    try {
      this.screen.status("Opening the GPU …");
      gpu = await this.gpu();
    } catch (error) {
      this.screen.status("");
      const retry = () => void this.start();
      if (error instanceof UserError) this.screen.noWebGpu(error.message, retry);
      else this.screen.error(sentence(error), retry);
      return;
    }
    await this.loadCaptioner(gpu);
  }

  /** Takes another captioner into use, for example one that was just trained, and frees the one before. */
  async useCaptioner(source: CaptionerSource): Promise<void> {
    this.source = source;
    await this.loadCaptioner(await this.gpu());
  }

  private async loadCaptioner(gpu: Gpu): Promise<void> {
    const { source, screen } = this;
    try {
      screen.status(`Loading ${source.name} …`);
      const captioner = await source.load(gpu, ({ loaded, total }) =>
        screen.status(
          `Loading ${source.name}: ${formatBytes(loaded)} of ${formatBytes(total)}`,
          total > 0 ? loaded / total : undefined,
        ),
      );
      await this.stopWork();
      this.captioner?.dispose();
      this.captioner = captioner;
      screen.status("");
      screen.clearErrors();
      this.showFacts();
      this.events.emit("captioner", captioner);
    } catch (error) {
      screen.status("");
      if (!(error instanceof DeviceLostError)) {
        screen.error(sentence(error), () => void this.useCaptioner(source));
      }
    }
  }

  private async lost(gpu: Gpu, reason: string): Promise<void> {
    if ((await this.opened?.catch(() => null)) !== gpu) return;
    this.opened = null;
    // What it held went with the device.
    this.captioner = null;
    this.events.emit("captioner", null);
    if (!this.losses.add(performance.now())) {
      this.screen.status("");
      const often = `${lossText(reason)}, ${this.losses.count} times within a minute.`;
      this.screen.error(often, () => void this.start());
      return;
    }
    this.screen.status(`${lossText(reason)}; opening it again …`);
    await this.stopWork();
    // If that fails, the start says why.
    await reopenGpu(() => this.gpu()).catch(() => {});
    await this.start();
    if (this.captioner) this.screen.status("The GPU was lost and is open again.");
  }

  /**
   * Runs work on the captioner; work that still goes on is aborted first, and has ended before this begins. Errors are
   * shown, an end by `signal` is none. True if the work came to its end.
   */
  async work(job: (captioner: Captioner, signal: AbortSignal) => Promise<void>): Promise<boolean> {
    const abort = new AbortController();
    const before = this.job;
    before?.abort.abort();
    const run = async (): Promise<boolean> => {
      await before?.ended;
      const { captioner } = this;
      if (!captioner || abort.signal.aborted) return false;
      this.events.emit("busy", true);
      try {
        await job(captioner, abort.signal);
        return true;
      } catch (error) {
        if (!abort.signal.aborted && !(error instanceof DeviceLostError)) this.screen.error(sentence(error));
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
