/** This engine's side of the comparison: each case recorded once, captured and replayed, as in training. */

import {
  adaLayerNorm,
  conv2d,
  crossAttention,
  crossEntropy,
  embedding,
  groupNorm,
  layerNorm,
  matmul,
  selfAttention,
  softmax,
} from "../../dist/engine/index.js";
import { klLoss, nearestCodes, Schedule, transitionTable } from "../../dist/index.js";
import { makeBlockStep } from "../block-step.js";
import { forward, input, withGradients } from "../problem.js";
import { pack, unpack } from "./arrays.js";
import { checkedSteps, movement, trackedWeight } from "./block.js";
import { lambda } from "./cases.js";

/**
 * @typedef {import("../types.js").Gpu} Gpu
 * @typedef {import("../types.js").Tensor} Tensor
 * @typedef {import("./cases.js").PeerCase} PeerCase
 * @typedef {import("./cases.js").Inputs} Inputs
 *
 * @typedef {object} Problem
 * @property {() => Tensor[]} call
 * @property {() => void} dispose
 * @property {(arrays: any[]) => any[]} [arrange] Puts what was read into the order of the comparison.
 */

/**
 * Forward, or forward and back from dy.
 * @param {PeerCase} entry
 * @param {Tensor[]} leaves
 * @param {Tensor[]} others
 * @param {() => Tensor} op
 * @param {() => Tensor} dy
 * @returns {Problem}
 */
const problem = ({ gradients }, leaves, others, op, dy) =>
  gradients
    ? withGradients(leaves, others, op, dy(), () => [])
    : forward(
        [...leaves, ...others],
        () => [op()],
        () => [],
      );

/** @type {Record<string, (gpu: Gpu, entry: PeerCase, data: any) => Problem>} */
const kinds = {
  matmul(gpu, entry, { a, b }) {
    const { m, k, n, ta, tb } = entry.size;
    const left = input(gpu, a, ta ? [k, m] : [m, k]);
    const right = input(gpu, b, tb ? [n, k] : [k, n]);
    const options = { transposeA: ta === 1, transposeB: tb === 1 };
    return forward(
      [left, right],
      () => [matmul(left, right, options)],
      () => [],
    );
  },
  selfAttention(gpu, entry, { q, k, v, dy }) {
    const { batch, heads, queries, width } = entry.size;
    const rows = batch * queries;
    const shape = [batch, queries, heads * width];
    const qkv = input(gpu, pack([q, k, v], rows), [batch, queries, 3 * heads * width]);
    const op = () => selfAttention(qkv, heads).output;
    return {
      ...problem(entry, [qkv], [], op, () => input(gpu, dy, shape)),
      arrange: ([output, gradient]) => [output, ...(gradient ? unpack(gradient, rows, 3) : [])],
    };
  },
  crossAttention(gpu, entry, { q, k, v, dy }) {
    const { batch, heads, queries, keys, width } = entry.size;
    const rows = batch * keys;
    const shape = [batch, queries, heads * width];
    const asked = input(gpu, q, shape);
    const kv = input(gpu, pack([k, v], rows), [batch, keys, 2 * heads * width]);
    const op = () => crossAttention(asked, kv, heads).output;
    return {
      ...problem(entry, [asked, kv], [], op, () => input(gpu, dy, shape)),
      arrange: ([output, dq, dkv]) => [output, ...(dq ? [dq, ...unpack(dkv, rows, 2)] : [])],
    };
  },
  crossEntropy(gpu, entry, { logits, targets }) {
    const { rows, width } = entry.size;
    const leaf = input(gpu, logits, [rows, width]);
    const classes = input(gpu, targets, [rows], "u32");
    const op = () => crossEntropy(leaf, classes).loss;
    return problem(entry, [leaf], [classes], op, () => input(gpu, [1], [1]));
  },
  divergence(gpu, entry, { logits, x0, xt, t }) {
    const { rows, width } = entry.size;
    const table = transitionTable(gpu, new Schedule({ tokens: width }));
    const leaf = input(gpu, logits, [rows, width]);
    const ids = [x0, xt, t].map((values) => input(gpu, values, [values.length], "u32"));
    const inputs = { logits: leaf, x0: ids[0], xt: ids[1], t: ids[2], coefficients: table.coefficients };
    const op = () => klLoss(inputs, { lambda }).loss;
    const main = problem(entry, [leaf], ids, op, () => input(gpu, [1], [1]));
    return {
      ...main,
      dispose() {
        main.dispose();
        table.dispose();
      },
    };
  },
  softmax(gpu, { size: { rows, width } }, { x }) {
    const leaf = input(gpu, x, [rows, width]);
    return forward(
      [leaf],
      () => [softmax(leaf)],
      () => [],
    );
  },
  layerNorm(gpu, { size: { rows, width } }, { x, weight, bias }) {
    const [a, w, b] = [input(gpu, x, [rows, width]), input(gpu, weight, [width]), input(gpu, bias, [width])];
    return forward(
      [a, w, b],
      () => [layerNorm(a, w, b)],
      () => [],
    );
  },
  adaLN(gpu, { size: { batch, length, width } }, { x, scaleShift }) {
    const [a, s] = [input(gpu, x, [batch, length, width]), input(gpu, scaleShift, [batch, 2 * width])];
    return forward(
      [a, s],
      () => [adaLayerNorm(a, s)],
      () => [],
    );
  },
  groupNorm(gpu, { size: { batch, side, channels, groups } }, { x, weight, bias }) {
    const inputs = [
      input(gpu, x, [batch, side, side, channels]),
      input(gpu, weight, [channels]),
      input(gpu, bias, [channels]),
    ];
    const [a, w, b] = inputs;
    return forward(
      inputs,
      () => [groupNorm(a, groups, w, b, { activation: "silu" })],
      () => [],
    );
  },
  gather(gpu, { size: { count, rows, width } }, { table, ids }) {
    const [all, places] = [input(gpu, table, [rows, width]), input(gpu, ids, [count], "u32")];
    return forward(
      [all, places],
      () => [embedding(all, places)],
      () => [],
    );
  },
  nearest(gpu, { size: { rows, codes: count, width } }, { z, codes }) {
    const [vectors, table] = [input(gpu, z, [rows, width]), input(gpu, codes, [count, width])];
    return forward(
      [vectors, table],
      () => [nearestCodes(vectors, table).ids],
      () => [],
    );
  },
  conv2d(gpu, entry, { x, weight, bias, dy }) {
    const { batch, side, inputs, outputs } = entry.size;
    const leaves = [
      input(gpu, x, [batch, side, side, inputs]),
      input(gpu, weight, [3, 3, inputs, outputs]),
      input(gpu, bias, [outputs]),
    ];
    const op = () => conv2d(leaves[0], leaves[1], { bias: leaves[2], padding: 1 });
    return problem(entry, leaves, [], op, () => input(gpu, dy, [batch, side, side, outputs]));
  },
};

/**
 * @param {Gpu} gpu
 * @returns {import("./engines.js").Engine}
 */
export function ourEngine(gpu) {
  return {
    name: "ours",
    prepare: async (entry, data) =>
      entry.kind === "block" ? blockRunner(gpu) : runner(gpu, kinds[entry.kind](gpu, entry, data)),
    async trim() {
      await gpu.idle();
      gpu.trim();
    },
  };
}

/**
 * @param {Gpu} gpu
 * @param {Problem} problem
 * @returns {import("./engines.js").Runner}
 */
function runner(gpu, problem) {
  const record = () => {
    gpu.scope(() => {
      problem.call();
    });
  };
  // The first call compiles, the second finds its buffers in the pool.
  record();
  record();
  const { work } = gpu.capture(record);
  return {
    async sample(calls) {
      for (let i = 0; i < calls; i++) work.run();
      await gpu.idle();
    },
    async results() {
      const outputs = gpu.scope(() => problem.call());
      const arrays = [];
      for (const output of outputs) {
        arrays.push(await output.read());
        output.dispose();
      }
      return problem.arrange ? problem.arrange(arrays) : arrays;
    },
    dispose() {
      work.dispose();
      problem.dispose();
    },
  };
}

/**
 * @param {Gpu} gpu
 * @returns {import("./engines.js").Runner}
 */
function blockRunner(gpu) {
  const step = makeBlockStep(gpu);
  return {
    async sample(calls) {
      for (let i = 0; i < calls; i++) step.next();
      await gpu.idle();
    },
    async results() {
      const weight = step.model.parameters().find(({ name }) => name === trackedWeight)?.tensor;
      if (!weight) throw new Error(`the block has no parameter ${trackedWeight}`);
      const before = await weight.read();
      const losses = [];
      for (let i = 0; i < checkedSteps; i++) {
        // The captured step was prepared as the first; `next` would make it the second.
        if (i === 0) step.run();
        else step.next();
        losses.push(await step.loss.item());
      }
      return [Float32Array.from(losses), movement(before, await weight.read())];
    },
    dispose: () => step.dispose(),
  };
}
