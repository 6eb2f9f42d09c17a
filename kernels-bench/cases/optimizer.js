/** The optimiser over packed parameters. */

import { AdamW } from "../../dist/optim/adamw.js";
import { input } from "../problem.js";

/** @typedef {import("../types.js").Case} Case */

const [beta1, beta2] = [0.9, 0.96];
const epsilon = 1e-8;
const weightDecay = 0.01;
const clip = 1;
const learningRate = 1e-3;
const averageWeight = 0.01;

/**
 * One step from zero moments, with global-norm clipping and averaged weights.
 * @param {number} millions
 * @returns {Case}
 */
function adamw(millions) {
  return {
    family: "adamw",
    name: `AdamW + clip + EMA ${millions} M`,
    size: { count: millions * 2 ** 20 },
    checkSize: { count: 64 * 1201 },
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
        parameters,
        gradients,
        blockDecay,
        betas,
        epsilon,
        weightDecay,
        clip,
      });
      optimizer.setSchedule({ learningRate, step: 1, averageWeight });
      return {
        call() {
          optimizer.step();
          return [parameters, optimizer.firstMoment, optimizer.secondMoment, optimizer.average];
        },
        reference() {
          const norm = Math.sqrt(slope.reduce((sum, g) => sum + g * g, 0));
          const g = Float64Array.from(slope, (value) => value * Math.min(1, clip / norm));
          const first = g.map((value) => (1 - beta1) * value);
          const second = g.map((value) => (1 - beta2) * value * value);
          const moved = Float64Array.from(weights, (w, i) => {
            const direction = first[i] / (1 - beta1) / (Math.sqrt(second[i] / (1 - beta2)) + epsilon);
            return w - learningRate * (direction + weightDecay * blockDecay[Math.floor(i / 64)] * w);
          });
          return [
            moved,
            first,
            second,
            moved.map((w, i) => (1 - averageWeight) * weights[i] + averageWeight * w),
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

/** @type {Case[]} */
export const cases = [adamw(1), adamw(4)];
