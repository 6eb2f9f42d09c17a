/**
 * What every test of kernels and models is written with: the same tests run in Node and in a browser, so they use
 * this instead of a test library. Comparisons are against float64 references.
 */

import { declare, sharedGpu } from "#test-host";
import type { Gpu } from "../dist/engine/gpu/gpu.js";
import type { Float } from "../dist/engine/gpu/kernel.js";
import { backwardFrom } from "../dist/engine/tensor/autograd.js";
import { noGrad } from "../dist/engine/tensor/tape.js";
import { fromArray, type Tensor } from "../dist/engine/tensor/tensor.js";
import { randomArray } from "./random-array.js";

export { randomArray };

export interface Tolerance {
  /** Absolute error allowed; default 0. */
  abs?: number;
  /** Error allowed relative to the expected value; default 0. */
  rel?: number;
}

/** What a host of tests takes: tap's tests in Node, a page's own record in a browser (`#test-host`). */
export interface Assertions {
  ok(condition: unknown, message: string): void;
  /** The same value, by `Object.is`. */
  equal<T>(actual: T, expected: T, message: string): void;
  /** The same data all the way down. */
  same(actual: unknown, expected: unknown, message: string): void;
  comment(text: string): void;
}

export interface Check extends Assertions {
  /** Every element within `abs + rel·|expected|`; says which is worst. Non-finite values never pass. */
  near(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: Tolerance, message: string): void;
  throwsMessage(action: (() => unknown) | Promise<unknown>, pattern: RegExp, message: string): Promise<void>;
}

function checks(t: Assertions): Check {
  return {
    ok: (condition, message) => t.ok(condition, message),
    equal: (actual, expected, message) => t.equal(actual, expected, message),
    same: (actual, expected, message) => t.same(actual, expected, message),
    comment: (text) => t.comment(text),
    near(actual, expected, tolerance, message) {
      const { abs = 0, rel = 0 } = tolerance;
      if (actual.length !== expected.length) {
        t.ok(false, `${message}: ${actual.length} values, expected ${expected.length}`);
        return;
      }
      let worst = 0;
      let at = -1;
      for (let i = 0; i < expected.length; i++) {
        const error = Math.abs(actual[i]! - expected[i]!);
        const excess = error / (abs + rel * Math.abs(expected[i]!) + Number.MIN_VALUE);
        if (!(excess <= worst)) {
          worst = Number.isNaN(excess) ? Number.POSITIVE_INFINITY : excess;
          at = i;
        }
      }
      const detail =
        at >= 0
          ? ` (worst at ${at}: ${actual[at]} for ${expected[at]}, ${worst.toPrecision(3)} of the tolerance)`
          : "";
      t.ok(worst <= 1, message + (worst <= 1 ? "" : detail));
    },
    async throwsMessage(action, pattern, message) {
      try {
        await (typeof action === "function" ? action() : action);
      } catch (error) {
        const text = error instanceof Error ? error.message : String(error);
        const right = pattern.test(text);
        t.ok(right, right ? message : `${message}: "${text}" does not match ${pattern}`);
        return;
      }
      t.ok(false, `${message}: nothing was thrown`);
    },
  };
}

/** Assertions that call `onUse` first. */
function watched(t: Assertions, onUse: () => void): Assertions {
  const watch =
    <A extends unknown[]>(assert: (...rest: A) => void) =>
    (...rest: A) => {
      onUse();
      assert(...rest);
    };
  return {
    ok: watch((condition, message) => t.ok(condition, message)),
    equal: (actual, expected, message) => {
      onUse();
      t.equal(actual, expected, message);
    },
    same: watch((actual, expected, message) => t.same(actual, expected, message)),
    comment: watch((text) => t.comment(text)),
  };
}

/** One test with the shared device. Checks that the test gives back all memory that it took in a scope. */
export function test(name: string, body: (t: Check, gpu: Gpu) => Promise<void> | void): void {
  declare(name, async (t) => {
    const gpu = await sharedGpu();
    // A test that can assert nothing here says so by a comment.
    let says = false;
    const noted = watched(t, () => {
      says = true;
    });
    await body(checks(noted), gpu);
    await gpu.idle();
    if (!says) t.ok(false, "the test asserts nothing, and does not say why");
  });
}

/** A test of float16, on devices that have it. */
export function float16Test(name: string, body: (t: Check, gpu: Gpu) => Promise<void> | void): void {
  test(name, async (t, gpu) => {
    if (gpu.has("shader-f16")) await body(t, gpu);
    else t.comment("this device lacks the feature shader-f16");
  });
}

export interface OpCheck {
  inputs: { shape: number[]; data: Float64Array }[];
  gpu: (...tensors: Tensor[]) => Tensor<Float>;
  /** The same op in float64, from flat inputs to the flat output. */
  reference: (...arrays: Float64Array[]) => Float64Array;
  tolerance: { forward: Tolerance; gradient: Tolerance };
  /** Which inputs to differentiate; all by default. */
  gradientOf?: boolean[];
}

/**
 * Compares an op with its float64 reference, and its gradient of sum(output ∘ r), r random, with central finite
 * differences of the reference for every element of every input.
 */
export async function checkOp(t: Check, gpu: Gpu, name: string, check: OpCheck): Promise<void> {
  const { inputs, tolerance } = check;
  const wanted = check.gradientOf ?? inputs.map(() => true);
  const arrays = inputs.map((input) => input.data);
  const expected = check.reference(...arrays);
  const leaves = inputs.map((input, i) => {
    const leaf = fromArray(gpu, input.data, input.shape, "f32", `input ${i}`);
    return wanted[i] ? leaf.requireGrad() : leaf;
  });
  const weights = randomArray(99, expected.length);
  const dy = noGrad(() => fromArray(gpu, weights, [expected.length]));
  const output = gpu.scope(() => {
    const result = check.gpu(...leaves);
    if (wanted.some(Boolean)) backwardFrom(result, dy.reshape(result.shape));
    return result.detach().keep();
  });
  t.near(await output.read(), expected, tolerance.forward, `${name}: forward`);
  output.dispose();
  dy.dispose();
  for (let i = 0; i < inputs.length; i++) {
    if (!wanted[i]) continue;
    const gradient = leaves[i]!.grad;
    t.ok(gradient, `${name}: input ${i} has a gradient`);
    if (!gradient) continue;
    const differences = new Float64Array(arrays[i]!.length);
    for (let j = 0; j < differences.length; j++) {
      const step = 1e-5 * Math.max(1, Math.abs(arrays[i]![j]!));
      const at = (value: number) => {
        const moved = arrays.map((array, k) => (k === i ? array.slice() : array));
        moved[i]![j] = value;
        return check.reference(...moved).reduce((sum, y, k) => sum + y * weights[k]!, 0);
      };
      differences[j] = (at(arrays[i]![j]! + step) - at(arrays[i]![j]! - step)) / (2 * step);
    }
    t.near(await gradient.read(), differences, tolerance.gradient, `${name}: gradient of input ${i}`);
    gradient.dispose();
  }
  for (const leaf of leaves) leaf.dispose();
}
