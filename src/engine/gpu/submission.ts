/** Submission of recorded commands: in order, once their pipelines are compiled, whole or in slices. */

import { BindGroupCache } from "./bind-groups.js";
import type { GpuContext } from "./context.js";
import { GpuError } from "./errors.js";
import type { Failures } from "./failures.js";
import type { Storage } from "./pool.js";
import { type Recording, uniformBlockBytes } from "./recording.js";
import { stretch } from "./region.js";
import { Replay } from "./replay.js";
import { DispatchTimes } from "./slices.js";
import { type Parts, WorkQueue } from "./work-queue.js";

export class Submission {
  readonly bindGroups: BindGroupCache;
  dispatches = 0;
  submits = 0;
  /** Whether work is being captured: nothing may be submitted then. */
  capturing = false;
  readonly #context: GpuContext;
  readonly #recording: Recording;
  readonly #failures: Failures;
  readonly #rest: ((promise: Promise<unknown>) => void) | undefined;
  /** Submissions, writes and read-backs in order; they wait while pipelines compile. */
  readonly #queue: WorkQueue;
  readonly #uniforms: GPUBuffer;
  readonly #times = new DispatchTimes();

  /** `flush` submits `recording`; `rest` is called with every promise by which the engine waits for the device. */
  constructor(
    context: GpuContext,
    recording: Recording,
    failures: Failures,
    rest?: (promise: Promise<unknown>) => void,
  ) {
    const { device } = context;
    this.#context = context;
    this.#recording = recording;
    this.#failures = failures;
    this.#rest = rest;
    this.bindGroups = new BindGroupCache(device);
    this.#uniforms = device.createBuffer({
      label: "mcd uniforms",
      size: uniformBlockBytes,
      usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
    });
    this.#queue = new WorkQueue((error) =>
      failures.fail(error instanceof GpuError ? error : new GpuError(String(error))),
    );
  }

  /** See `Gpu.flush`. */
  flush(): void {
    if (this.capturing) throw new GpuError("capture: nothing may be read back or submitted meanwhile");
    const recording = this.#recording;
    if (recording.commands.length === 0) return;
    this.#failures.throwIfAny();
    const values = recording.uniformData.slice();
    this.submit(new Replay(recording.take(), this.bindGroups, this.#uniforms), values);
  }

  /** Submits commands in order, after writing the `values` of their uniforms. */
  submit(replay: Replay, values?: Uint8Array<ArrayBuffer>): void {
    const slice = this.#context.sliceMilliseconds;
    this.#queue.push(replay.awaited, () => {
      if (values?.length) this.#context.device.queue.writeBuffer(replay.uniforms, 0, values);
      if (Number.isFinite(slice)) return this.#slices(replay, slice);
      this.#encode(replay);
    });
  }

  *#slices({ commands, bindGroups, uniforms }: Replay, milliseconds: number): Parts {
    for (let first = 0; first < commands.length; ) {
      const end = this.#times.sliceEnd(commands, first, milliseconds);
      const part = commands.slice(first, end);
      const began = performance.now();
      this.#encode(new Replay(part, bindGroups, uniforms));
      const done = this.#context.device.queue.onSubmittedWorkDone().then(
        () => {
          const milliseconds = performance.now() - began;
          this.#times.learn(part, milliseconds);
          this.#context.observer?.slice?.(milliseconds);
        },
        () => {}, // the device is lost, which is reported separately
      );
      first = end;
      if (first < commands.length) yield this.waited(done);
    }
  }

  /** Encodes and submits; with an active profiler, encodes the commands one by one instead of replaying them. */
  #encode(replay: Replay): void {
    const { device, profiler } = this.#context;
    replay.prepare();
    device.pushErrorScope("validation");
    const encoder = device.createCommandEncoder({ label: "mcd" });
    const collect = profiler?.encode(encoder, replay);
    if (!profiler) replay.encode(encoder);
    device.queue.submit([encoder.finish()]);
    for (const after of collect ?? []) after();
    this.submits++;
    this.dispatches += replay.dispatches;
    this.#failures.watch(device.popErrorScope());
  }

  /** See `Gpu.sliced`. */
  sliced<T>(milliseconds: number, body: () => T): T {
    const context = this.#context;
    const before = context.sliceMilliseconds;
    this.flush();
    context.sliceMilliseconds = milliseconds;
    try {
      const result = body();
      this.flush();
      return result;
    } finally {
      context.sliceMilliseconds = before;
    }
  }

  /** See `Gpu.afterFlush`. */
  afterFlush(action: () => void): void {
    this.flush();
    this.#queue.push([], action);
  }

  /** See `Gpu.write`. */
  write(
    target: Storage,
    byteOffset: number,
    data: Float32Array | Uint16Array | Uint32Array | Int32Array,
  ): void {
    this.flush();
    target.written(stretch(byteOffset, data.byteLength));
    // The caller may change the array while the write waits.
    const bytes = this.#queue.busy ? data.slice() : data;
    this.#queue.push([], () => this.#context.device.queue.writeBuffer(target.buffer, byteOffset, bytes));
  }

  /** Like `flush`, but blocks until missing pipelines are compiled: called before anything is destroyed. */
  finish(): void {
    this.flush();
    this.#queue.finish();
  }

  /** Resolves when all requested work has been submitted. */
  done(): Promise<void> {
    return this.waited(this.#queue.done());
  }

  /** Returns the promise, after passing it to `rest`. */
  waited<T>(promise: Promise<T>): Promise<T> {
    this.#rest?.(promise);
    return promise;
  }

  /** Drops the recording, and submits the work requested before. */
  abandon(): void {
    this.#recording.take();
    this.#queue.finish();
  }

  dispose(): void {
    this.bindGroups.clear();
    this.#uniforms.destroy();
  }
}
