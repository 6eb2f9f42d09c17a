/** Comparison of the gradients of a function with finite differences. */

import type { Gpu } from "../gpu/gpu.js";
import type { DType, Float } from "../gpu/kernel.js";
import { backwardFrom } from "../tensor/autograd.js";
import { ArgumentError } from "../tensor/errors.js";
import { noGrad } from "../tensor/tape.js";
import { fromArray, Tensor } from "../tensor/tensor.js";

/** Options of `checkGradients`. */
export interface GradientCheckOptions {
  /** Step of the differences, relative to max(1, |x|); default 1/64. */
  step?: number;
  /** Absolute tolerance; default 10⁻³ of the largest gradient of the input, at least 10⁻³. */
  abs?: number;
  /** Tolerance relative to the finite difference; default 1 %. */
  rel?: number;
  /** The maximum number of elements checked per input, evenly spread; default 64. Each costs four runs of the function. */
  most?: number;
}

/** One element of an input. */
export interface CheckedElement {
  index: readonly number[];
  /** The gradient from the backward pass. */
  gradient: number;
  /** The derivative from finite differences. */
  difference: number;
}

/** The result of `checkGradients` for one input. */
export interface CheckedInput {
  label: string;
  shape: readonly number[];
  /** The number of elements checked. */
  checked: number;
  /** Elements whose gradient is too far from the difference, the worst first. */
  wrong: readonly CheckedElement[];
  /** The element with the largest error, relative to the tolerance. */
  worst: CheckedElement;
}

/** The result of `checkGradients`; prints itself as a table of inputs. */
export class GradientReport {
  readonly inputs: readonly CheckedInput[];

  constructor(inputs: readonly CheckedInput[]) {
    this.inputs = inputs;
  }

  /** Whether no checked element is wrong. */
  get passed(): boolean {
    return this.inputs.every(({ wrong }) => wrong.length === 0);
  }

  /** Formats one or more lines per input, with the element of largest error or those that are wrong. */
  toString(): string {
    const element = ({ index, gradient, difference }: CheckedElement) =>
      `[${index.join(", ")}] gradient ${gradient.toPrecision(5)}, difference ${difference.toPrecision(5)}`;
    const lines = this.inputs.map(({ label, shape, checked, wrong, worst }) => {
      const verdict = wrong.length === 0 ? "right" : `${wrong.length} of ${checked} elements wrong`;
      const shown = wrong.length === 0 ? [`furthest off: ${element(worst)}`] : wrong.slice(0, 5).map(element);
      return [`${label} [${shape.join(", ")}]: ${verdict}`, ...shown.map((line) => `  ${line}`)].join("\n");
    });
    return lines.join("\n");
  }
}

/** Reproducible weights in [-1, 1] for the elements of the result. */
function weightsFor(length: number): Float32Array {
  return Float32Array.from(
    { length },
    (_, i) => Math.sin(12.9898 * (i + 1)) * (1 - 0.5 * Math.cos(78.233 * i)),
  );
}

/** Converts a flat position to an index in a shape. */
function indexOf(place: number, shape: readonly number[]): number[] {
  let rest = place;
  return shape
    .toReversed()
    .map((length) => {
      const at = rest % length;
      rest = Math.floor(rest / length);
      return at;
    })
    .reverse();
}

/**
 * Compares the gradients of Σ w · fn(inputs), w fixed numbers, from a backward pass with central differences of two step
 * lengths, combined to cancel their third-order error. Copies the inputs; float32 inputs are differentiated, others passed on.
 * `fn` must give the same result each time (no dropout), and be smooth around the inputs: at a kink such as relu's at 0,
 * differences are not derivatives. Float32 results limit the comparison to about three digits: it checks formulas, not
 * rounding. Throws an `ArgumentError` if `fn` returns no tensor or is not repeatable.
 */
export async function checkGradients<const T extends readonly Tensor<DType>[]>(
  fn: (...inputs: T) => Tensor<Float>,
  inputs: T,
  options: GradientCheckOptions = {},
): Promise<GradientReport> {
  const first = inputs[0];
  if (!first) throw new ArgumentError("checkGradients", "no inputs were given");
  const { gpu } = first;
  const { step = 1 / 64, rel = 0.01, most = 64 } = options;
  const values = await Promise.all(inputs.map((input) => input.read()));
  const leaves = inputs.map((input, i) => {
    const copy = fromArray(gpu, values[i]!, input.shape, input.dtype, input.label).keep();
    return input.dtype === "f32" ? copy.requireGrad() : copy;
  });
  const call = () => {
    const result = fn(...(leaves as unknown as T));
    if (!(result instanceof Tensor)) throw new ArgumentError("checkGradients", "fn did not return a tensor");
    return result;
  };
  try {
    const results = await evaluate(gpu, call);
    const weights = weightsFor(results.length);
    gpu.scope(() => {
      const result = call();
      if (result.requiresGrad) backwardFrom(result, fromArray(gpu, weights, result.shape));
    });
    const again = await evaluate(gpu, call);
    if (again.some((value, i) => !Object.is(value, results[i]))) {
      throw new ArgumentError(
        "checkGradients",
        "fn gives other results for the same inputs; fix its random numbers",
      );
    }
    const checked: CheckedInput[] = [];
    for (const [i, leaf] of leaves.entries()) {
      if (leaf.dtype !== "f32") continue;
      const own = Float64Array.from(values[i]!);
      const gradient = leaf.grad ? await leaf.grad.read() : new Float32Array(own.length);
      const largest = gradient.reduce((top, value) => Math.max(top, Math.abs(value)), 0);
      const abs = options.abs ?? 1e-3 * Math.max(1, largest);
      const stride = Math.max(1, Math.ceil(own.length / most));
      const elements: (CheckedElement & { excess: number })[] = [];
      for (let place = 0; place < own.length; place += stride) {
        const difference = await differenceAt(leaf, own, place, step, () => weighted(gpu, call, weights));
        const excess = Math.abs(gradient[place]! - difference) / (abs + rel * Math.abs(difference));
        elements.push({
          index: indexOf(place, leaf.shape),
          gradient: gradient[place]!,
          difference,
          excess: Number.isNaN(excess) ? Number.POSITIVE_INFINITY : excess,
        });
      }
      elements.sort((a, b) => b.excess - a.excess);
      const plain = elements.map(({ excess: _, ...element }) => element);
      checked.push({
        label: leaf.label,
        shape: leaf.shape,
        checked: elements.length,
        wrong: plain.filter((_, k) => elements[k]!.excess > 1),
        worst: plain[0]!,
      });
    }
    return new GradientReport(checked);
  } finally {
    for (const leaf of leaves) {
      leaf.grad?.dispose();
      leaf.dispose();
    }
  }
}

/** The elements of a result, computed off the tape. */
async function evaluate(gpu: Gpu, call: () => Tensor<Float>): Promise<Float32Array> {
  const result = noGrad(() => gpu.scope(() => call().detach().keep()));
  return result.read().finally(() => result.dispose());
}

async function weighted(gpu: Gpu, call: () => Tensor<Float>, weights: Float32Array): Promise<number> {
  const results = await evaluate(gpu, call);
  return results.reduce((sum, value, i) => sum + value * weights[i]!, 0);
}

/** d/dx of a function of one element, from differences over ±h and ±2h (Richardson). */
async function differenceAt(
  leaf: Tensor<DType>,
  own: Float64Array,
  place: number,
  step: number,
  of: () => Promise<number>,
): Promise<number> {
  const x = own[place]!;
  const h = step * Math.max(1, Math.abs(x));
  const slope = async (reach: number) => {
    // Round to float32: the width is the difference of the rounded numbers.
    const [above, below] = [Math.fround(x + reach), Math.fround(x - reach)];
    const at = async (value: number) => {
      leaf.write(own.with(place, value));
      return of();
    };
    return ((await at(above)) - (await at(below))) / (above - below);
  };
  const [near, far] = [await slope(h), await slope(2 * h)];
  leaf.write(own);
  return (4 * near - far) / 3;
}
