/** Counts the work of a recorded step: its dispatches, their operations and bytes, and the memory that the step needs. */

import type { Gpu } from "../engine/gpu/gpu.js";
import type { Vec4 } from "../engine/gpu/kernel.js";
import type { Dispatch } from "../engine/gpu/recording.js";

/** The values of a dispatch's uniforms by name. */
export type Uniforms = Readonly<Record<string, number | Vec4>>;

/** Products of an entry point of attention's kernels that takes neither two nor three. */
const productsOf: Readonly<Record<string, number>> = { backward: 5, backward_key_value: 4 };

/**
 * Floating-point operations of a product or of attention, as its kernel executes them; 0 for other kernels, which are limited by
 * bytes, and for convolutions. A product of m×k and k×n takes 2·m·n·k. Attention takes such products over B·H·T·S·D: two forward,
 * and five for all gradients in one pass, or three for the queries' and four for those of keys and values, each of which computes
 * the scores again.
 */
export function operationsOf({ pipeline }: Dispatch, uniforms: Uniforms): number {
  const { name, entryPoint } = pipeline.kernel.spec;
  const of = (uniform: string): number => {
    const value = uniforms[uniform];
    if (typeof value !== "number") throw new Error(`${name} has no number ${uniform} among its uniforms`);
    return value;
  };
  if (name.startsWith("matmul")) return 2 * of("m") * of("n") * of("k") * (of("layers") / of("splits"));
  if (!name.startsWith("attention")) return 0;
  const headWidth = "vectors" in uniforms ? 4 * of("vectors") : of("width");
  const pairs = of("batches") * of("heads") * of("queries") * of("keys") * headWidth;
  const products = productsOf[entryPoint] ?? (entryPoint.includes("backward") ? 3 : 2);
  return 2 * products * pairs;
}

export interface StepWork {
  dispatches: number;
  /** Of products and attention; see `operationsOf`. */
  operations: number;
  /** Bytes of all buffer ranges that the dispatches bind: no more can be read and written, apart from repeated reads. */
  boundBytes: number;
  /** Most memory in use at one time, weights and optimiser included. */
  peakBytes: number;
}

/** Counts what `record` records, for example a training's `plan`: nothing of it needs to run. */
export function stepWork(gpu: Gpu, record: () => void): StepWork {
  const work: StepWork = { dispatches: 0, operations: 0, boundBytes: 0, peakBytes: 0 };
  const before = gpu.observer;
  // Recorded work counts its memory apart from the device's.
  let live = gpu.memory.liveBytes;
  work.peakBytes = live;
  gpu.observer = {
    memory(_, bytes) {
      live += bytes;
      work.peakBytes = Math.max(work.peakBytes, live);
    },
    dispatch(dispatch, uniforms) {
      work.dispatches++;
      work.operations += operationsOf(dispatch, uniforms);
      work.boundBytes += dispatch.bindings.reduce((sum, { size }) => sum + size, 0);
    },
  };
  try {
    record();
  } finally {
    gpu.observer = before;
  }
  return work;
}
