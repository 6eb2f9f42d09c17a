/**
 * A debug mode that finds the first kernel that wrote NaN or infinity, and ids out of range. It is slow and not part of the
 * bundles for browsers: import it where you debug or test.
 */

import type { Checker, GpuContext } from "./context.js";
import { IdError, NonFiniteError } from "./errors.js";
import { bindingDType, bytesPerElement } from "./kernel.js";
import type { Bindable, RunKernel } from "./kernel-arguments.js";
import * as kernels from "./kernels.generated.js";
import { borrowedId, Storage } from "./pool.js";
import { extent, stretch } from "./region.js";

/** The members of `Gpu` that debug modes need. */
export interface DebuggedGpu extends GpuContext {
  allocate(bytes: number, label: string): Storage;
  run: RunKernel;
  groups1d(count: number, workgroupSize: number): [number, number, number];
  copyBuffer(
    source: Storage,
    sourceOffset: number,
    target: Storage,
    targetOffset: number,
    size: number,
  ): void;
  clearBuffer(target: Storage, offset: number, size: number): void;
  flush(): void;
  afterFlush(action: () => void): void;
  read(source: Storage, byteOffset: number, bytes: number): Promise<ArrayBuffer>;
}

/** The maximum number of outputs watched between two read-backs: several training steps. */
const slots = 16384;

/** A check that an op requested, with copies of ids and table at that time. */
interface IdCheck {
  op: string;
  label: string;
  range: string;
  valid: (id: number, table: Float32Array) => boolean;
  copies: { copy: Storage; bytes: number }[];
}

/** Creates a buffer outside of the pool, so that it does not count in the memory statistics. */
export function debugBuffer({ device }: GpuContext, size: number, label: string): Storage {
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
  const made = device.createBuffer({ label: `mcd ${label}`, size, usage });
  return new Storage({ reclaim() {} }, size, label, { buffer: made, id: borrowedId });
}

/**
 * Checks the float outputs of every kernel for NaN and infinity, and ids for their range, while on. The next read-back
 * throws a `NonFiniteError` that names the first kernel and tensor, or an `IdError` that names the op.
 */
export function checkFinite(gpu: DebuggedGpu, on = true): void {
  if (on === (gpu.checker !== null)) return;
  gpu.flush();
  gpu.checker?.dispose();
  gpu.checker = on ? new FiniteCheck(gpu) : null;
}

class FiniteCheck implements Checker {
  readonly #gpu: DebuggedGpu;
  readonly #counts: Storage;
  #names: { kernel: string; tensor: string }[] = [];
  #asked: IdCheck[] = [];

  constructor(gpu: DebuggedGpu) {
    this.#gpu = gpu;
    this.#counts = debugBuffer(gpu, slots * 4, "non-finite counts");
  }

  ran: Checker["ran"] = (kernel, bound, specialisation, ranges, writes) => {
    const check = kernels.finite.countNonFinite;
    if (kernel === check.spec) return;
    for (const [i, binding] of kernel.bindings.entries()) {
      const dtype = bindingDType(binding, specialisation);
      if (binding.access !== "read_write" || (dtype !== "f32" && dtype !== "f16")) continue;
      if (this.#names.length >= slots) return;
      const output = bound[binding.name]!;
      const { storage, offset, size: bytes } = ranges[i]!;
      const whole = output instanceof Storage;
      // Memory that the kernel leaves alone may hold anything.
      const region = whole ? (writes ?? stretch(0, bytes)) : stretch(0, output.size * bytesPerElement[dtype]);
      const first = region.offset / bytesPerElement[dtype];
      const size = extent(region) / bytesPerElement[dtype];
      const slot = this.#names.length;
      this.#names.push({ kernel: kernel.name, tensor: storage.label });
      const words = Math.ceil(((first + size) * bytesPerElement[dtype]) / 4);
      const values = {
        storage,
        offset: offset / 4,
        size: words,
        dtype: "u32",
        contiguous: true,
        label: storage.label,
      } as unknown as Bindable<"u32">;
      this.#gpu.run(
        check,
        { values, counts: this.#counts },
        { first, count: size, slot },
        { groups: this.#gpu.groups1d(size, 256), variant: { HALVES: dtype === "f16" } },
      );
    }
  };

  ids: Checker["ids"] = (op, ids, range, valid, table = ids) => {
    const copies = [ids, table].map(({ storage, offset, size, label }) => {
      const copy = this.#gpu.allocate(4 * size, label);
      this.#gpu.copyBuffer(storage, 4 * offset, copy, 0, 4 * size);
      return { copy, bytes: 4 * size };
    });
    this.#asked.push({ op, label: ids.label, range, valid, copies });
  };

  async report(): Promise<void> {
    const [gpu, counts, names, asked] = [this.#gpu, this.#counts, this.#names, this.#asked] as const;
    if (names.length + asked.length === 0) return;
    // The read-backs below report too: clear the list first.
    this.#names = [];
    this.#asked = [];
    const reading = gpu.read(counts, 0, counts.bytes);
    gpu.clearBuffer(counts, 0, counts.bytes);
    const copies = asked.flatMap((check) => check.copies);
    const [counting, ...data] = await Promise.all([
      reading,
      ...copies.map(({ copy, bytes }) => gpu.read(copy, 0, bytes).finally(() => copy.release())),
    ]);
    asked.forEach(({ op, label, range, valid }, i) => {
      const values = new Uint32Array(data[2 * i]!);
      const table = new Float32Array(data[2 * i + 1]!);
      const at = values.findIndex((id) => !valid(id, table));
      if (at >= 0) throw new IdError(op, label, at, values[at]!, range);
    });
    const found = new Uint32Array(counting!);
    const first = names.findIndex((_, slot) => found[slot]! > 0);
    if (first >= 0) throw new NonFiniteError(names[first]!.kernel, names[first]!.tensor, found[first]!);
  }

  dispose(): void {
    this.#gpu.afterFlush(() => this.#counts.buffer.destroy());
  }
}
