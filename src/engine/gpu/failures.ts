/** Errors that the device reports after the call that caused them: kept for the next call, and told to listeners. */

import { DeviceLostError, type GpuError, GpuValidationError } from "./errors.js";

/** What a page may listen to. Errors are thrown by the next call that they concern, too. */
export interface GpuEvents {
  /** An asynchronous error (shader compilation, allocation, NaN), reported after the call that caused it. */
  error: GpuError;
  /** The device is gone: open another one and make everything again. */
  lost: DeviceLostError;
}

export class Failures {
  readonly #listeners: { [E in keyof GpuEvents]: Set<(error: GpuEvents[E]) => void> } = {
    error: new Set(),
    lost: new Set(),
  };
  #failure: GpuError | null = null;
  readonly #checks = new Set<Promise<void>>();
  #silent = false;

  /** Calls `listener` at every such event; returns a function that ends it. */
  on<E extends keyof GpuEvents>(event: E, listener: (error: GpuEvents[E]) => void): () => void {
    this.#listeners[event].add(listener);
    return () => this.#listeners[event].delete(listener);
  }

  readonly fail = (error: GpuError, isCause = false): void => {
    // The first error is the cause and later ones its echoes, but a kernel that does not compile is heard of after
    // the submission that used it. Loss of the device outweighs all.
    const failure = this.#failure;
    const isLoss = error instanceof DeviceLostError;
    if (!failure || (isCause && !(failure instanceof DeviceLostError)) || isLoss) this.#failure = error;
    if (this.#silent) return;
    for (const listener of this.#listeners[isLoss ? "lost" : "error"]) listener(error as DeviceLostError);
  };

  /** Throws the error that was reported since the last call, or that the device is lost, every time. */
  throwIfAny(): void {
    const error = this.#failure;
    if (!error) return;
    if (!(error instanceof DeviceLostError)) this.#failure = null;
    throw error;
  }

  /** Reports the error of an error scope when it ends. */
  watch(scope: Promise<GPUError | null>): void {
    this.expect(
      scope.then(
        (error) => {
          if (error) this.fail(new GpuValidationError(error.message));
        },
        () => {}, // the device is lost, which is reported on its own
      ),
    );
  }

  /** Adds to what `settled` waits for: something that reports errors until it resolves. */
  expect(check: Promise<void>): void {
    this.#checks.add(check);
    check.then(() => this.#checks.delete(check));
  }

  /** Resolves when the device has said of all pipelines and submissions so far whether they are valid. */
  settled(): Promise<unknown> {
    return Promise.all(this.#checks);
  }

  /** Tells nobody from here on. */
  silence(): void {
    this.#silent = true;
  }
}
