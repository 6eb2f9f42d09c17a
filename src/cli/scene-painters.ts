/** Composes scenes on threads, so that training does not wait for them. */

import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import type { SceneArt } from "../data/scenes/art.js";
import type { Painter, SceneNumber } from "../data/scenes/dataset.js";
import type { SpriteSheet } from "../data/scenes/sprites.js";

/** Most threads: four compose more scenes a second than any tokenizer of images trains on. */
const MOST_THREADS = 4;

/** What a thread needs to compose scenes; the pixels lie in shared memory. */
export interface PaintersArt {
  readonly things: SceneArt["things"];
  readonly entries: SpriteSheet["entries"];
  readonly pixels: Uint8Array;
  readonly size: number;
  readonly seed: number;
}

/** A piece of work and its answer: pixels, or why there are none. */
export interface PaintRequest {
  readonly id: number;
  readonly scenes: readonly SceneNumber[];
}
export type PaintReply = { readonly id: number } & (
  | { readonly pixels: Uint8Array }
  | { readonly error: string }
);

/** Where a thread sends its answers. */
export interface PainterReplyPort {
  postMessage(reply: PaintReply, transfer?: readonly ArrayBuffer[]): void;
}

interface Waiting {
  resolve(pixels: Uint8Array): void;
  reject(error: Error): void;
}

export class ScenePainters implements Painter {
  readonly #data: PaintersArt;
  readonly #threads: number;
  #workers: Worker[] = [];
  readonly #waiting = new Map<number, Waiting & { worker: Worker }>();
  #next = 0;

  /** `threads`: default one for each core but one, at most 4. They start with the first pictures that are asked for. */
  constructor(
    { things, sheet }: SceneArt,
    { size, seed, threads = availableParallelism() - 1 }: { size: number; seed: number; threads?: number },
  ) {
    const pixels = new Uint8Array(new SharedArrayBuffer(sheet.pixels.length));
    pixels.set(sheet.pixels);
    this.#data = { things, entries: sheet.entries, pixels, size, seed };
    this.#threads = Math.max(1, Math.min(MOST_THREADS, threads));
  }

  async paint(scenes: readonly SceneNumber[], target: Uint8Array): Promise<void> {
    if (this.#workers.length === 0) this.#start();
    const bytes = this.#data.size ** 2 * 3;
    const each = Math.ceil(scenes.length / this.#workers.length);
    await Promise.all(
      this.#workers.map(async (worker, i) => {
        const part = scenes.slice(i * each, (i + 1) * each);
        if (part.length > 0) target.set(await this.#ask(worker, part), i * each * bytes);
      }),
    );
  }

  async close(): Promise<void> {
    const workers = this.#workers;
    this.#workers = [];
    await Promise.all(workers.map((worker) => worker.terminate()));
  }

  #start(): void {
    this.#workers = Array.from({ length: this.#threads }, () => {
      const worker = new Worker(new URL("./scene-painter.js", import.meta.url), { workerData: this.#data });
      worker.on("message", (reply: PaintReply) => {
        const waiting = this.#waiting.get(reply.id)!;
        this.#settled(reply.id);
        if ("pixels" in reply) waiting.resolve(reply.pixels);
        else waiting.reject(new Error(reply.error));
      });
      const fail = (error: Error) => {
        for (const [id, waiting] of this.#waiting) {
          if (waiting.worker !== worker) continue;
          this.#settled(id);
          waiting.reject(error);
        }
      };
      worker.on("error", fail);
      worker.on("exit", () => fail(new Error("the thread that composes scenes has ended")));
      // Idle threads keep no process alive.
      worker.unref();
      return worker;
    });
  }

  #ask(worker: Worker, scenes: readonly SceneNumber[]): Promise<Uint8Array> {
    const request: PaintRequest = { id: this.#next++, scenes };
    return new Promise((resolve, reject) => {
      this.#waiting.set(request.id, { resolve, reject, worker });
      worker.ref();
      worker.postMessage(request);
    });
  }

  #settled(id: number): void {
    const { worker } = this.#waiting.get(id)!;
    this.#waiting.delete(id);
    if (![...this.#waiting.values()].some((waiting) => waiting.worker === worker)) worker.unref();
  }
}
