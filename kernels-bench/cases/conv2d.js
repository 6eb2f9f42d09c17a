/** Convolutions of channels-last pictures. */

import { conv2d } from "../../dist/engine/index.js";
import { forward, input, withGradients } from "../problem.js";
import * as reference from "../reference.js";

/** @import { Case, Family } from "../types.js" */

/**
 * @typedef {Record<"batch" | "side" | "inputs" | "outputs" | "kernel" | "stride" | "padding", number>} Shape
 */

/** @param {Shape} s */
const outSide = (s) => Math.floor((s.side + 2 * s.padding - s.kernel) / s.stride) + 1;

/**
 * @param {Shape} size
 * @param {boolean} gradients
 * @returns {Case<Shape>}
 */
function convolution(size, gradients) {
  const { batch, side, inputs, outputs, kernel, stride } = size;
  const step = stride > 1 ? ` s${stride}` : "";
  return {
    family: "conv2d",
    name: `conv2d ${kernel}×${kernel}${step} ${batch}×${side}×${side}×${inputs}→${outputs}${gradients ? ", gradients" : ""}`,
    size,
    checkSize: { ...size, batch: Math.min(batch, 2), side: Math.min(side, 14) },
    // Forward, and as much again for each of the gradients of input and weight. Padding counts as work.
    flops: (s) => (gradients ? 6 : 2) * s.batch * outSide(s) ** 2 * s.kernel ** 2 * s.inputs * s.outputs,
    bytes(s) {
      const [x, y] = [s.batch * s.side ** 2 * s.inputs, s.batch * outSide(s) ** 2 * s.outputs];
      return 4 * (gradients ? 2 : 1) * (x + y + (s.kernel ** 2 * s.inputs + 1) * s.outputs);
    },
    tolerance: 2e-5,
    build(gpu, s, random) {
      const x = random.floats(s.batch * s.side ** 2 * s.inputs);
      const weight = random.floats(
        s.kernel ** 2 * s.inputs * s.outputs,
        1 / (s.kernel * Math.sqrt(s.inputs)),
      );
      const bias = random.floats(s.outputs);
      const dy = random.floats(s.batch * outSide(s) ** 2 * s.outputs);
      const pixels = input(gpu, x, [s.batch, s.side, s.side, s.inputs]);
      const filters = input(gpu, weight, [s.kernel, s.kernel, s.inputs, s.outputs]);
      const offsets = input(gpu, bias, [s.outputs]);
      const leaves = [pixels, filters, offsets];
      const op = () => conv2d(pixels, filters, { bias: offsets, stride: s.stride, padding: s.padding });
      const expected = () => {
        const all = reference.conv2d(x, weight, bias, s, gradients ? dy : undefined);
        return gradients ? [all.y, all.dx, all.dweight, all.dbias] : [all.y];
      };
      if (!gradients) return forward(leaves, () => [op()], expected);
      const given = input(gpu, dy, [s.batch, outSide(s), outSide(s), s.outputs]);
      return withGradients(leaves, [], op, given, expected);
    },
  };
}

/** @param {readonly Shape[]} shapes */
const both = (shapes) =>
  [false, true].flatMap((gradients) => shapes.map((shape) => convolution(shape, gradients)));

const plain = { kernel: 3, stride: 1, padding: 1 };
const halving = { kernel: 4, stride: 2, padding: 1 };

/** @type {Family[]} */
export const families = [
  {
    name: "conv2d",
    natural: "3×3 on a picture of n × n, 64 → 64 channels",
    at: (n) => both([{ batch: 1, side: n, inputs: 64, outputs: 64, ...plain }]),
    small: both([
      { batch: 2, side: 8, inputs: 16, outputs: 16, ...plain },
      { batch: 2, side: 16, inputs: 4, outputs: 16, ...halving },
    ]),
    medium: both([
      { batch: 16, side: 8, inputs: 128, outputs: 64, ...plain },
      { batch: 16, side: 16, inputs: 64, outputs: 64, ...plain },
      { batch: 16, side: 32, inputs: 32, outputs: 64, ...halving },
      { batch: 16, side: 64, inputs: 4, outputs: 32, ...halving },
    ]),
    presets: [
      convolution({ batch: 16, side: 8, inputs: 24, outputs: 48, ...plain }, true),
      convolution({ batch: 16, side: 8, inputs: 48, outputs: 24, ...plain }, true),
      convolution({ batch: 16, side: 32, inputs: 4, outputs: 24, ...halving }, true),
      convolution({ batch: 32, side: 8, inputs: 64, outputs: 128, ...plain }, true),
      convolution({ batch: 32, side: 8, inputs: 128, outputs: 64, ...plain }, true),
      convolution({ batch: 32, side: 32, inputs: 32, outputs: 64, ...halving }, true),
      convolution({ batch: 32, side: 64, inputs: 4, outputs: 32, ...halving }, true),
    ],
    large: both([
      { batch: 16, side: 64, inputs: 64, outputs: 64, ...plain },
      { batch: 16, side: 128, inputs: 32, outputs: 64, ...halving },
    ]),
  },
];
