/**
 * A debug mode that finds kernels that read uninitialised memory or write out of bounds. It is slow and not part of the
 * bundles for browsers: import it where you debug or test.
 */

import type { CapturedWork } from "./captured-work.js";
import { GpuError } from "./errors.js";
import { type DebuggedGpu, debugBuffer } from "./finite-check.js";
import { bytesPerElement } from "./kernel.js";
import type { Bindable, RunKernel } from "./kernel-arguments.js";
import { Storage } from "./pool.js";

/** A NaN as float32, two of them as float16, and an index beyond any table as an integer. */
const pattern = 0x7fff7fff;
/** Bytes that one copy fills. */
const patternBytes = 1 << 18;
/** Bytes behind a tensor that are compared: a binding ends with the tensor's last vector of four. */
const bandBytes = 16;
/** The maximum number of tensors watched between two read-backs; further ones are not watched. */
const mostBands = 32768;

/** The memory behind a tensor that a dispatch writes. */
interface Band {
  kernel: string;
  tensor: Bindable;
  /** Bytes from the start of the storage, in whole words. */
  start: number;
  bytes: number;
  /** Whether the first word begins with the last float16 of the tensor. */
  sharesWord: boolean;
}

/** A `Gpu`, some of whose methods `poison` replaces. */
export interface PoisonedGpu extends DebuggedGpu {
  capture<T>(body: () => T): { work: CapturedWork; result: T };
  write(target: Storage, byteOffset: number, data: Uint32Array): void;
  idle(): Promise<void>;
}

/**
 * Makes `gpu` fill all memory that it allocates with NaN, up to the end of the allocation, and compare the memory behind each
 * tensor before and after the kernels that write it. If that has changed, the next read-back throws a `GpuError` that names
 * the kernel and the tensor. Kernels in captured work are not watched, but their memory is filled in each run.
 */
export function poison(gpu: PoisonedGpu): void {
  const fill = debugBuffer(gpu, patternBytes, "poison");
  gpu.write(fill, 0, new Uint32Array(patternBytes / 4).fill(pattern));
  const log = debugBuffer(gpu, 2 * bandBytes * mostBands, "bands");
  let bands: Band[] = [];
  let capturing = false;
  const { allocate, capture, run, read, idle } = gpu;

  gpu.allocate = (bytes, label) => {
    const storage = allocate.call(gpu, bytes, label);
    // `checkFinite` also checks the end of the last vector.
    if (gpu.checker) return storage;
    for (let at = 0; at < storage.bytes; at += patternBytes)
      gpu.copyBuffer(fill, 0, storage, at, Math.min(patternBytes, storage.bytes - at));
    return storage;
  };

  gpu.capture = ((body) => {
    capturing = true;
    try {
      return capture.call(gpu, body);
    } finally {
      capturing = false;
    }
  }) as PoisonedGpu["capture"];

  gpu.run = ((kernel, bindings, params, options) => {
    const bound = bindings as unknown as Readonly<Record<string, Bindable | Storage>>;
    const written = capturing ? [] : bandsBehind(kernel.spec, bound).slice(0, mostBands - bands.length);
    const slot = 2 * bandBytes * bands.length;
    const note = (after: number) =>
      written.forEach(({ tensor, start, bytes }, i) => {
        gpu.copyBuffer(tensor.storage, start, log, slot + (2 * i + after) * bandBytes, bytes);
      });
    note(0);
    run.call(gpu, kernel, bindings, params, options);
    note(1);
    bands.push(...written);
  }) as RunKernel;

  const check = async () => {
    if (bands.length === 0) return;
    const checked = bands;
    bands = [];
    const words = new Uint32Array(await read.call(gpu, log, 0, 2 * bandBytes * checked.length));
    checked.forEach(({ kernel, tensor, bytes, sharesWord }, i) => {
      for (let word = 0; word < bytes / 4; word++) {
        const at = (2 * bandBytes * i) / 4 + word;
        const changed = words[at]! ^ words[at + bandBytes / 4]!;
        if (changed >>> (sharesWord && word === 0 ? 16 : 0) !== 0)
          throw new GpuError(`${kernel} wrote behind ${tensor.label}, ${word + 1} words from its end`);
      }
    });
  };

  gpu.read = async (source, offset, bytes) => {
    const data = await read.call(gpu, source, offset, bytes);
    await check();
    return data;
  };

  gpu.idle = async () => {
    await idle.call(gpu);
    await check();
  };
}

/** The memory behind the tensors that a kernel writes, except where the kernel writes it through another binding. */
function bandsBehind(
  spec: { name: string; bindings: readonly { name: string; access: string }[] },
  bound: Readonly<Record<string, Bindable | Storage>>,
): Band[] {
  const written = spec.bindings
    .filter(({ access }) => access === "read_write")
    .map(({ name }) => bound[name]);
  const bands: Band[] = [];
  for (const tensor of written) {
    if (!tensor || tensor instanceof Storage || !tensor.contiguous) continue;
    const { storage } = tensor;
    const end = (tensor.offset + tensor.size) * bytesPerElement[tensor.dtype];
    let until = Math.min(storage.bytes, Math.ceil(end / bandBytes) * bandBytes);
    for (const other of written) {
      if (!other || other === tensor) continue;
      if (other === storage) until = 0;
      if (other instanceof Storage || other.storage !== storage) continue;
      const start = other.offset * bytesPerElement[other.dtype];
      if (start >= end) until = Math.min(until, start);
    }
    const start = Math.floor(end / 4) * 4;
    const bytes = Math.floor(until / 4) * 4 - start;
    if (bytes > 0) bands.push({ kernel: spec.name, tensor, start, bytes, sharesWord: end % 4 !== 0 });
  }
  return bands;
}
