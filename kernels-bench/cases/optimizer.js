/** The optimiser over packed parameters. */

import { AdamW } from "../../dist/engine/index.js";
import { at } from "../numbers.js";
import { countName, input } from "../problem.js";

/** @import { Case, Family } from "../types.js" */

const [beta1, beta2] = [0.9, 0.96];
const epsilon = 1e-8;
const weightDecay = 0.01;
const clip = 1;
const learningRate = 1e-3;
const averageWeight = 0.01;

/**
 * One step from zero moments, with global-norm clipping and averaged weights.
 * @param {number} parameters A multiple of 64, as packed parameters are.
 * @returns {Case<{ count: number }>}
 */
function adamw(parameters) {
  return {
    family: "adamw",
    name: `AdamW + clip + EMA ${countName(parameters)}`,
    size: { count: parameters },
    checkSize: { count: Math.min(parameters, 64 * 1201) },
    flops: (s) => 20 * s.count,
    // Reads gradient, weight, both moments and the average; writes the last four.
    bytes: (s) => 4 * 9 * s.count,
    tolerance: 1e-5,
    build(gpu, { count }, random) {
      const weights = random.floats(count);
      const slope = random.floats(count, 0.1);
      const parameters = input(gpu, weights, [count]);
      const gradients = input(gpu, slope, [count]);
      const blockDecay = Float32Array.from({ length: count / 64 }, (_, block) => block % 2);
      const betas = /** @type {const} */ ([beta1, beta2]);
      const optimizer = new AdamW({
        gpu,
        packs: [{ values: parameters, gradients, blockDecay }],
        betas,
        epsilon,
        weightDecay,
        clip,
      });
      optimizer.setSchedule({ learningRate, step: 1, averageWeight });
      return {
        call() {
          optimizer.step();
          const { firstMoment, secondMoment, average } = at(optimizer.states, 0);
          return [parameters, firstMoment, secondMoment, average];
        },
        reference() {
          const norm = Math.sqrt(slope.reduce((sum, g) => sum + g * g, 0));
          const g = Float64Array.from(slope, (value) => value * Math.min(1, clip / norm));
          const first = g.map((value) => (1 - beta1) * value);
          const second = g.map((value) => (1 - beta2) * value * value);
          const moved = Float64Array.from(weights, (w, i) => {
            const direction = at(first, i) / (1 - beta1) / (Math.sqrt(at(second, i) / (1 - beta2)) + epsilon);
            return w - learningRate * (direction + weightDecay * at(blockDecay, Math.floor(i / 64)) * w);
          });
          return [
            moved,
            first,
            second,
            moved.map((w, i) => (1 - averageWeight) * at(weights, i) + averageWeight * w),
          ];
        },
        dispose() {
          optimizer.dispose();
          parameters.dispose();
          gradients.dispose();
        },
      };
    },
  };
}

/** @type {Family[]} */
export const families = [
  {
    name: "adamw",
    natural: "n × n parameters, rounded up to whole blocks of 64",
    at: (n) => [adamw(64 * Math.ceil(n ** 2 / 64))],
    small: [adamw(2 ** 14)],
    medium: [adamw(2 ** 20), adamw(2 ** 22)],
    large: [adamw(2 ** 24)],
  },
];
