/** What the engines share of the transformer block's training step (kernels-bench/block-step.js). */

import { openGpu } from "../../dist/cli.js";
import { makeBlockStep } from "../block-step.js";
import { at } from "../numbers.js";
import { randomSource } from "../random.js";

/** Steps whose losses are compared before timing. */
export const checkedSteps = 4;
/** The weight whose way in these steps is compared. */
export const trackedWeight = "block.qkv.weight";

/** As in block-step.js. */
export const optimizer = { learningRate: 1e-3, beta1: 0.9, beta2: 0.96, epsilon: 1e-8, decay: 0.01, clip: 1 };

/**
 * @typedef {object} BlockWeight
 * @property {string} name
 * @property {readonly number[]} shape
 * @property {Float32Array} values
 * @property {boolean} decay Whether weight decay applies.
 *
 * @typedef {object} BlockData
 * @property {BlockWeight[]} weights
 * @property {Float32Array} x
 * @property {Float32Array} condition
 * @property {Float32Array} target
 * @property {Int32Array} t
 */

/**
 * The initial weights and the batch of our step, for an engine that does the same. Dawn's null backend is enough to
 * ask our model for them.
 * @param {{ batch: number, length: number, conditionLength: number, dim: number }} size
 * @returns {Promise<BlockData>}
 */
export async function blockData({ batch, length, conditionLength, dim }) {
  const step = makeBlockStep(await openGpu("null", true));
  const weights = step.model.parameters().map(({ name, tensor, initialiser, decay }) => ({
    name,
    shape: tensor.shape,
    decay,
    values: Float32Array.from(initialiser(tensor.shape, 1, name)),
  }));
  step.dispose();
  const random = randomSource(1);
  return {
    weights,
    x: random.floats(batch * length * dim),
    condition: random.floats(batch * conditionLength * dim),
    target: random.floats(batch * length * dim),
    t: Int32Array.from(random.ids(batch, 100), (id) => id + 1),
  };
}

/**
 * @param {ArrayLike<number>} before
 * @param {ArrayLike<number>} after
 */
export const movement = (before, after) => Float32Array.from(before, (value, i) => at(after, i) - value);
