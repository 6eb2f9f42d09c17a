/** The device and what ops see of it: append a dispatch, read a buffer back, scopes that free, capture and replay. */

import { adapterName, isSoftware } from "../../platform/adapter-info.js";
import { BindGroupCache } from "./bind-groups.js";
import { type CapturedMemory, CaptureMemory } from "./capture-memory.js";
import { listenToDevice } from "./device-events.js";
import { DeviceLostError, GpuError, GpuValidationError, MissingFeatureError } from "./errors.js";
import {
  bindingDType,
  bytesPerElement,
  type DType,
  type Kernel,
  type Specialisation,
  type Vec4,
} from "./kernel.js";
import { type Pipeline, PipelineCache } from "./pipelines.js";
import { BufferPool, type MemoryStatistics, type PoolOptions, Storage } from "./pool.js";
import { type BoundRange, type Command, type Dispatch, type Observer, Recording } from "./recording.js";
import { type Region, stretch } from "./region.js";
import { Replay } from "./replay.js";
import { DispatchTimes } from "./slices.js";
import { Tuning } from "./tuning/tuning.js";
import type { Tunable, TuningTable } from "./tuning/tuning-table.js";
import { type Parts, WorkQueue } from "./work-queue.js";

/** What `run` needs to know of a tensor. */
export interface Bindable<D extends DType = DType> {
  readonly storage: Storage;
  readonly dtype: D;
  /** Elements from the start of the storage. */
  readonly offset: number;
  /** Elements. */
  readonly size: number;
  readonly contiguous: boolean;
  readonly label: string;
  /** A dense copy in memory of its own, which is the caller's to free. */
  packed(): Bindable<D>;
  /** Receives the elements of such a copy. */
  unpack(copy: this): void;
}

type BindingsOf<K> =
  K extends Kernel<infer B, infer _P, infer _V, infer _T>
    ? {
        readonly [N in keyof B]: B[N] extends DType
          ? Bindable<B[N]> | Storage
          : B[N] extends "texture"
            ? GPUTextureView
            : never;
      }
    : never;
type ParamsOf<K> =
  K extends Kernel<infer _B, infer P, infer _V, infer _T> ? { readonly [N in keyof P]: P[N] } : never;
type VariantsOf<K> = K extends Kernel<infer _B, infer _P, infer V, infer _T> ? V : never;
type TunablesOf<K> = K extends Kernel<infer _B, infer _P, infer _V, infer T> ? T : never;

export interface RunOptions<K> {
  /** Workgroups in x, y and z. */
  groups: readonly [number, number?, number?];
  variant?: Partial<VariantsOf<K>>;
  tune?: Partial<TunablesOf<K>>;
  /** The bytes that the kernel writes of a whole storage that it is given; default all. */
  writes?: Region;
}

/** Something that a scope frees at its end. */
export interface Scoped {
  /** Frees it, unless it has been kept or freed already. */
  dispose(): void;
  readonly kept: boolean;
}

/** Options of `Gpu.from`. */
export interface GpuOptions extends PoolOptions {
  /** Measured tunables, over those that come with the package; null: none that were measured, only defaults. */
  tuning?: TuningTable | null;
  /** Describes the adapter in reports; default: what the device says of it. */
  description?: string;
  /** True for adapters that run on the CPU; ops with two ways of working choose by it. Default: what the device says of it. */
  software?: boolean;
  /** Told of every promise that the engine waits for the device by; may slow down the polling until it is settled. */
  rest?: (promise: Promise<unknown>) => void;
}

/** Counts since the engine was made on its device. */
export interface Counters {
  dispatches: number;
  submits: number;
  pipelines: number;
  bindGroups: number;
  buffers: number;
  /** Of the bind groups, those that are kept for the next time, outside of captured work: never more than `mostKeptGroups`. */
  keptBindGroups: number;
}

/** A static piece of work, recorded once: `run()` submits it again without touching ops, tape or allocator. */
export interface CapturedWork {
  readonly dispatches: number;
  /** The buffers that the work holds for itself, next to the least that any plan could do with. */
  readonly memory: CapturedMemory;
  /** Submits the work once more. */
  run(): void;
  /** Resolves when its pipelines are compiled: from then on `run` and `encode` do not wait. */
  ready(): Promise<void>;
  /**
   * Records the work into an encoder of the caller's, outside of any pass, instead of submitting it: for a page that has
   * its own frame. Work asked for earlier is submitted now; pipelines that are not ready are compiled while the caller
   * waits. Until the caller has submitted the encoder, the work must not be run or disposed of.
   */
  encode(encoder: GPUCommandEncoder): void;
  /** Gives back the buffers that the work holds. */
  dispose(): void;
}

/** What a page may listen to. Errors are thrown by the next call that they concern, too. */
export interface GpuEvents {
  /** A kernel that does not compile, memory that the device refused, a NaN: an error that was found later than its call. */
  error: GpuError;
  /** The device is gone: open another one and make everything anew. */
  lost: DeviceLostError;
}

/** Captured work needs all that it ever held for as long as it exists, whatever of it is free at the moment. */
function addStatistics(main: MemoryStatistics, captured: MemoryStatistics): MemoryStatistics {
  const byLabel = merged(main.byLabel, captured.peakByLabel);
  return {
    liveBytes: main.liveBytes + captured.peakBytes,
    peakBytes: main.peakBytes + captured.peakBytes,
    pooledBytes: main.pooledBytes,
    buffersCreated: main.buffersCreated + captured.buffersCreated,
    byLabel,
    peakByLabel: merged(main.peakByLabel, captured.peakByLabel),
  };
}

function merged(...lists: MemoryStatistics["byLabel"][]): MemoryStatistics["byLabel"] {
  const sums = new Map<string, number>();
  for (const [label, bytes] of lists.flat()) sums.set(label, (sums.get(label) ?? 0) + bytes);
  return [...sums].sort((a, b) => b[1] - a[1]);
}

/** The pipelines that commands need, each once. */
function pipelinesOf(commands: readonly Command[]): Pipeline[] {
  const pipelines = new Set<Pipeline>();
  for (const command of commands) if (command.kind === "dispatch") pipelines.add(command.pipeline);
  return [...pipelines];
}

/** Encodes submissions while a profile is taken, and returns what is to be called after each; see profiler.ts. */
export interface GpuProfiler {
  encode(
    encoder: GPUCommandEncoder,
    commands: readonly Command[],
    bindGroups: BindGroupCache,
    uniforms: GPUBuffer,
  ): (() => void)[];
}

/** Looks on in debug modes, see finite-check.ts: `gpu.checker`. */
export interface Checker {
  /** After each dispatch: the stretches of memory that it wrote, offset and size in elements. */
  ran(kernel: string, outputs: { storage: Storage; offset: number; size: number; dtype: DType }[]): void;
  /**
   * Called by ops: the next read-back shall throw if `valid` refuses an element of `ids`, which should be `range` (in words).
   * `valid` is given what `table` holds at this point of the work.
   */
  ids(
    op: string,
    ids: Bindable<"u32">,
    range: string,
    valid: (id: number, table: Float32Array) => boolean,
    table?: Bindable,
  ): void;
  /** At each read-back: throws what was found. */
  report(): Promise<void>;
  dispose(): void;
}

const uniformBlockBytes = 1 << 20;

/**
 * A device with its buffers, pipelines and the recording of dispatches that is not submitted yet. Ops
 * record; `read()`, `flush()` and captured work submit. `Gpu.from` makes one.
 */
export class Gpu {
  readonly device: GPUDevice;
  readonly limits: GPUSupportedLimits;
  readonly description: string;
  readonly software: boolean;
  /** Listens while it is set; for profilers. */
  observer: Observer | null = null;
  /** What of the tuning tables this device runs with, and what of them is not used. */
  readonly tuning: Tuning;
  /**
   * Milliseconds after which submitted work leaves others of the device a turn: longer work is cut between dispatches, by what
   * they took before, and the next slice is submitted when the device is done with the one before. Default: all at once.
   */
  sliceMilliseconds = Number.POSITIVE_INFINITY;
  readonly #times = new DispatchTimes();
  readonly #listeners: { [E in keyof GpuEvents]: Set<(error: GpuEvents[E]) => void> } = {
    error: new Set(),
    lost: new Set(),
  };
  readonly #pipelines: PipelineCache;
  readonly #bindGroups: BindGroupCache;
  readonly #mainPool: BufferPool;
  #pool: BufferPool | CaptureMemory;
  readonly #captures = new Set<CaptureMemory>();
  readonly #works = new Set<CapturedWork>();
  /** Of captured work that is gone, with results that someone holds. */
  readonly #lingering = new Set<CaptureMemory>();
  readonly #uniformBlock: GPUBuffer;
  /** Holds the number 1: the gradient that a backward pass starts from. Never written. */
  readonly one: Storage;
  /** A profile being taken, see profiler.ts. */
  profiler: GpuProfiler | null = null;
  /** A debug mode at work. */
  checker: Checker | null = null;
  /** Submissions, writes and read-backs in order: they wait while pipelines compile. */
  readonly #queue: WorkQueue;
  readonly #mainRecording: Recording;
  #recording: Recording;
  #captured: { retained: Set<Storage>; tape: Pick<Scoped, "dispose">[] } | null = null;
  readonly #scopes: Set<Scoped>[] = [];
  readonly #poolOptions: PoolOptions;
  readonly #rest: (promise: Promise<unknown>) => void;
  readonly #staging = new Map<number, GPUBuffer[]>();
  readonly #allStaging = new Set<GPUBuffer>();
  #disposed = false;
  #failure: GpuError | null = null;
  readonly #errorChecks = new Set<Promise<void>>();
  readonly #leaveDevice: () => void;
  #dispatchCount = 0;
  #submitCount = 0;
  readonly #uniformAlignment: number;

  /** Uses a device that the caller opened, within its limits; never destroys it. All objects are labelled `mcd …`. */
  static from(device: GPUDevice, options: GpuOptions = {}): Gpu {
    return new Gpu(device, options);
  }

  private constructor(device: GPUDevice, options: GpuOptions) {
    this.device = device;
    this.limits = device.limits;
    // Browsers that lag behind the specification tell nothing of a device's adapter.
    const info: GPUAdapterInfo | undefined = device.adapterInfo;
    this.description = options.description ?? (info ? adapterName(info) : "a shared device");
    this.software = options.software ?? (info !== undefined && isSoftware(info));
    this.#poolOptions = options;
    this.#rest = options.rest ?? (() => {});
    const fail = (error: GpuError) => this.#fail(error);
    this.#pipelines = new PipelineCache(device, (error) => this.#fail(error, true));
    this.#bindGroups = new BindGroupCache(device);
    this.#mainPool = new BufferPool(device, options, fail, this.#onMemory);
    this.#pool = this.#mainPool;
    this.tuning = new Tuning(device, this.software, options.tuning);
    this.#uniformAlignment = device.limits.minUniformBufferOffsetAlignment;
    this.#uniformBlock = device.createBuffer({
      label: "mcd uniforms",
      size: uniformBlockBytes,
      usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
    });
    this.#queue = new WorkQueue((error) =>
      this.#fail(error instanceof GpuError ? error : new GpuError(String(error))),
    );
    this.one = this.#mainPool.allocate(4, "one");
    device.queue.writeBuffer(this.one.buffer, 0, new Float32Array([1]));
    this.#mainRecording = new Recording(this.#uniformAlignment);
    this.#recording = this.#mainRecording;
    this.#leaveDevice = listenToDevice(device, fail);
  }

  /** Calls `listener` at every such event; returns a function that ends it. */
  on<E extends keyof GpuEvents>(event: E, listener: (error: GpuEvents[E]) => void): () => void {
    this.#listeners[event].add(listener);
    return () => this.#listeners[event].delete(listener);
  }

  readonly #onMemory = (label: string, bytes: number) => this.observer?.memory?.(label, bytes);

  /** Whether the device was opened with the feature. */
  has(feature: "timestamp-query" | "shader-f16" | "subgroups"): boolean {
    return this.device.features.has(feature);
  }

  /** Throws a `MissingFeatureError` that names `what` unless the device can compute with float16. */
  requireFloat16(what: string): void {
    if (!this.has("shader-f16")) throw new MissingFeatureError(what, "shader-f16", this.description);
  }

  /** Lanes that share one subgroup for certain; 0 without the feature `subgroups` or where the device does not say. */
  get certainLanes(): number {
    return this.has("subgroups") ? (this.device.adapterInfo?.subgroupMinSize ?? 0) : 0;
  }

  /** Lanes that may exchange values as a team: 8, or 4 where subgroups are that small; 0: only portable kernels run. */
  get teamLanes(): 0 | 4 | 8 {
    const least = this.certainLanes;
    return least >= 8 ? 8 : least >= 4 ? 4 : 0;
  }

  /** What was done on the device so far, in counts. */
  get counters(): Counters {
    return {
      dispatches: this.#dispatchCount,
      submits: this.#submitCount,
      pipelines: this.#pipelines.created,
      bindGroups: this.#bindGroups.created,
      buffers: this.memory.buffersCreated,
      keptBindGroups: this.#bindGroups.kept,
    };
  }

  /** Memory of tensors and of captured work together. */
  get memory(): MemoryStatistics {
    return [...this.#captures]
      .map((pool) => pool.statistics())
      .reduce(addStatistics, this.#mainPool.statistics());
  }

  /** Starts `memory.peakBytes` again from the bytes now in use. */
  resetPeakMemory(): void {
    this.#mainPool.resetPeak();
  }

  /** Gives the buffers kept for reuse back to the device. */
  trim(): void {
    this.#finish();
    this.#mainPool.trim();
    this.#bindGroups.clear();
  }

  // ---------------------------------------------------------------- memory and scopes

  /**
   * A buffer of at least `bytes` from the pool, for kernels that are called without tensors. Throws an
   * `OutOfMemoryError` if the device has no room.
   */
  allocate(bytes: number, label: string): Storage {
    const storage = this.#pool.allocate(bytes, label);
    // What lies between tensors and behind them is not to be taken for a kernel's result.
    if (this.checker) this.clearBuffer(storage, 0, storage.bytes);
    return storage;
  }

  /** Puts something under the innermost scope; without a scope it lives on. */
  track(resource: Scoped): void {
    this.#scopes.at(-1)?.add(resource);
  }

  /** Frees what the tape keeps at the end of the capture under way, if there is one: captured memory is planned then. */
  endWithCapture(tape: Pick<Scoped, "dispose">): void {
    this.#captured?.tape.push(tape);
  }

  /** Whether a `scope` is open: tensors made now are freed at its end. */
  get inScope(): boolean {
    return this.#scopes.length > 0;
  }

  /**
   * Runs `body` and frees what was made in it, except what it returns (one thing, or an array or plain object of
   * things) and what was kept. `body` must not be asynchronous: read results after the scope.
   */
  scope<T>(body: () => T): T {
    const tracked = new Set<Scoped>();
    this.#scopes.push(tracked);
    try {
      const result = body();
      if (result instanceof Promise)
        throw new GpuError("scope: the body must not be asynchronous; read results after it");
      this.#release(result, tracked);
      return result;
    } finally {
      this.#scopes.pop();
      for (const resource of tracked) if (!resource.kept) resource.dispose();
    }
  }

  /** Moves what a scope returns to the scope around it. */
  #release(value: unknown, tracked: Set<Scoped>): void {
    if (typeof value !== "object" || value === null) return;
    if (tracked.delete(value as Scoped)) {
      const outer = this.#scopes.at(-2);
      outer?.add(value as Scoped);
    } else if (Array.isArray(value)) {
      for (const item of value) this.#release(item, tracked);
    } else if (Object.getPrototypeOf(value) === Object.prototype) {
      for (const item of Object.values(value)) this.#release(item, tracked);
    }
  }

  // ---------------------------------------------------------------- recording

  /** Workgroups that cover `count` invocations, folded over x and y so that no dimension exceeds the limit. */
  groups1d(count: number, workgroupSize: number): [number, number, number] {
    const groups = Math.max(1, Math.ceil(count / workgroupSize));
    const most = this.limits.maxComputeWorkgroupsPerDimension;
    if (groups <= most) return [groups, 1, 1];
    const rows = Math.ceil(groups / most);
    return [Math.ceil(groups / rows), rows, 1];
  }

  /**
   * The tunables that a kernel or a choice has on this adapter: those of the tuning tables over the defaults. With a
   * shape, those for its class; `run` then has to be given them as `tune`, as without it takes those for any shape.
   */
  tunables<V>(tunable: Tunable<V>, shape?: readonly number[]): V {
    return this.tuning.lookUp(tunable, shape);
  }

  /** Whether a binding can be the tensor as it lies: row-major without gaps, starting where a binding may start. */
  binds({ contiguous, offset, dtype }: Bindable): boolean {
    return (
      contiguous && (offset * bytesPerElement[dtype]) % this.limits.minStorageBufferOffsetAlignment === 0
    );
  }

  /**
   * Appends one dispatch to the recording; nothing is submitted. `params` are the members of the kernel's uniform
   * struct. Views are bound as dense copies where no binding can be the view itself: one more dispatch, and another that
   * writes the copy back if the kernel writes it. Throws a `GpuError` that names kernel and tensor when a binding cannot
   * be used.
   */
  run<K extends Kernel>(
    kernel: K,
    bindings: BindingsOf<K>,
    params: ParamsOf<K>,
    options: RunOptions<K>,
  ): void {
    this.#throwIfFailed();
    const { spec } = kernel;
    const [x, y = 1, z = 1] = options.groups;
    const bound = bindings as Readonly<Record<string, Bindable | Storage>>;
    const { tuning } = this;
    const tune = options.tune ? { ...tuning.values(kernel), ...options.tune } : tuning.lookUp(kernel);
    const specialisation: Specialisation = {
      variant: (options.variant ?? {}) as Specialisation["variant"],
      tune: tune as Specialisation["tune"],
    };
    const copies = new Map<Bindable, Bindable>();
    const ranges = this.#bindRanges(kernel, bound, specialisation, copies, options.writes);
    const views = bindings as Readonly<Record<string, GPUTextureView>>;
    const textures = spec.textures?.map(({ name }) => views[name]!) ?? [];
    const most = this.limits.maxComputeWorkgroupsPerDimension;
    if (x > most || y > most || z > most) {
      throw new GpuError(
        `${spec.name}: a grid of ${x}×${y}×${z} workgroups; this device allows ${most} in a dimension`,
      );
    }
    const pipeline = this.#pipelines.get(kernel, specialisation);
    let uniformOffset = 0;
    if (spec.uniform) {
      if (this.#recording === this.#mainRecording && this.#recording.uniformBytes + 1024 > uniformBlockBytes)
        this.flush();
      uniformOffset = this.#recording.reserveUniform(spec.uniform.size);
      this.#writeUniform(kernel, params as Record<string, number | Vec4>, uniformOffset);
    }
    const dispatch: Dispatch = {
      kind: "dispatch",
      pipeline,
      bindings: ranges,
      textures,
      uniformOffset,
      groups: [x, y, z],
    };
    this.#recording.commands.push(dispatch);
    this.observer?.dispatch?.(
      dispatch,
      params as Readonly<Record<string, number | Vec4>>,
      specialisation.variant,
    );
    if (this.checker) {
      const written = spec.bindings.flatMap((binding, i) => {
        if (binding.access !== "read_write") return [];
        const dtype = bindingDType(binding, specialisation);
        const [output, { storage, offset, size }] = [bound[binding.name]!, ranges[i]!];
        const elements = output instanceof Storage ? size / bytesPerElement[dtype] : output.size;
        return [{ storage, offset: offset / bytesPerElement[dtype], size: elements, dtype }];
      });
      this.checker.ran(spec.name, written);
    }
    for (const [view, copy] of copies) {
      if (spec.bindings.some(({ name, access }) => bound[name] === view && access === "read_write"))
        view.unpack(copy);
      copy.storage.release();
    }
  }

  #bindRanges(
    kernel: Kernel,
    bindings: Readonly<Record<string, Bindable | Storage>>,
    specialisation: Specialisation,
    copies: Map<Bindable, Bindable>,
    writes?: Region,
  ): BoundRange[] {
    const { spec } = kernel;
    const ranges: BoundRange[] = [];
    for (const binding of spec.bindings) {
      const bound = bindings[binding.name];
      if (!bound) throw new GpuError(`${spec.name}: nothing is bound to ${binding.name}`);
      let range: BoundRange;
      if (bound instanceof Storage) {
        range = { storage: bound, offset: 0, size: bound.bytes };
      } else {
        const dtype = bindingDType(binding, specialisation);
        if (bound.dtype !== dtype) {
          throw new GpuError(
            `${spec.name}: ${binding.name} takes ${dtype}, but ${bound.label} is ${bound.dtype}`,
          );
        }
        const tensor = this.binds(bound) ? bound : (copies.get(bound) ?? bound.packed());
        if (tensor !== bound) copies.set(bound, tensor);
        const { storage } = tensor;
        const elementBytes = bytesPerElement[dtype];
        const start = tensor.offset * elementBytes;
        // Rounded up to whole vec4s: a buffer is never smaller than that, and kernels that read vectors need it.
        const size = Math.min(Math.ceil((bound.size * elementBytes) / 16) * 16, storage.bytes - start);
        range = { storage, offset: start, size };
      }
      if (range.storage.free)
        throw new GpuError(`${spec.name}: ${range.storage.label}, bound to ${binding.name}, was freed`);
      ranges.push(range);
    }
    for (let i = 0; i < ranges.length; i++) {
      if (spec.bindings[i]!.access !== "read_write") continue;
      const output = bindings[spec.bindings[i]!.name]!;
      const { storage, offset } = ranges[i]!;
      storage.written(
        output instanceof Storage ? writes : stretch(offset, output.size * bytesPerElement[output.dtype]),
      );
      for (let j = 0; j < ranges.length; j++) {
        if (ranges[j]!.storage === ranges[i]!.storage && spec.bindings[j]!.access === "read") {
          throw new GpuError(
            `${spec.name}: ${spec.bindings[i]!.name} and ${spec.bindings[j]!.name} are the same buffer (${ranges[i]!.storage.label}), one read and one written`,
          );
        }
      }
    }
    if (this.#captured) for (const { storage } of ranges) this.#retainForCapture(storage);
    return ranges;
  }

  #writeUniform(kernel: Kernel, params: Readonly<Record<string, number | Vec4>>, base: number): void {
    const view = this.#recording.uniformView;
    for (const member of kernel.spec.uniform!.members) {
      const value = params[member.name];
      if (value === undefined)
        throw new GpuError(`${kernel.spec.name}: the uniform ${member.name} is missing`);
      for (let lane = 0; lane < member.width; lane++) {
        const number = typeof value === "number" ? value : value[lane]!;
        // A word takes whatever it is given: NaN as 0, 2.5 as 2.
        if (member.type !== "f32" && !Number.isInteger(number))
          throw new GpuError(
            `${kernel.spec.name}: the uniform ${member.name} is ${number}, not a whole number`,
          );
        const at = base + member.offset + 4 * lane;
        if (member.type === "f32") view.setFloat32(at, number, true);
        else if (member.type === "u32") view.setUint32(at, number, true);
        else view.setInt32(at, number, true);
      }
    }
  }

  /** Records a copy between buffers; offsets and size in bytes, multiples of 4. */
  copyBuffer(
    source: Storage,
    sourceOffset: number,
    target: Storage,
    targetOffset: number,
    size: number,
  ): void {
    target.written(stretch(targetOffset, size));
    if (this.#captured) for (const storage of [source, target]) this.#retainForCapture(storage);
    this.#recording.commands.push({ kind: "copy", source, sourceOffset, target, targetOffset, size });
  }

  /** Records filling bytes with zero; offset and size are multiples of 4. */
  clearBuffer(target: Storage, offset: number, size: number): void {
    target.written(stretch(offset, size));
    if (this.#captured) this.#retainForCapture(target);
    this.#recording.commands.push({ kind: "clear", target, offset, size });
  }

  /** Records setting the first float to 1. What only reads a 1 can bind `one` instead, which costs nothing. */
  fillOne(target: Storage): void {
    this.copyBuffer(this.one, 0, target, 0, 4);
  }

  /**
   * Submits what is recorded, in the order of the calls. Ops never call it. Pipelines are compiled in the background:
   * as long as one is missing the work waits for it, and whatever is asked for later waits behind it. `read` and `idle`
   * wait for all of it; await one of them before other users of the device are given the engine's buffers.
   */
  flush(): void {
    if (this.#captured)
      throw new GpuError("capture: nothing may be read back or submitted while work is being captured");
    const { device } = this;
    const mainRecording = this.#mainRecording;
    if (mainRecording.commands.length === 0) return;
    this.#throwIfFailed();
    const uniforms = mainRecording.uniformData.slice();
    const commands = mainRecording.take();
    const slice = this.sliceMilliseconds;
    this.#queue.push(pipelinesOf(commands), () => {
      device.queue.writeBuffer(this.#uniformBlock, 0, uniforms);
      if (Number.isFinite(slice)) return this.#slices(commands, this.#bindGroups, this.#uniformBlock, slice);
      this.#submit(
        new Replay(commands, this.#bindGroups, this.#uniformBlock),
        commands,
        this.#bindGroups,
        this.#uniformBlock,
      );
    });
  }

  /** Submits what `body` records in slices of so many milliseconds; see `sliceMilliseconds`. */
  sliced<T>(milliseconds: number, body: () => T): T {
    const before = this.sliceMilliseconds;
    this.flush();
    this.sliceMilliseconds = milliseconds;
    try {
      const result = body();
      this.flush();
      return result;
    } finally {
      this.sliceMilliseconds = before;
    }
  }

  *#slices(
    commands: readonly Command[],
    bindGroups: BindGroupCache,
    uniforms: GPUBuffer,
    milliseconds: number,
  ): Parts {
    for (let first = 0; first < commands.length; ) {
      const end = this.#times.sliceEnd(commands, first, milliseconds);
      const part = commands.slice(first, end);
      const began = performance.now();
      this.#submit(new Replay(part, bindGroups, uniforms), part, bindGroups, uniforms);
      const done = this.device.queue.onSubmittedWorkDone().then(
        () => {
          const milliseconds = performance.now() - began;
          this.#times.learn(part, milliseconds);
          this.observer?.slice?.(milliseconds);
        },
        () => {}, // the device is lost, which is reported on its own
      );
      first = end;
      if (first < commands.length) yield this.#waited(done);
    }
  }

  /** Submits what is recorded, and then, once that has been submitted, calls `action`: to destroy what the work used. */
  afterFlush(action: () => void): void {
    this.flush();
    this.#queue.push([], action);
  }

  /** Like `flush`, and waits, blocking, for pipelines that are missing: before anything is destroyed. */
  #finish(): void {
    this.flush();
    this.#queue.finish();
  }

  /** Encodes and submits; with a profiler at work, `commands` one by one instead of their replay. */
  #submit(
    replay: Replay,
    commands: readonly Command[],
    bindGroups: BindGroupCache,
    uniforms: GPUBuffer,
  ): void {
    const { device, profiler } = this;
    device.pushErrorScope("validation");
    const encoder = device.createCommandEncoder({ label: "mcd" });
    let collect: (() => void)[] = [];
    if (profiler) collect = profiler.encode(encoder, commands, bindGroups, uniforms);
    else replay.encode(encoder);
    device.queue.submit([encoder.finish()]);
    for (const after of collect) after();
    this.#submitCount++;
    this.#dispatchCount += replay.dispatches;
    const check = device.popErrorScope().then(
      (error) => {
        if (error) this.#fail(new GpuValidationError(error.message));
      },
      () => {}, // the device is lost, which is reported on its own
    );
    this.#errorChecks.add(check);
    check.then(() => this.#errorChecks.delete(check));
  }

  // ---------------------------------------------------------------- capture and replay

  #retainForCapture(storage: Storage): void {
    const { retained } = this.#captured!;
    if (storage.pool === this.#pool || retained.has(storage)) return;
    storage.retain();
    retained.add(storage);
  }

  /**
   * Records what `body` does without submitting it. All shapes and scalars are frozen; what changes from run to run
   * must be read from tensors that exist outside (batches, a step counter, a learning rate), written before `run()`.
   * Buffers made in `body` belong to the captured work and are shared by lifetime; results that are to be read after
   * a run have to be kept or returned. Reading inside `body` is an error. Gradients are taken inside it too: the tape of
   * what it records ends with it.
   */
  capture<T>(body: () => T): { work: CapturedWork; result: T } {
    if (this.#captured) throw new GpuError("capture: captures cannot be nested");
    if (this.checker)
      throw new GpuError("capture: not while checkFinite is on; run the step uncaptured to find the kernel");
    this.flush();
    const memory = new CaptureMemory(
      this.device,
      this.#poolOptions,
      (error) => this.#fail(error),
      this.#onMemory,
    );
    const recording = new Recording(this.#uniformAlignment);
    const retained = new Set<Storage>();
    const tape: Pick<Scoped, "dispose">[] = [];
    this.#captured = { retained, tape };
    this.#pool = memory;
    this.#recording = recording;
    let result: T;
    try {
      result = this.scope(body);
    } catch (error) {
      for (const storage of retained) storage.release();
      throw error;
    } finally {
      for (const node of tape) node.dispose();
      this.#captured = null;
      this.#pool = this.#mainPool;
      this.#recording = this.#mainRecording;
    }
    const uniforms = this.device.createBuffer({
      label: "mcd captured uniforms",
      size: Math.max(recording.uniformBytes, 16),
      usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
    });
    this.device.queue.writeBuffer(uniforms, 0, recording.uniformData);
    const commands = recording.take();
    memory.place(commands);
    this.#captures.add(memory);
    const bindGroups = new BindGroupCache(this.device);
    const pipelines = pipelinesOf(commands);
    let replay: Replay | null = null;
    const prepared = () => {
      replay ??= new Replay(commands, bindGroups, uniforms);
      return replay;
    };
    let disposed = false;
    const work: CapturedWork = {
      dispatches: commands.filter((command) => command.kind === "dispatch").length,
      memory: memory.statistics(),
      run: () => {
        if (disposed) throw new GpuError("this captured work was disposed");
        this.#throwIfFailed();
        this.flush();
        const slice = this.sliceMilliseconds;
        this.#queue.push(replay ? [] : pipelines, () => {
          if (Number.isFinite(slice)) return this.#slices(commands, bindGroups, uniforms, slice);
          this.#submit(prepared(), commands, bindGroups, uniforms);
        });
      },
      ready: async () => {
        await Promise.all(pipelines.map(({ settled }) => settled));
        await this.#pipelines.checked();
        this.#throwIfFailed();
      },
      encode: (encoder) => {
        if (disposed) throw new GpuError("this captured work was disposed");
        this.#throwIfFailed();
        this.#finish();
        const refused = pipelines.find((pipeline) => pipeline.refused);
        if (refused)
          throw new GpuValidationError(`the device has refused the kernel ${refused.kernel.spec.name}`);
        prepared().encode(encoder);
        this.#dispatchCount += work.dispatches;
      },
      dispose: () => {
        if (disposed) return;
        this.#finish();
        disposed = true;
        for (const storage of retained) storage.release();
        uniforms.destroy();
        memory.dispose();
        this.#captures.delete(memory);
        this.#works.delete(work);
        if (memory.lingers) this.#lingering.add(memory);
      },
    };
    this.#works.add(work);
    return { work, result };
  }

  // ---------------------------------------------------------------- data in and out

  /** Writes elements into a storage, after all work recorded so far. */
  write(
    target: Storage,
    byteOffset: number,
    data: Float32Array | Uint16Array | Uint32Array | Int32Array,
  ): void {
    this.flush();
    target.written(stretch(byteOffset, data.byteLength));
    // The caller may change the array while the write waits.
    const bytes = this.#queue.busy ? data.slice() : data;
    this.#queue.push([], () => this.device.queue.writeBuffer(target.buffer, byteOffset, bytes));
  }

  /** Reads bytes back once all work recorded so far has run. Surfaces any GPU error that work has caused. */
  async read(source: Storage, byteOffset: number, bytes: number): Promise<ArrayBuffer> {
    const data = await this.#readBack(source, byteOffset, bytes);
    await this.#surfaceErrors();
    return data;
  }

  async #readBack(source: Storage, byteOffset: number, bytes: number): Promise<ArrayBuffer> {
    this.flush();
    this.#throwIfFailed();
    const size = Math.max(4, 2 ** Math.ceil(Math.log2(bytes)));
    const free = this.#staging.get(size) ?? [];
    this.#staging.set(size, free);
    const staging =
      free.pop() ??
      this.device.createBuffer({
        label: "mcd read-back",
        size,
        usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
      });
    this.#allStaging.add(staging);
    this.#queue.push([], () => {
      const encoder = this.device.createCommandEncoder({ label: "mcd read-back" });
      encoder.copyBufferToBuffer(source.buffer, byteOffset, staging, 0, bytes);
      this.device.queue.submit([encoder.finish()]);
    });
    await this.#waited(this.#queue.done());
    try {
      await this.#waited(staging.mapAsync(GPUMapMode.READ, 0, bytes));
    } catch (error) {
      staging.destroy();
      this.#allStaging.delete(staging);
      await this.#pipelines.checked();
      await Promise.all(this.#errorChecks);
      this.#throwIfFailed();
      throw new GpuError(`reading ${source.label} failed: ${error instanceof Error ? error.message : error}`);
    }
    const data = staging.getMappedRange(0, bytes).slice(0);
    staging.unmap();
    free.push(staging);
    return data;
  }

  /** Submits and waits until the device has done all work. */
  async idle(): Promise<void> {
    this.flush();
    await this.#waited(this.#queue.done());
    await this.#waited(this.device.queue.onSubmittedWorkDone());
    await this.#surfaceErrors();
  }

  #waited<T>(promise: Promise<T>): Promise<T> {
    this.#rest(promise);
    return promise;
  }

  async #surfaceErrors(): Promise<void> {
    await this.#pipelines.checked();
    await Promise.all(this.#errorChecks);
    await this.checker?.report();
    this.#throwIfFailed();
  }

  // ---------------------------------------------------------------- errors and debugging

  #fail(error: GpuError, isCause = false): void {
    // The first error is the cause and later ones its echoes, but a kernel that does not compile is heard of after
    // the submission that used it. Loss of the device outweighs all.
    if (
      !this.#failure ||
      (isCause && !(this.#failure instanceof DeviceLostError)) ||
      error instanceof DeviceLostError
    ) {
      this.#failure = error;
    }
    if (this.#disposed) return;
    if (error instanceof DeviceLostError) for (const listener of this.#listeners.lost) listener(error);
    else for (const listener of this.#listeners.error) listener(error);
  }

  #throwIfFailed(): void {
    const error = this.#failure;
    if (!error) return;
    if (!(error instanceof DeviceLostError)) this.#failure = null;
    throw error;
  }

  /**
   * Destroys everything that the engine made on the device, also what tensors and captured work still hold; the device
   * itself stays as it was. Read-backs that are on their way fail.
   */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#leaveDevice();
    this.#mainRecording.take();
    this.#queue.finish();
    this.checker?.dispose();
    this.checker = null;
    for (const work of this.#works) work.dispose();
    for (const memory of this.#lingering) memory.destroyAll();
    this.#lingering.clear();
    this.#mainPool.dispose();
    this.#bindGroups.clear();
    this.#uniformBlock.destroy();
    for (const buffer of this.#allStaging) buffer.destroy();
    this.#allStaging.clear();
    this.#staging.clear();
  }
}
