/** The device and its interface for ops: append a dispatch, read a buffer back, scopes that free, capture and replay. */

import { adapterName, isSoftware, unorderedSubgroups } from "../../platform/adapter-info.js";
import { CaptureMemory } from "./capture-memory.js";
import { type CapturedWork, Captures } from "./captured-work.js";
import type { Checker, Counters, GpuContext, GpuProfiler } from "./context.js";
import { listenToDevice } from "./device-events.js";
import { GpuError, MissingFeatureError } from "./errors.js";
import { Failures, type GpuEvents } from "./failures.js";
import type { Kernel } from "./kernel.js";
import { type Bindable, type BindingsOf, binds, type ParamsOf, type RunOptions } from "./kernel-arguments.js";
import { PipelineCache } from "./pipelines.js";
import { BufferPool, MemoryAccount, type MemoryStatistics, type PoolOptions, type Storage } from "./pool.js";
import { ReadBack } from "./read-back.js";
import { Recorder } from "./recorder.js";
import { type Observer, Recording } from "./recording.js";
import { type Scoped, Scopes } from "./scopes.js";
import { Submission } from "./submission.js";
import { Tuning } from "./tuning/tuning.js";
import type { Tunable, TuningTable } from "./tuning/tuning-table.js";

export type { CapturedWork, Counters, GpuEvents };

/** Options of `Gpu.from`. */
export interface GpuOptions extends PoolOptions {
  /** Measured tunables, which take precedence over those of the package; null: no measured ones, only defaults. */
  tuning?: TuningTable | null;
  /** Description of the adapter in reports; default: the one that the device reports. */
  description?: string;
  /** True for adapters that run on the CPU; ops with two implementations choose by it. Default: as the device reports. */
  software?: boolean;
  /** Called with every promise by which the engine waits for the device; may slow down the polling until it is settled. */
  rest?: (promise: Promise<unknown>) => void;
}

/**
 * A device with its buffers, its pipelines and the recording of dispatches that are not submitted yet. Ops record; `read()`,
 * `flush()` and captured work submit. Created by `Gpu.from`.
 */
export class Gpu implements GpuContext {
  readonly device: GPUDevice;
  readonly limits: GPUSupportedLimits;
  readonly description: string;
  readonly software: boolean;
  observer: Observer | null = null;
  profiler: GpuProfiler | null = null;
  checker: Checker | null = null;
  /**
   * Target duration of one submission in milliseconds. Longer work is split between dispatches, according to their measured
   * times. Each slice waits for the previous one, so that other users of the device can run. Default: all at once.
   */
  sliceMilliseconds = Number.POSITIVE_INFINITY;
  /** Lanes of a subgroup at least; 0 without the feature `subgroups`, or if the device does not report it or orders them oddly. */
  readonly certainLanes: number;
  /** The part of the tuning tables that this device uses, and the part that it does not use. */
  readonly tuning: Tuning;
  /** Holds the number 1: the gradient that a backward pass starts from. Never written. */
  readonly one: Storage;
  readonly #scopes = new Scopes();
  readonly #failures = new Failures();
  readonly #pipelines: PipelineCache;
  readonly #newAccount: () => MemoryAccount;
  readonly #pool: BufferPool;
  readonly #submission: Submission;
  readonly #recorder: Recorder;
  readonly #captures: Captures;
  readonly #readBack: ReadBack;
  readonly #leaveDevice: () => void;
  #disposed = false;

  /** Uses a device that the caller opened, within its limits, and never destroys it. All objects are labelled `mcd …`. Throws a `GpuError` for anything but a device. */
  static from(device: GPUDevice, options: GpuOptions = {}): Gpu {
    if (!device?.createBuffer) throw new GpuError("Gpu.from takes a GPUDevice");
    return new Gpu(device, options);
  }

  private constructor(device: GPUDevice, options: GpuOptions) {
    this.device = device;
    this.limits = device.limits;
    // Browsers that lag behind the specification provide no information on a device's adapter.
    const info: GPUAdapterInfo | undefined = device.adapterInfo;
    this.description = options.description ?? (info ? adapterName(info) : "a shared device");
    this.software = options.software ?? (info !== undefined && isSoftware(info));
    this.tuning = new Tuning(device, this.software, options.tuning);
    const used = this.has("subgroups") && !unorderedSubgroups.has(device);
    // Asked once: Deno panics if a device is asked after its adapter was garbage-collected.
    this.certainLanes = (used && info?.subgroupMinSize) || 0;
    const failures = this.#failures;
    const { fail } = failures;
    const pipelines = new PipelineCache(device, failures);
    const onMemory = (label: string, bytes: number) => this.observer?.memory?.(label, bytes);
    this.#newAccount = () => new MemoryAccount(device, options, fail, onMemory);
    const pool = new BufferPool(this.#newAccount());
    const recording = new Recording(device.limits.minUniformBufferOffsetAlignment);
    const submission = new Submission(this, recording, failures, options.rest);
    const recorder = new Recorder(this, recording, pool, pipelines, submission, failures);
    this.#captures = new Captures(this, recorder, submission, failures);
    this.#readBack = new ReadBack(this, submission, failures);
    this.#pipelines = pipelines;
    this.#pool = pool;
    this.#submission = submission;
    this.#recorder = recorder;
    this.one = pool.allocate(4, "one");
    device.queue.writeBuffer(this.one.buffer, 0, new Float32Array([1]));
    this.#leaveDevice = listenToDevice(device, fail);
  }

  /** Calls `listener` at every such event; returns a function that removes it. */
  on<E extends keyof GpuEvents>(event: E, listener: (error: GpuEvents[E]) => void): () => void {
    return this.#failures.on(event, listener);
  }

  /** Whether the device was opened with the feature. */
  has(feature: "timestamp-query" | "shader-f16" | "subgroups"): boolean {
    return this.device.features.has(feature);
  }

  /** Throws a `MissingFeatureError` that names `what` unless the device can compute with float16. */
  requireFloat16(what: string): void {
    if (!this.has("shader-f16")) throw new MissingFeatureError(what, "shader-f16", this.description);
  }

  /** Lanes of a team that may exchange values: 8, or 4 where subgroups are that small; 0: only portable kernels run. */
  get teamLanes(): 0 | 4 | 8 {
    const least = this.certainLanes;
    return least >= 8 ? 8 : least >= 4 ? 4 : 0;
  }

  /** Counts of the work done on the device so far. */
  get counters(): Counters {
    const { dispatches, submits, bindGroups } = this.#submission;
    return {
      dispatches,
      submits,
      pipelines: this.#pipelines.created,
      bindGroups: bindGroups.created,
      buffers: this.memory.buffersCreated,
      keptBindGroups: bindGroups.kept,
    };
  }

  /** Memory of tensors and of captured work together. */
  get memory(): MemoryStatistics {
    return this.#captures.withMemory(this.#pool.statistics());
  }

  /** Resets `memory.peakBytes` to the bytes now in use. */
  resetPeakMemory(): void {
    this.#pool.resetPeak();
  }

  /** Returns the buffers kept for reuse to the device. */
  trim(): void {
    this.#submission.finish();
    this.#pool.trim();
    this.#submission.bindGroups.clear();
  }

  /**
   * Allocates a buffer of at least `bytes` from the pool, for kernels that are called without tensors. An allocation failure
   * on the device is reported later as an `OutOfMemoryError`.
   */
  allocate(bytes: number, label: string): Storage {
    const storage = this.#recorder.memory.allocate(bytes, label);
    // The checker must not take bytes between and behind tensors for a kernel's result.
    if (this.checker) this.clearBuffer(storage, 0, storage.bytes);
    return storage;
  }

  /** Registers a resource with the innermost scope; without a scope it is not freed automatically. */
  track(resource: Scoped): void {
    this.#scopes.track(resource);
  }

  /** Whether work is being captured: recorded to run later. */
  get capturing(): boolean {
    return this.#submission.capturing;
  }

  /** Frees the tensors that the tape keeps at the end of the current capture, if any: captured memory is planned then. */
  endWithCapture(tape: Pick<Scoped, "dispose">): void {
    this.#recorder.endWithCapture(tape);
  }

  /**
   * Runs `body` and frees the resources made in it, except those that it returns (one, or an array or plain object of them)
   * and those that were kept. `body` must not be asynchronous: read results after the scope.
   */
  scope<T>(body: () => T): T {
    return this.#scopes.run(body);
  }

  /** Workgroups that cover `count` invocations, folded over x and y so that no dimension exceeds the limit. */
  groups1d(count: number, workgroupSize: number): [number, number, number] {
    const groups = Math.max(1, Math.ceil(count / workgroupSize));
    const most = this.limits.maxComputeWorkgroupsPerDimension;
    if (groups <= most) return [groups, 1, 1];
    const rows = Math.ceil(groups / most);
    return [Math.ceil(groups / rows), rows, 1];
  }

  /**
   * The tunables of a kernel or a choice on this adapter; those of the tuning tables take precedence over the defaults. With
   * a shape, the tunables for its class: pass these to `run` as `tune`, since `run` by default uses those for any shape.
   */
  tunables<V>(tunable: Tunable<V>, shape?: readonly number[]): V {
    return this.tuning.lookUp(tunable, shape);
  }

  /** Whether the tensor can be bound without a copy: row-major without gaps, at an offset that a binding may have. */
  binds(tensor: Bindable): boolean {
    return binds(tensor, this.limits);
  }

  /**
   * Appends one dispatch to the recording; nothing is submitted. `params` are the members of the kernel's uniform
   * struct. Views that cannot be bound directly are bound as dense copies: one more dispatch, and another that writes the copy
   * back if the kernel writes it. Throws a `GpuError` that names kernel and tensor when a binding cannot be used.
   */
  run<K extends Kernel>(
    kernel: K,
    bindings: BindingsOf<K>,
    params: ParamsOf<K>,
    options: RunOptions<K>,
  ): void {
    this.#recorder.run(kernel, bindings, params, options);
  }

  /** Records a copy between buffers; offsets and size are in bytes, multiples of 4. */
  copyBuffer(
    source: Storage,
    sourceOffset: number,
    target: Storage,
    targetOffset: number,
    size: number,
  ): void {
    this.#recorder.copy(source, sourceOffset, target, targetOffset, size);
  }

  /** Records the filling of a byte range with zeros; offset and size are multiples of 4. */
  clearBuffer(target: Storage, offset: number, size: number): void {
    this.#recorder.clear(target, offset, size);
  }

  /** Records setting the first float to 1. Kernels that only read a 1 can bind `one` instead, at no cost. */
  fillOne(target: Storage): void {
    this.copyBuffer(this.one, 0, target, 0, 4);
  }

  /**
   * Submits the recorded work, in the order of the calls. Ops never call it. Pipelines are compiled in the background: the
   * work waits until they are ready, and later requests wait behind it. `read` and `idle` wait for all of it; await one of
   * them before passing the engine's buffers to other users of the device.
   */
  flush(): void {
    this.#submission.flush();
  }

  /** Submits the work that `body` records in slices of `milliseconds`; see `sliceMilliseconds`. */
  sliced<T>(milliseconds: number, body: () => T): T {
    return this.#submission.sliced(milliseconds, body);
  }

  /** Submits the recorded work and calls `action` once it is submitted: to destroy resources that the work used. */
  afterFlush(action: () => void): void {
    this.#submission.afterFlush(action);
  }

  /**
   * Records the work of `body` without submitting it. All shapes and scalars are frozen. Values that change from run to run
   * (batches, a step counter, a learning rate) must be read from tensors that exist outside, written before `run()`. Buffers
   * made in `body` belong to the captured work and are shared by lifetime; keep or return results that are to be read after a
   * run. Reading inside `body` is an error. Take gradients inside `body` too: the tape of the ops in it ends with it.
   */
  capture<T>(body: () => T): { work: CapturedWork; result: T } {
    const memory = new CaptureMemory(this.#newAccount());
    return this.#captures.capture(memory, () => this.#scopes.run(body));
  }

  /** Writes elements into a storage, after all work recorded so far. */
  write(
    target: Storage,
    byteOffset: number,
    data: Float32Array | Uint16Array | Uint32Array | Int32Array,
  ): void {
    this.#submission.write(target, byteOffset, data);
  }

  /** Reads bytes back once all work recorded so far has run. Throws any GPU error that this work has caused. */
  read(source: Storage, byteOffset: number, bytes: number): Promise<ArrayBuffer> {
    return this.#readBack.read(source, byteOffset, bytes);
  }

  /** Submits and waits until the device has done all work. */
  idle(): Promise<void> {
    return this.#readBack.idle();
  }

  /**
   * Destroys everything that the engine made on the device, including the buffers of tensors and captured work that are still
   * held. The device itself is not destroyed. Pending read-backs fail.
   */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#failures.silence();
    this.#leaveDevice();
    this.#submission.abandon();
    this.checker?.dispose();
    this.checker = null;
    this.#captures.dispose();
    this.#pool.dispose();
    this.#submission.dispose();
    this.#readBack.dispose();
  }
}
