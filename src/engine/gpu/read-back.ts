/** Reads results back from the device, and throws the errors that the work for them has caused. */

import type { GpuContext } from "./context.js";
import { GpuError } from "./errors.js";
import type { Failures } from "./failures.js";
import type { Storage } from "./pool.js";
import type { Submission } from "./submission.js";

export class ReadBack {
  readonly #context: GpuContext;
  readonly #submission: Submission;
  readonly #failures: Failures;
  /** Buffers that are not in use, by size. */
  readonly #free = new Map<number, GPUBuffer[]>();
  readonly #all = new Set<GPUBuffer>();

  constructor(context: GpuContext, submission: Submission, failures: Failures) {
    this.#context = context;
    this.#submission = submission;
    this.#failures = failures;
  }

  /** See `Gpu.read`. */
  async read(source: Storage, byteOffset: number, bytes: number): Promise<ArrayBuffer> {
    const data = await this.#copyOut(source, byteOffset, bytes);
    await this.#surfaceErrors();
    return data;
  }

  async #copyOut(source: Storage, byteOffset: number, bytes: number): Promise<ArrayBuffer> {
    const { device } = this.#context;
    const submission = this.#submission;
    submission.flush();
    this.#failures.throwIfAny();
    const size = Math.max(4, 2 ** Math.ceil(Math.log2(bytes)));
    const free = this.#free.get(size) ?? [];
    this.#free.set(size, free);
    const staging =
      free.pop() ??
      device.createBuffer({
        label: "mcd read-back",
        size,
        usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
      });
    this.#all.add(staging);
    submission.afterFlush(() => {
      const encoder = device.createCommandEncoder({ label: "mcd read-back" });
      encoder.copyBufferToBuffer(source.buffer, byteOffset, staging, 0, bytes);
      device.queue.submit([encoder.finish()]);
    });
    await submission.done();
    try {
      await submission.waited(staging.mapAsync(GPUMapMode.READ, 0, bytes));
    } catch (error) {
      staging.destroy();
      this.#all.delete(staging);
      await this.#failures.settled();
      this.#failures.throwIfAny();
      throw new GpuError(`reading ${source.label} failed: ${error instanceof Error ? error.message : error}`);
    }
    const data = staging.getMappedRange(0, bytes).slice(0);
    staging.unmap();
    free.push(staging);
    return data;
  }

  /** See `Gpu.idle`. */
  async idle(): Promise<void> {
    this.#submission.flush();
    await this.#submission.done();
    await this.#submission.waited(this.#context.device.queue.onSubmittedWorkDone());
    await this.#surfaceErrors();
  }

  /** Throws the errors that the device and the debug modes report for the work so far. */
  async #surfaceErrors(): Promise<void> {
    await this.#failures.settled();
    await this.#context.checker?.report();
    this.#failures.throwIfAny();
  }

  /** Destroys the buffers, including those of pending read-backs. */
  dispose(): void {
    for (const buffer of this.#all) buffer.destroy();
    this.#all.clear();
    this.#free.clear();
  }
}
