/** How many bytes dispatches move, as far as can be told from what they bind. */

import { GpuError } from "../dist/engine/index.js";
import { at } from "./numbers.js";

/**
 * @import { BoundRange, KernelSpec } from "../dist/debug.js"
 * @import { CapturedWork, Gpu } from "../dist/engine/index.js"
 *
 * @typedef {BoundRange["storage"]} Storage
 * @typedef {Readonly<Record<string, unknown>>} Values
 * @typedef {Omit<BoundRange, "storage"> & { storage: Pick<Storage, "place"> }} Range
 * @typedef {{ bindings: readonly Range[], pipeline: { kernel: { spec: { bindings: readonly Pick<KernelSpec["bindings"][number], "access">[] } } } }} Bound
 */

/**
 * Counts the bytes of the dispatches of one capture, each as it is recorded: every range that it binds once, and once
 * more if its old content is read before it is written. What a kernel reads again through its caches does not count; a
 * range of which it uses a part counts whole.
 */
export function trafficCounter() {
  /** What a dispatch has written: there is something in it to be read. @type {WeakSet<Range["storage"]>} */
  const written = new WeakSet();
  /**
   * @param {Bound} dispatch
   * @param {Values} params
   * @param {Values} variant
   */
  return ({ bindings, pipeline }, params, variant) => {
    const { spec } = pipeline.kernel;
    const kept = !overwrites(params, variant);
    let bytes = 0;
    /** @type {Range["storage"][]} */
    const outputs = [];
    bindings.forEach((range, i) => {
      // A kernel whose choices leave a binding unused is given some other range there, which may hold a real one.
      if (bindings.some((other, j) => other.storage === range.storage && standsIn(range, i, other, j)))
        return;
      const { storage } = range;
      const output = at(spec.bindings, i).access === "read_write";
      const inPlace = output && kept && (written.has(storage) || isOlder(storage));
      if (output) outputs.push(storage);
      bytes += range.size * (inPlace ? 2 : 1);
    });
    for (const storage of outputs) written.add(storage);
    return bytes;
  };
}

/**
 * Whether memory was there before the capture: what a capture allocates has no place until the capture has ended.
 * @param {Pick<Storage, "place">} storage
 */
function isOlder(storage) {
  try {
    return storage.place !== null;
  } catch (error) {
    if (error instanceof GpuError) return false;
    throw error;
  }
}

/**
 * Whether `range` is the same as an earlier one or contains another.
 * @param {Range} range
 * @param {number} i
 * @param {Range} other
 * @param {number} j
 */
function standsIn(range, i, other, j) {
  const same = range.offset === other.offset && range.size === other.size;
  if (same) return j < i;
  return range.offset <= other.offset && range.offset + range.size >= other.offset + other.size;
}

/**
 * Kernels that can add to what is there say by uniforms or variants whether they do.
 * @param {Values} params
 * @param {Values} variant
 */
function overwrites(params, variant) {
  const choices = Object.entries({ ...params, ...variant }).filter(([name]) => /^accumulate/i.test(name));
  return choices.length > 0 && choices.every(([, value]) => !value);
}

/**
 * Captures what `body` records, and counts the bytes that its dispatches move.
 * @param {Gpu} gpu
 * @param {() => void} body
 * @returns {{ work: CapturedWork, bytes: number }}
 */
export function captureTraffic(gpu, body) {
  const count = trafficCounter();
  let bytes = 0;
  const before = gpu.observer;
  gpu.observer = {
    dispatch(dispatch, params, variant) {
      bytes += count(dispatch, params, variant);
    },
  };
  try {
    const { work } = gpu.capture(body);
    return { work, bytes };
  } finally {
    gpu.observer = before;
  }
}
