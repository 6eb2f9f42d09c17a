/** What the builders of cases share: inputs that are freed together, calls with and without gradients. */

import { float16ToFloat32, float32ToFloat16 } from "../dist/debug.js";
import { backwardFrom, fromArray, zeroGrad } from "../dist/engine/index.js";

/**
 * @import { Float, Tensor } from "../dist/engine/index.js"
 * @import { AnyTensor, DType, Gpu, Problem } from "./types.js"
 */

/** @param {readonly number[]} shape */
export const product = (shape) => shape.reduce((all, length) => all * length, 1);

/**
 * How names of cases say a number of elements: `4 M` for 2²², else in figures.
 * @param {number} count
 */
export const countName = (count) => (count % 2 ** 20 === 0 ? `${count / 2 ** 20} M` : String(count));

/**
 * A tensor that lives until the problem is disposed of.
 * @template {DType} [D="f32"]
 * @param {Gpu} gpu
 * @param {ArrayLike<number>} data
 * @param {readonly number[]} shape
 * @param {D} [dtype]
 * @returns {Tensor<D>}
 */
export const input = (gpu, data, shape, dtype = /** @type {D} */ ("f32")) =>
  fromArray(gpu, data, shape, dtype, "input").keep();

/**
 * What float16 holds of numbers.
 * @param {Float32Array} values
 */
export const roundedToHalf = (values) => float16ToFloat32(float32ToFloat16(values));

/**
 * A problem that only goes forward.
 * @param {readonly AnyTensor[]} inputs
 * @param {() => AnyTensor[]} call
 * @param {() => ArrayLike<number>[]} reference
 * @returns {Problem}
 */
export function forward(inputs, call, reference) {
  return { call, reference, dispose: () => inputs.forEach((tensor) => void tensor.dispose()) };
}

/**
 * A problem that goes forward and back: results are the output, then the gradient of each leaf. The gradients are
 * overwritten from call to call, as in training after `zeroGrad`.
 * @param {readonly Tensor<Float>[]} leaves Inputs whose gradients are taken.
 * @param {readonly AnyTensor[]} others
 * @param {() => Tensor<Float>} op
 * @param {Tensor} dy Gradient with respect to the op's output.
 * @param {() => ArrayLike<number>[]} reference
 * @returns {Problem}
 */
export function withGradients(leaves, others, op, dy, reference) {
  for (const leaf of leaves) leaf.requireGrad();
  return {
    call() {
      for (const leaf of leaves) zeroGrad(leaf);
      const output = op();
      const result = output.detach();
      backwardFrom(output, dy);
      return [result, ...leaves.map((leaf) => /** @type {Tensor} */ (leaf.grad))];
    },
    reference,
    dispose() {
      for (const leaf of leaves) leaf.grad?.dispose();
      for (const tensor of [...leaves, ...others, dy]) tensor.dispose();
    },
  };
}
