/** Captured work: recorded once, then submitted any number of times without touching ops, tape or allocator. */

import { BindGroupCache } from "./bind-groups.js";
import type { CapturedMemory, CaptureMemory } from "./capture-memory.js";
import type { GpuContext } from "./context.js";
import { GpuError, GpuValidationError } from "./errors.js";
import type { Failures } from "./failures.js";
import type { MemoryStatistics } from "./pool.js";
import type { Recorder } from "./recorder.js";
import { Replay } from "./replay.js";
import type { Submission } from "./submission.js";

/** Static work, recorded once: `run()` submits it again without touching ops, tape or allocator. */
export interface CapturedWork {
  readonly dispatches: number;
  /** The memory of the buffers that the work owns, and the lower bound for any plan. */
  readonly memory: CapturedMemory;
  /** The commands of the work: a caller may cut them into parts, to run them in order. */
  readonly replay: Replay;
  /** Submits the work once more, or a part of it. */
  run(part?: Replay): void;
  /** Resolves when the pipelines of the work are compiled: from then on `run` and `encode` do not wait. */
  ready(): Promise<void>;
  /**
   * Records the work into the caller's encoder, outside of any pass, instead of submitting it: for a page with its own frame
   * loop. Submits pending work first. Blocks while pipelines that are not ready are compiled. Until the caller has submitted
   * the encoder, the work must not be run or disposed of.
   */
  encode(encoder: GPUCommandEncoder): void;
  /** Releases the buffers that the work owns. */
  dispose(): void;
}

export class Captures {
  readonly #context: GpuContext;
  readonly #recorder: Recorder;
  readonly #submission: Submission;
  readonly #failures: Failures;
  /** Work that has not been disposed of, and its memory. */
  readonly #works = new Map<CapturedWork, CaptureMemory>();
  /** Memory of disposed work whose results are still held. */
  readonly #lingering = new Set<CaptureMemory>();

  constructor(context: GpuContext, recorder: Recorder, submission: Submission, failures: Failures) {
    this.#context = context;
    this.#recorder = recorder;
    this.#submission = submission;
    this.#failures = failures;
  }

  /** Records `body` with tensors in `memory`. See `Gpu.capture`. */
  capture<T>(memory: CaptureMemory, body: () => T): { work: CapturedWork; result: T } {
    const submission = this.#submission;
    const { device, checker } = this.#context;
    if (submission.capturing) throw new GpuError("capture: captures cannot be nested");
    if (checker) throw new GpuError("capture: switch checkFinite off first");
    submission.flush();
    const { result, recording, retained } = this.#recorder.apart(memory, body);
    const uniforms = device.createBuffer({
      label: "mcd captured uniforms",
      size: Math.max(recording.uniformBytes, 16),
      usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
    });
    // wgpu refuses to write 0 bytes, and Deno ends the process then.
    if (recording.uniformBytes) device.queue.writeBuffer(uniforms, 0, recording.uniformData);
    const replay = new Replay(recording.take(), new BindGroupCache(device), uniforms);
    memory.place(replay.commands);
    let disposed = false;
    const check = () => {
      if (disposed) throw new GpuError("this captured work was disposed");
      this.#failures.throwIfAny();
    };
    const work: CapturedWork = {
      dispatches: replay.dispatches,
      memory: memory.statistics(),
      replay,
      run: (part = replay) => {
        check();
        submission.flush();
        submission.submit(part);
      },
      ready: async () => {
        await Promise.all(replay.pipelines.map(({ settled }) => settled));
        await this.#failures.settled();
        this.#failures.throwIfAny();
      },
      encode: (encoder) => {
        check();
        submission.finish();
        const refused = replay.pipelines.find((pipeline) => pipeline.refused);
        if (refused)
          throw new GpuValidationError(`the device has refused the kernel ${refused.kernel.spec.name}`);
        replay.encode(encoder);
        submission.dispatches += replay.dispatches;
      },
      dispose: () => {
        if (disposed) return;
        submission.finish();
        disposed = true;
        for (const storage of retained) storage.release();
        uniforms.destroy();
        memory.dispose();
        this.#works.delete(work);
        if (memory.lingers) this.#lingering.add(memory);
      },
    };
    this.#works.set(work, memory);
    return { work, result };
  }

  /** Adds the memory of captured work to that of tensors, given in `main`. */
  withMemory(main: MemoryStatistics): MemoryStatistics {
    return [...this.#works.values()].map((memory) => memory.statistics()).reduce(addStatistics, main);
  }

  /** Disposes of all work, and destroys the buffers of its results that are still held. */
  dispose(): void {
    for (const work of this.#works.keys()) work.dispose();
    for (const memory of this.#lingering) memory.destroyAll();
    this.#lingering.clear();
  }
}

/** Adds up statistics. Captured work needs its peak memory for as long as it exists, including buffers that are free now. */
function addStatistics(main: MemoryStatistics, captured: MemoryStatistics): MemoryStatistics {
  return {
    liveBytes: main.liveBytes + captured.peakBytes,
    peakBytes: main.peakBytes + captured.peakBytes,
    pooledBytes: main.pooledBytes,
    buffersCreated: main.buffersCreated + captured.buffersCreated,
    byLabel: merged(main.byLabel, captured.peakByLabel),
    peakByLabel: merged(main.peakByLabel, captured.peakByLabel),
  };
}

function merged(...lists: MemoryStatistics["byLabel"][]): MemoryStatistics["byLabel"] {
  const sums = new Map<string, number>();
  for (const [label, bytes] of lists.flat()) sums.set(label, (sums.get(label) ?? 0) + bytes);
  return [...sums].sort((a, b) => b[1] - a[1]);
}
