/**
 * The target that ops record into: the recording that the next flush submits, with memory of the pool, or, while work is
 * captured, a separate recording with separate memory.
 */

import type { CaptureMemory } from "./capture-memory.js";
import type { GpuContext } from "./context.js";
import { GpuError } from "./errors.js";
import type { Failures } from "./failures.js";
import type { Kernel, Specialisation, Vec4 } from "./kernel.js";
import type { Bindable } from "./kernel-arguments.js";
import {
  type BindingsOf,
  type Bound,
  bindRanges,
  type ParamsOf,
  type RunOptions,
  writeUniform,
} from "./kernel-arguments.js";
import type { PipelineCache } from "./pipelines.js";
import type { BufferPool, Storage } from "./pool.js";
import { type Dispatch, Recording, uniformBlockBytes } from "./recording.js";
import { stretch } from "./region.js";
import type { Scoped } from "./scopes.js";
import type { Submission } from "./submission.js";

/** The storages that captured work retains, and the ops whose tape ends with the capture. */
interface Capture {
  readonly retained: Set<Storage>;
  readonly tape: Pick<Scoped, "dispose">[];
}

export class Recorder {
  /** Allocates the memory of tensors. */
  memory: BufferPool | CaptureMemory;
  readonly #context: GpuContext;
  readonly #pipelines: PipelineCache;
  readonly #submission: Submission;
  readonly #failures: Failures;
  readonly #main: Recording;
  #recording: Recording;
  #capture: Capture | null = null;

  constructor(
    context: GpuContext,
    main: Recording,
    memory: BufferPool,
    pipelines: PipelineCache,
    submission: Submission,
    failures: Failures,
  ) {
    this.#context = context;
    this.#main = main;
    this.#recording = main;
    this.memory = memory;
    this.#pipelines = pipelines;
    this.#submission = submission;
    this.#failures = failures;
  }

  /** See `Gpu.run`. */
  run<K extends Kernel>(
    kernel: K,
    bindings: BindingsOf<K>,
    params: ParamsOf<K>,
    options: RunOptions<K>,
  ): void {
    this.#failures.throwIfAny();
    const { spec } = kernel;
    const [x, y = 1, z = 1] = options.groups;
    const bound = bindings as Bound;
    const { tuning, limits, observer, checker } = this.#context;
    const tune = options.tune ? { ...tuning.values(kernel), ...options.tune } : tuning.lookUp(kernel);
    const specialisation: Specialisation = {
      variant: (options.variant ?? {}) as Specialisation["variant"],
      tune: tune as Specialisation["tune"],
    };
    const copies = new Map<Bindable, Bindable>();
    const ranges = bindRanges(spec, bound, specialisation, copies, limits, options.writes);
    const views = bindings as Readonly<Record<string, GPUTextureView>>;
    const textures = spec.textures?.map(({ name }) => views[name]!) ?? [];
    const most = limits.maxComputeWorkgroupsPerDimension;
    if (x > most || y > most || z > most) {
      throw new GpuError(
        `${spec.name}: a grid of ${x}×${y}×${z} workgroups, more than ${most} in a dimension`,
      );
    }
    const pipeline = this.#pipelines.get(kernel, specialisation);
    const values = params as Readonly<Record<string, number | Vec4>>;
    let uniformOffset = 0;
    if (spec.uniform) {
      const recording = this.#recording;
      if (recording === this.#main && recording.uniformBytes + 1024 > uniformBlockBytes)
        this.#submission.flush();
      uniformOffset = recording.reserveUniform(spec.uniform.size);
      writeUniform(spec, values, recording.uniformView, uniformOffset);
    }
    const dispatch: Dispatch = {
      kind: "dispatch",
      pipeline,
      bindings: ranges,
      textures,
      uniformOffset,
      groups: [x, y, z],
    };
    if (this.#capture) for (const { storage } of ranges) this.#retain(storage);
    this.#recording.commands.push(dispatch);
    observer?.dispatch?.(dispatch, values, specialisation.variant);
    checker?.ran(spec, bound, specialisation, ranges, options.writes);
    for (const [view, copy] of copies) {
      if (spec.bindings.some(({ name, access }) => bound[name] === view && access === "read_write"))
        view.unpack(copy);
      copy.storage.release();
    }
  }

  /** See `Gpu.copyBuffer`. */
  copy(source: Storage, sourceOffset: number, target: Storage, targetOffset: number, size: number): void {
    target.written(stretch(targetOffset, size));
    this.#retain(source);
    this.#retain(target);
    this.#recording.commands.push({ kind: "copy", source, sourceOffset, target, targetOffset, size });
  }

  /** See `Gpu.clearBuffer`. */
  clear(target: Storage, offset: number, size: number): void {
    target.written(stretch(offset, size));
    this.#retain(target);
    this.#recording.commands.push({ kind: "clear", target, offset, size });
  }

  /** Retains memory from outside for the captured work, which may run after the tensors there are freed. */
  #retain(storage: Storage): void {
    const retained = this.#capture?.retained;
    if (!retained || storage.pool === this.memory || retained.has(storage)) return;
    storage.retain();
    retained.add(storage);
  }

  /** See `Gpu.endWithCapture`. */
  endWithCapture(tape: Pick<Scoped, "dispose">): void {
    this.#capture?.tape.push(tape);
  }

  /**
   * Records the work of `body` separately, with tensors in `memory`. Retains the storages from outside that it uses: the caller
   * has to release them.
   */
  apart<T>(
    memory: CaptureMemory,
    body: () => T,
  ): { result: T; recording: Recording; retained: ReadonlySet<Storage> } {
    const recording = new Recording(this.#context.limits.minUniformBufferOffsetAlignment);
    const capture: Capture = { retained: new Set(), tape: [] };
    const { retained } = capture;
    const outside = this.memory;
    this.memory = memory;
    this.#recording = recording;
    this.#capture = capture;
    this.#submission.capturing = true;
    try {
      return { result: body(), recording, retained };
    } catch (error) {
      for (const storage of retained) storage.release();
      throw error;
    } finally {
      for (const node of capture.tape) node.dispose();
      this.memory = outside;
      this.#recording = this.#main;
      this.#capture = null;
      this.#submission.capturing = false;
    }
  }
}
