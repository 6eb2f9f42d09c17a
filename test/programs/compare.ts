/** Runs a program on the engine and compares it with float64. */

import type { Gpu } from "../../dist/engine/gpu/gpu.js";
import * as P from "../../dist/index.js";
import { Tape } from "../reference/tape.js";
import { codeOf, evaluate, type Program } from "./program.js";
import { Random } from "./random.js";

export interface Failure {
  /** What went wrong: "threw", "value" or "memory". */
  readonly kind: string;
  readonly message: string;
}

/** Runs in float64 with every result moved at random as float32 may move it. */
const noisyRuns = 16;
/**
 * What is allowed, in units of the farthest of those runs. The errors of an adapter need not look like random ones: they may
 * all have one sign, where those of the runs partly cancel.
 */
const allowance = 8;
/** Below the smallest normal float32, which adapters may round to 0. */
const tiny = 2 ** -126;

export interface Expected {
  readonly values: Float64Array;
  readonly tolerance: Float64Array;
}

/** What each `check` has to see, and how far from it float32 may lie; null for what is not to exist. */
export function expectations(program: Program): Map<string, Expected | null> {
  const exact = evaluate(program, new Tape());
  const random = new Random(program.seed + 1);
  const runs = Array.from({ length: noisyRuns }, () =>
    evaluate(program, new Tape(() => 2 * random.uniform() - 1)),
  );
  const expected = new Map<string, Expected | null>();
  for (const [name, values] of exact) {
    if (!values) {
      expected.set(name, null);
      continue;
    }
    const tolerance = values.map((value, i) => {
      const farthest = runs.reduce((most, run) => Math.max(most, Math.abs(run.get(name)![i]! - value)), 0);
      return tiny + allowance * farthest;
    });
    expected.set(name, { values, tolerance });
  }
  return expected;
}

/** Runs the program once; null if all is as it should be. `worst` hears how much of the tolerance was used. */
export async function compare(
  gpu: Gpu,
  program: Program,
  worst?: (share: number) => void,
): Promise<Failure | null> {
  const expected = expectations(program);
  const before = gpu.memory.liveBytes;
  const reads: [name: string, values: Promise<ArrayLike<number>>][] = [];
  const check = (name: string, tensor: P.Tensor | null) => {
    if (!tensor) return;
    const dense = tensor.contiguous ? tensor : P.noGrad(() => P.contiguous(tensor));
    reads.push([name, dense.read()]);
  };
  const T = (data: number[], shape: number[]) => P.fromArray(gpu, data, shape);
  const found = new Map<string, ArrayLike<number>>();
  try {
    new Function("P", "gpu", "T", "check", codeOf(program))(P, gpu, T, check);
    const all = await Promise.all(reads.map(([, values]) => values));
    reads.forEach(([name], i) => {
      found.set(name, all[i]!);
    });
  } catch (error) {
    await Promise.allSettled(reads.map(([, values]) => values));
    return {
      kind: "threw",
      message: error instanceof Error ? `${error.name}: ${error.message}` : String(error),
    };
  }
  for (const [name, want] of expected) {
    const values = found.get(name);
    if (!want !== !values)
      return { kind: "value", message: `${name} ${want ? "is missing" : "exists, but nothing reaches it"}` };
    if (!want || !values) continue;
    if (values.length !== want.values.length)
      return { kind: "value", message: `${name} has ${values.length} elements for ${want.values.length}` };
    let most = 0;
    let at = -1;
    want.values.forEach((value, i) => {
      const share = Math.abs(values[i]! - value) / want.tolerance[i]!;
      if (!(share <= most)) {
        most = Number.isNaN(share) ? Number.POSITIVE_INFINITY : share;
        at = i;
      }
    });
    worst?.(most);
    if (most > 1) {
      const message = `${name}[${at}] is ${values[at]}, not ${want.values[at]} ± ${want.tolerance[at]!.toExponential(1)}`;
      return { kind: "value", message };
    }
  }
  const left = gpu.memory.liveBytes - before;
  if (left !== 0) return { kind: "memory", message: `${left} bytes are still in use after the program` };
  return null;
}
