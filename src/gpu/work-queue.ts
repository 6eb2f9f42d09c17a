/** GPU work in the order in which it was asked for, held back while the pipelines it needs are being compiled. */

import type { Pipeline } from "./pipelines.js";

interface Task {
  pipelines: readonly Pipeline[];
  run: () => void;
}

const undecided = (pipeline: Pipeline) => !pipeline.compiled && !pipeline.refused;

export class WorkQueue {
  private readonly tasks: Task[] = [];
  private readonly onError: (error: unknown) => void;
  private waits = false;

  /** `onError` hears of what a task throws that ran later than it was pushed. */
  constructor(onError: (error: unknown) => void) {
    this.onError = onError;
  }

  /** Whether anything is held back. */
  get busy(): boolean {
    return this.tasks.length > 0;
  }

  /**
   * Runs `run` once the pipelines are compiled and all earlier tasks have run: at once, if nothing is to be waited
   * for. A task is left out if the device refuses one of its pipelines, which is an error of its own.
   */
  push(pipelines: readonly Pipeline[], run: () => void): void {
    if (!this.busy && !pipelines.some(undecided)) {
      if (!pipelines.some(({ refused }) => refused)) run();
      return;
    }
    this.tasks.push({ pipelines, run });
    this.wait();
  }

  /** Resolves when all tasks pushed so far have run. */
  async done(): Promise<void> {
    if (this.busy) await new Promise<void>((resolve) => this.push([], resolve));
  }

  /** Runs all tasks now: pipelines that are not ready are compiled one by one while the caller waits. */
  finish(): void {
    for (const task of this.tasks.splice(0)) {
      for (const pipeline of task.pipelines) pipeline.now();
      this.run(task);
    }
  }

  private run({ pipelines, run }: Task): void {
    if (pipelines.some(({ refused }) => refused)) return;
    try {
      run();
    } catch (error) {
      this.onError(error);
    }
  }

  private wait(): void {
    const [head] = this.tasks;
    if (this.waits || !head) return;
    this.waits = true;
    Promise.all(head.pipelines.filter(undecided).map(({ settled }) => settled)).then(() => {
      this.waits = false;
      while (this.tasks[0] && !this.tasks[0].pipelines.some(undecided)) this.run(this.tasks.shift()!);
      this.wait();
    });
  }
}
