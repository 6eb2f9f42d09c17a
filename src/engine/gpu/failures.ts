/** Errors that the device reports after the call that caused them: kept for the next call, and passed to listeners. */

import { DeviceLostError, type GpuError, GpuValidationError } from "./errors.js";

/** Events that a page may listen to. Errors are also thrown by the next call that they concern. */
export interface GpuEvents {
  /** An asynchronous error (shader compilation, allocation, NaN), reported after the call that caused it. */
  error: GpuError;
  /** The device is lost: open another one and recreate everything. */
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

  /** Calls `listener` at every such event; returns a function that removes it. */
  on<E extends keyof GpuEvents>(event: E, listener: (error: GpuEvents[E]) => void): () => void {
    this.#listeners[event].add(listener);
    return () => this.#listeners[event].delete(listener);
  }

  readonly fail = (error: GpuError, isCause = false): void => {
    // The first error is the cause; later ones follow from it. An exception is a kernel that does not compile: that error
    // arrives after the one of the submission that used it. Loss of the device takes precedence over all.
    const failure = this.#failure;
    const isLoss = error instanceof DeviceLostError;
    if (!failure || (isCause && !(failure instanceof DeviceLostError)) || isLoss) this.#failure = error;
    if (this.#silent) return;
    for (const listener of this.#listeners[isLoss ? "lost" : "error"]) listener(error as DeviceLostError);
  };

  /** Throws the error that was reported since the last call. Once the device is lost, throws that at every call. */
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
        () => {}, // the device is lost, which is reported separately
      ),
    );
  }

  /** Adds a check for `settled` to wait for, which reports errors until it resolves. */
  expect(check: Promise<void>): void {
    this.#checks.add(check);
    check.then(() => this.#checks.delete(check));
  }

  /** Resolves when the device has validated or refused all pipelines and submissions so far. */
  settled(): Promise<unknown> {
    return Promise.all(this.#checks);
  }

  /** Notifies no listener from here on. */
  silence(): void {
    this.#silent = true;
  }
}
