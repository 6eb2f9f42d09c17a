/**
 * GPU work in the order of the requests, delayed while its pipelines are being compiled, and split into parts where it lets
 * other users of the device run in between.
 */

import type { Pipeline } from "./pipelines.js";

/** The remaining parts of a task; each yields the promise to wait for before the next one. */
export type Parts = Iterator<Promise<unknown>, void>;

interface Task {
  pipelines: readonly Pipeline[];
  // biome-ignore lint/suspicious/noConfusingVoidType: most work is done when it returns
  run: () => Parts | void;
}

const undecided = (pipeline: Pipeline) => !pipeline.compiled && !pipeline.refused;

export class WorkQueue {
  readonly #tasks: Task[] = [];
  readonly #onError: (error: unknown) => void;
  #waits = false;
  /** The remaining parts of the task that has begun and is not done. */
  #parts: Parts | null = null;

  /** Calls `onError` with the error of a task that ran later than it was pushed. */
  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  /** Whether any task is waiting. */
  get busy(): boolean {
    return this.#tasks.length > 0 || this.#parts !== null;
  }

  /**
   * Runs `run` once the pipelines are compiled and all earlier tasks have run: at once, if there is nothing to wait for. Skips
   * a task if the device refuses one of its pipelines, which is reported separately.
   */
  push(pipelines: readonly Pipeline[], run: Task["run"]): void {
    if (!this.busy && !pipelines.some(undecided)) {
      if (!pipelines.some(({ refused }) => refused)) this.#begin(run());
      return;
    }
    this.#tasks.push({ pipelines, run });
    this.#wait();
  }

  /** Resolves when all tasks pushed so far have run. */
  async done(): Promise<void> {
    if (this.busy) await new Promise<void>((resolve) => this.push([], resolve));
  }

  /** Runs all tasks now, without waits between parts. Blocks while pipelines that are not ready are compiled one by one. */
  finish(): void {
    this.#drain();
    for (const task of this.#tasks.splice(0)) {
      for (const pipeline of task.pipelines) pipeline.now();
      this.#run(task);
      this.#drain();
    }
  }

  #drain(): void {
    const parts = this.#parts;
    this.#parts = null;
    try {
      while (parts && !parts.next().done);
    } catch (error) {
      this.#onError(error);
    }
  }

  // biome-ignore lint/suspicious/noConfusingVoidType: see Task
  #begin(parts: Parts | void): void {
    if (!parts) return;
    this.#parts = parts;
    this.#advance(parts);
  }

  #advance(parts: Parts): void {
    if (this.#parts !== parts) return; // `finish` has run it in the meantime
    try {
      const { done, value } = parts.next();
      if (!done) {
        const next = () => this.#advance(parts);
        value.then(next, next);
        return;
      }
    } catch (error) {
      this.#onError(error);
    }
    this.#parts = null;
    this.#wait();
  }

  #run({ pipelines, run }: Task): void {
    if (pipelines.some(({ refused }) => refused)) return;
    try {
      this.#begin(run());
    } catch (error) {
      this.#onError(error);
    }
  }

  #wait(): void {
    const [head] = this.#tasks;
    if (this.#waits || this.#parts || !head) return;
    this.#waits = true;
    Promise.all(head.pipelines.filter(undecided).map(({ settled }) => settled)).then(() => {
      this.#waits = false;
      while (!this.#parts && this.#tasks[0] && !this.#tasks[0].pipelines.some(undecided)) {
        this.#run(this.#tasks.shift()!);
      }
      this.#wait();
    });
  }
}
