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
 * @import { Tensor } from "../../dist/engine/index.js"
 * @import { AnyTensor, Gpu } from "../types.js"
 * @import { Engine, Makers, PeerCase, Runner } from "./types.js"
 *
 * @typedef {Awaited<ReturnType<AnyTensor["read"]>>} Read
 *
 * @typedef {object} Problem
 * @property {() => AnyTensor[]} call
 * @property {() => void} dispose
 * @property {(arrays: Read[]) => ArrayLike<number>[]} [arrange] Puts what was read into the order of the comparison.
 */

/**
 * Forward, or forward and back from dy.
 * @param {PeerCase} entry
 * @param {Tensor[]} leaves
 * @param {AnyTensor[]} others
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

/** @type {Makers<Problem, [gpu: Gpu]>} */
const kinds = {
  matmul(entry, { a, b }, gpu) {
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
  selfAttention(entry, { q, k, v, dy }, gpu) {
    const { batch, heads, queries, width } = entry.size;
    const rows = batch * queries;
    const shape = [batch, queries, heads * width];
    const qkv = input(gpu, pack([q, k, v], rows), [batch, queries, 3 * heads * width]);
    const op = () => selfAttention(qkv, heads).output;
    return {
      ...problem(entry, [qkv], [], op, () => input(gpu, dy, shape)),
      arrange: ([output, gradient]) => [
        floats(output),
        ...(gradient ? unpack(floats(gradient), rows, 3) : []),
      ],
    };
  },
  crossAttention(entry, { q, k, v, dy }, gpu) {
    const { batch, heads, queries, keys, width } = entry.size;
    const rows = batch * keys;
    const shape = [batch, queries, heads * width];
    const asked = input(gpu, q, shape);
    const kv = input(gpu, pack([k, v], rows), [batch, keys, 2 * heads * width]);
    const op = () => crossAttention(asked, kv, heads).output;
    return {
      ...problem(entry, [asked, kv], [], op, () => input(gpu, dy, shape)),
      arrange: ([output, dq, dkv]) => [floats(output), ...(dq ? [dq, ...unpack(floats(dkv), rows, 2)] : [])],
    };
  },
  crossEntropy(entry, { logits, targets }, gpu) {
    const { rows, width } = entry.size;
    const leaf = input(gpu, logits, [rows, width]);
    const classes = input(gpu, targets, [rows], "u32");
    const op = () => crossEntropy(leaf, classes).loss;
    return problem(entry, [leaf], [classes], op, () => input(gpu, [1], [1]));
  },
  divergence(entry, { logits, x0, xt, t }, gpu) {
    const { rows, width } = entry.size;
    const table = transitionTable(gpu, new Schedule({ tokens: width }));
    const leaf = input(gpu, logits, [rows, width]);
    const start = input(gpu, x0, [x0.length], "u32");
    const noisy = input(gpu, xt, [xt.length], "u32");
    const steps = input(gpu, t, [t.length], "u32");
    const inputs = { logits: leaf, x0: start, xt: noisy, t: steps, coefficients: table.coefficients };
    const op = () => klLoss(inputs, { lambda }).loss;
    const main = problem(entry, [leaf], [start, noisy, steps], op, () => input(gpu, [1], [1]));
    return {
      ...main,
      dispose() {
        main.dispose();
        table.dispose();
      },
    };
  },
  softmax({ size: { rows, width } }, { x }, gpu) {
    const leaf = input(gpu, x, [rows, width]);
    return forward(
      [leaf],
      () => [softmax(leaf)],
      () => [],
    );
  },
  layerNorm({ size: { rows, width } }, { x, weight, bias }, gpu) {
    const [a, w, b] = [input(gpu, x, [rows, width]), input(gpu, weight, [width]), input(gpu, bias, [width])];
    return forward(
      [a, w, b],
      () => [layerNorm(a, w, b)],
      () => [],
    );
  },
  adaLN({ size: { batch, length, width } }, { x, scaleShift }, gpu) {
    const [a, s] = [input(gpu, x, [batch, length, width]), input(gpu, scaleShift, [batch, 2 * width])];
    return forward(
      [a, s],
      () => [adaLayerNorm(a, s)],
      () => [],
    );
  },
  groupNorm({ size: { batch, side, channels, groups } }, { x, weight, bias }, gpu) {
    const a = input(gpu, x, [batch, side, side, channels]);
    const w = input(gpu, weight, [channels]);
    const b = input(gpu, bias, [channels]);
    return forward(
      [a, w, b],
      () => [groupNorm(a, groups, w, b, { activation: "silu" })],
      () => [],
    );
  },
  gather({ size: { count, rows, width } }, { table, ids }, gpu) {
    const [all, places] = [input(gpu, table, [rows, width]), input(gpu, ids, [count], "u32")];
    return forward(
      [all, places],
      () => [embedding(all, places)],
      () => [],
    );
  },
  nearest({ size: { rows, codes: count, width } }, { z, codes }, gpu) {
    const [vectors, table] = [input(gpu, z, [rows, width]), input(gpu, codes, [count, width])];
    return forward(
      [vectors, table],
      () => [nearestCodes(vectors, table).ids],
      () => [],
    );
  },
  conv2d(entry, { x, weight, bias, dy }, gpu) {
    const { batch, side, inputs, outputs } = entry.size;
    const picture = input(gpu, x, [batch, side, side, inputs]);
    const filters = input(gpu, weight, [3, 3, inputs, outputs]);
    const offsets = input(gpu, bias, [outputs]);
    const op = () => conv2d(picture, filters, { bias: offsets, padding: 1 });
    return problem(entry, [picture, filters, offsets], [], op, () =>
      input(gpu, dy, [batch, side, side, outputs]),
    );
  },
  block: (_entry, _data, gpu) => blockRunner(gpu),
};

/** What a float32 tensor read, there or it is a mistake. @param {Read | undefined} array */
function floats(array) {
  if (!(array instanceof Float32Array)) throw new TypeError("not the array of a float32 tensor");
  return array;
}

/**
 * @param {Gpu} gpu
 * @returns {Engine}
 */
export function ourEngine(gpu) {
  return {
    name: "ours",
    async prepare(entry, data) {
      const made = await kinds[entry.kind](entry, data, gpu);
      return "sample" in made ? made : runner(gpu, made);
    },
    async trim() {
      await gpu.idle();
      gpu.trim();
    },
  };
}

/**
 * @param {Gpu} gpu
 * @param {Problem} problem
 * @returns {Runner}
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
 * @returns {Runner}
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
