/** Losses over the vocabulary, the posterior, the random steps of training and sampling, random numbers. */

import {
  below,
  gumbel,
  happens,
  headCrossEntropy,
  philox,
  posteriorLogProbs,
  replay,
  seedWords,
  stepThresholds,
} from "../../dist/debug.js";
import { crossEntropy, Rng } from "../../dist/engine/index.js";
import {
  headKlLoss,
  klLoss,
  pSample,
  qSample,
  reverseProbabilities,
  Schedule,
  transitionTable,
} from "../../dist/index.js";
import { add, at } from "../numbers.js";
import { countName, forward, input, withGradients } from "../problem.js";
import * as reference from "../reference.js";

/** @import { Case, Family, Problem } from "../types.js" */

/** @typedef {Record<"rows" | "width", number>} Rows */

const seed = 12345;
const positions = 16;

/** @param {boolean} gradients */
const suffix = (gradients) => (gradients ? ", gradients" : "");

/**
 * A problem with other things to free than tensors.
 * @param {Problem} problem
 * @param {readonly { dispose(): void }[]} others
 * @returns {Problem}
 */
function alsoFreeing(problem, others) {
  return {
    ...problem,
    dispose() {
      problem.dispose();
      for (const other of others) other.dispose();
    },
  };
}

/**
 * @param {number} rows
 * @param {number} width
 * @param {boolean} gradients
 * @returns {Case<Rows>}
 */
function entropy(rows, width, gradients) {
  return {
    family: "cross-entropy",
    name: `cross-entropy ${rows}×${width}${suffix(gradients)}`,
    size: { rows, width },
    checkSize: { rows: Math.min(rows, 67), width },
    flops: (s) => (gradients ? 7 : 4) * s.rows * s.width,
    bytes: (s) => 4 * ((gradients ? 2 : 1) * s.rows * s.width + s.rows),
    tolerance: 1e-5,
    build(gpu, s, random) {
      const logits = random.floats(s.rows * s.width, 2);
      const targets = random.ids(s.rows, s.width);
      const leaf = input(gpu, logits, [s.rows, s.width]);
      const classes = input(gpu, targets, [s.rows], "u32");
      const op = () => crossEntropy(leaf, classes).loss;
      const expected = () => lossAndGradient(referenceEntropy(logits, targets, s.width, gradients));
      if (!gradients) return forward([leaf, classes], () => [op()], expected);
      return withGradients([leaf], [classes], op, input(gpu, [1], [1]), expected);
    },
  };
}

/** Results of a loss: itself and, if it was wanted, its gradient. @param {{ loss: number, dlogits: Float64Array | null }} of */
const lossAndGradient = ({ loss, dlogits }) => (dlogits ? [[loss], dlogits] : [[loss]]);

/**
 * @param {ArrayLike<number>} logits
 * @param {Uint32Array} targets
 * @param {number} width
 * @param {boolean} gradients
 */
function referenceEntropy(logits, targets, width, gradients) {
  const rows = targets.length;
  const p = reference.softmax(logits, width);
  const loss = targets.reduce((sum, target, row) => sum - Math.log(at(p, row * width + target)) / rows, 0);
  if (!gradients) return { loss, dlogits: null };
  targets.forEach((target, row) => {
    add(p, row * width + target, -1);
  });
  return { loss, dlogits: p.map((value) => value / rows) };
}

/**
 * Tokens, noised tokens (every other one masked) and a step for every `positions` rows.
 * @param {number} rows
 * @param {number} width
 * @param {import("../random.js").Random} random
 */
function noised(rows, width, random) {
  const x0 = random.ids(rows, width);
  const other = random.ids(rows, width);
  const xt = x0.map((token, row) => at([width, token, at(other, row)], row % 3));
  const t = random.ids(rows / positions, 100).map((step) => step + 1);
  return { x0, xt, t };
}

const lambda = 0.01;

/**
 * @param {number} rows
 * @param {number} width
 * @param {boolean} gradients
 * @returns {Case<Rows>}
 */
function divergence(rows, width, gradients) {
  return {
    family: "kl",
    name: `KL loss ${rows}×${width}${suffix(gradients)}`,
    size: { rows, width },
    checkSize: { rows: Math.min(rows, 4 * positions), width: Math.min(width, 61) },
    flops: (s) => (gradients ? 16 : 8) * s.rows * s.width,
    bytes: (s) => 4 * ((gradients ? 2 : 1) * s.rows * s.width + 2 * s.rows),
    tolerance: 3e-5,
    build(gpu, s, random) {
      const schedule = new Schedule({ tokens: s.width });
      const table = transitionTable(gpu, schedule);
      const logits = random.floats(s.rows * s.width, 2);
      const { x0, xt, t } = noised(s.rows, s.width, random);
      const leaf = input(gpu, logits, [s.rows, s.width]);
      const start = input(gpu, x0, [s.rows], "u32");
      const noisy = input(gpu, xt, [s.rows], "u32");
      const steps = input(gpu, t, [t.length], "u32");
      const inputs = {
        logits: leaf,
        x0: start,
        xt: noisy,
        t: steps,
        coefficients: table.coefficients,
      };
      const op = () => klLoss(inputs, { lambda }).loss;
      const expected = () => lossAndGradient(referenceDivergence(schedule, logits, { x0, xt, t }, gradients));
      const others = [start, noisy, steps];
      const problem = gradients
        ? withGradients([leaf], others, op, input(gpu, [1], [1]), expected)
        : forward([leaf, ...others], () => [op()], expected);
      return alsoFreeing(problem, [table]);
    },
  };
}

/**
 * The last layer and its loss in one op: hidden [rows, dim] · weight [dim, width] + bias, in chunks of rows.
 * @param {"KL" | "cross-entropy"} kind
 * @param {{ rows: number, dim: number, width: number }} size
 * @param {number} chunks In how many chunks; 1: the logits exist at once.
 * @param {boolean} gradients
 * @returns {Case<typeof size>}
 */
function head(kind, size, chunks, gradients) {
  const chunked = chunks > 1 ? ` in ${chunks} chunks` : "";
  return {
    family: "head-loss",
    name: `head + ${kind} ${size.rows}×${size.dim}×${size.width}${chunked}${suffix(gradients)}`,
    size,
    checkSize: { ...size, rows: 4 * positions, width: Math.min(size.width, 61) },
    flops: (s) => (gradients ? 6 : 2) * s.rows * s.dim * s.width,
    bytes: (s) => 4 * (gradients ? 2 : 1) * (s.rows * s.dim + (s.dim + 1) * s.width),
    tolerance: 5e-5,
    build(gpu, s, random) {
      const schedule = new Schedule({ tokens: s.width });
      const table = transitionTable(gpu, schedule);
      const h = random.floats(s.rows * s.dim, 1);
      const w = random.floats(s.dim * s.width, 2 / Math.sqrt(s.dim));
      const b = random.floats(s.width, 1);
      const hidden = input(gpu, h, [s.rows, s.dim]);
      const weight = input(gpu, w, [s.dim, s.width]);
      const bias = input(gpu, b, [s.width]);
      const leaves = [hidden, weight, bias];
      const { x0, xt, t } = noised(s.rows, s.width, random);
      const start = input(gpu, x0, [x0.length], "u32");
      const noisy = input(gpu, xt, [xt.length], "u32");
      const steps = input(gpu, t, [t.length], "u32");
      const tokens = [start, noisy, steps];
      const targets = { x0: start, xt: noisy, t: steps, coefficients: table.coefficients };
      const chunkBytes = (4 * s.rows * s.width) / chunks;
      const layer = { hidden, weight, bias };
      const op = () =>
        kind === "KL"
          ? headKlLoss(layer, targets, { lambda, chunkBytes }).loss
          : headCrossEntropy(layer, targets.x0, { chunkBytes }).loss;
      const expected = () => {
        const [m, k, n] = [s.rows, s.dim, s.width];
        const logits = reference.matmul(h, w, { m, k, n }).map((value, i) => value + at(b, i % n));
        const { loss, dlogits } =
          kind === "KL"
            ? referenceDivergence(schedule, logits, { x0, xt, t }, gradients)
            : referenceEntropy(logits, x0, s.width, gradients);
        if (!dlogits) return [[loss]];
        return [
          [loss],
          reference.matmul(dlogits, w, { m, k: n, n: k, tb: true }),
          reference.matmul(h, dlogits, { m: k, k: m, n, ta: true }),
          reference.columnSums(dlogits, n),
        ];
      };
      const problem = gradients
        ? withGradients(leaves, tokens, op, input(gpu, [1], [1]), expected)
        : forward([...leaves, ...tokens], () => [op()], expected);
      return alsoFreeing(problem, [table]);
    },
  };
}

/**
 * The mean of KL + λ · auxiliary from explicit posteriors, and its gradient through the posterior's linear map.
 * @param {Schedule} schedule
 * @param {ArrayLike<number>} logits
 * @param {Record<"x0" | "xt" | "t", Uint32Array>} ids
 * @param {boolean} gradients
 */
function referenceDivergence(schedule, logits, { x0, xt, t }, gradients) {
  const width = schedule.tokens;
  const rows = x0.length;
  const p = reference.softmax(logits, width);
  const dp = new Float64Array(p.length);
  let loss = 0;
  /** @param {number} k */
  const certain = (k) => Float64Array.from({ length: width }, (_, i) => (i === k ? 1 : 0));
  for (let row = 0; row < rows; row++) {
    const step = at(t, Math.floor(row / positions));
    const own = p.subarray(row * width, (row + 1) * width);
    const [start, noisy] = [at(x0, row), at(xt, row)];
    const truth = reverseProbabilities(schedule, certain(start), noisy, step - 1, step);
    const model = reverseProbabilities(schedule, own, noisy, step - 1, step);
    truth.forEach((q, j) => {
      if (q > 0) loss += (q * Math.log(q / at(model, j))) / rows;
    });
    loss -= (lambda * Math.log(at(own, start))) / rows;
    if (!gradients) continue;
    add(dp, row * width + start, -lambda / at(own, start) / rows);
    for (let k = 0; k < width; k++) {
      const part = reverseProbabilities(schedule, certain(k), noisy, step - 1, step);
      truth.forEach((q, j) => {
        if (q > 0) add(dp, row * width + k, (-(q / at(model, j)) * at(part, j)) / rows);
      });
    }
  }
  return { loss, dlogits: gradients ? reference.softmaxBackward(p, dp, width) : null };
}

/**
 * @param {number} rows
 * @param {number} width
 * @returns {Case<Rows>}
 */
function posterior(rows, width) {
  return {
    family: "posterior",
    name: `posterior ${rows}×${width}`,
    size: { rows, width },
    checkSize: { rows: Math.min(rows, 4 * positions), width },
    flops: (s) => 8 * s.rows * s.width,
    bytes: (s) => 4 * (2 * s.rows * s.width + 3 * s.rows),
    tolerance: 1e-5,
    build(gpu, s, random) {
      const schedule = new Schedule({ tokens: s.width });
      const table = transitionTable(gpu, schedule);
      const logits = random.floats(s.rows * s.width, 2);
      const logProbs = Float32Array.from(reference.softmax(logits, s.width), Math.log);
      const { xt, t } = noised(s.rows, s.width, random);
      const start = input(gpu, logProbs, [s.rows, s.width]);
      const noisy = input(gpu, xt, [s.rows], "u32");
      const steps = input(gpu, t, [t.length], "u32");
      const expected = () => {
        const result = new Float64Array(s.rows * (s.width + 1));
        for (let row = 0; row < s.rows; row++) {
          const p = Float64Array.from(logProbs.subarray(row * s.width, (row + 1) * s.width), Math.exp);
          const step = at(t, Math.floor(row / positions));
          result.set(reverseProbabilities(schedule, p, at(xt, row), step - 1, step), row * (s.width + 1));
        }
        // Log 0 is -1e30 there.
        return [result.map((value) => (value > 0 ? Math.log(value) : -1e30))];
      };
      const call = () => [posteriorLogProbs(start, noisy, steps, table.coefficients)];
      return alsoFreeing(forward([start, noisy, steps], call, expected), [table]);
    },
  };
}

/**
 * @param {number} rows
 * @param {number} tokens
 * @returns {Case<Record<"rows" | "tokens", number>>}
 */
function noising(rows, tokens) {
  return {
    family: "q-sample",
    name: `q-sample ${rows} tokens`,
    size: { rows, tokens },
    flops: () => 0,
    bytes: (s) => 4 * 2 * s.rows,
    tolerance: 0,
    build(gpu, s, random) {
      const schedule = new Schedule({ tokens: s.tokens });
      const table = transitionTable(gpu, schedule);
      const rng = new Rng(gpu, seed);
      const { x0, t } = noised(s.rows, s.tokens, random);
      const start = input(gpu, x0, [s.rows], "u32");
      const steps = input(gpu, t, [t.length], "u32");
      const call = () => {
        rng.setPosition(0);
        return [qSample(rng, table, start, steps)];
      };
      const expected = () => [
        x0.map((token, i) => {
          const step = at(t, Math.floor(i / positions));
          const { noise_mask, noise_uniform } = stepThresholds(schedule, step - 1, step);
          const [decision, uniform] = philox([i, 0, 0, 0], seedWords(seed));
          if (happens(decision, noise_mask)) return s.tokens;
          return happens(decision, noise_uniform) ? below(uniform, s.tokens) : token;
        }),
      ];
      return alsoFreeing(forward([start, steps], call, expected), [table, rng]);
    },
  };
}

/**
 * @param {number} rows
 * @param {number} width
 * @param {number} topR
 * @returns {Case<Record<"rows" | "width" | "topR", number>>}
 */
function drawing(rows, width, topR) {
  const t = 70;
  return {
    family: "sample",
    name: `sampling step ${rows}×${width}${topR < 1 ? `, top-r ${topR}` : ""}`,
    size: { rows, width, topR },
    checkSize: { rows: Math.min(rows, 61), width, topR },
    // Ten rounds of Philox make four numbers; integer work, counted as one operation a token.
    flops: (s) => s.rows * s.width,
    bytes: (s) => 4 * (s.rows * s.width + 2 * s.rows),
    // A tie to rounding may fall the other way.
    tolerance: 0.02,
    build(gpu, s, random) {
      const schedule = new Schedule({ tokens: s.width });
      const table = transitionTable(gpu, schedule);
      const rng = new Rng(gpu, seed);
      const scores = random.floats(s.rows * s.width, 2);
      const xt = Uint32Array.from({ length: s.rows }, (_, row) => (row % 2 ? s.width : row % s.width));
      const logProbs = input(gpu, scores, [s.rows, s.width]);
      const noisy = input(gpu, xt, [s.rows], "u32");
      const call = () => {
        rng.setPosition(0);
        return [pSample(rng, logProbs, noisy, table.thresholds, t, { topR: s.topR })];
      };
      const expected = () => [
        xt.map((here, row) => {
          const x0 = drawn(scores.subarray(row * s.width, (row + 1) * s.width), row, s.topR);
          const limits = stepThresholds(schedule, t - 1, t);
          const [stay, start] =
            here === s.width
              ? [limits.masked_stay, limits.masked_x0]
              : here === x0
                ? [limits.same_stay, limits.same_x0]
                : [limits.other_stay, limits.other_x0];
          const [decision, uniform] = philox([row, 0, 0, 1], seedWords(seed));
          if (happens(decision, stay)) return here;
          return happens(decision, start) ? x0 : below(uniform, s.width);
        }),
      ];
      return alsoFreeing(forward([logProbs, noisy], call, expected), [table, rng]);
    },
  };
}

/**
 * The Gumbel-max draw among the most probable tokens that hold the mass `topR`.
 * @param {Float32Array} scores
 * @param {number} row
 * @param {number} topR
 */
function drawn(scores, row, topR) {
  const width = scores.length;
  const p = reference.softmax(scores, width);
  const order = Array.from(p, (_, k) => k).sort((a, b) => at(p, b) - at(p, a) || a - b);
  let mass = 0;
  let kept = 0;
  while (kept < width && mass < topR) mass += at(p, at(order, kept++));
  let best = Number.NEGATIVE_INFINITY;
  let choice = 0;
  for (const k of order.slice(0, topR < 1 ? kept : width)) {
    const words = philox([row * Math.ceil(width / 4) + Math.floor(k / 4), 0, 0, 0], seedWords(seed));
    const value = Math.fround(at(scores, k) + gumbel(at(words, k % 4)));
    if (value > best || (value === best && k < choice)) [best, choice] = [value, k];
  }
  return choice;
}

/**
 * @param {"uniform" | "normal" | "gumbel"} kind
 * @param {number} numbers
 * @returns {Case<{ count: number }>}
 */
function filling(kind, numbers) {
  return {
    family: "rng",
    name: `RNG ${kind} ${countName(numbers)}`,
    size: { count: numbers },
    checkSize: { count: Math.min(numbers, 4099) },
    flops: () => 0,
    bytes: (s) => 4 * s.count,
    tolerance: 0,
    build(gpu, { count }) {
      const rng = new Rng(gpu, seed);
      const call = () => {
        rng.setPosition(0);
        return [rng[kind]([count])];
      };
      return alsoFreeing(
        forward([], call, () => [replay(rng, 0)[kind](count)]),
        [rng],
      );
    },
  };
}

/** @param {(gradients: boolean) => Case} make */
const both = (make) => [false, true].map(make);

/**
 * @param {number} rows
 * @param {number} width
 */
const drawings = (rows, width) => [1, 0.85].map((topR) => drawing(rows, width, topR));

/** @param {{ rows: number; dim: number; width: number }} shape */
const heads = (shape) => [
  ...[false, true].map((gradients) => head("KL", shape, 1, gradients)),
  head("KL", shape, 4, true),
  head("cross-entropy", shape, 1, true),
];

/** @param {number} numbers */
const fillings = (numbers) =>
  /** @type {const} */ (["uniform", "normal", "gumbel"]).map((kind) => filling(kind, numbers));

/** @type {Family[]} */
export const families = [
  {
    name: "cross-entropy",
    natural: "256 rows over a vocabulary of n",
    at: (n) => both((gradients) => entropy(256, n, gradients)),
    small: both((gradients) => entropy(64, 128, gradients)),
    medium: both((gradients) => entropy(1024, 1741, gradients)),
    large: both((gradients) => entropy(512, 49408, gradients)),
  },
  {
    name: "kl",
    natural: "256 rows over a vocabulary of n",
    at: (n) => both((gradients) => divergence(256, n, gradients)),
    small: both((gradients) => divergence(64, 128, gradients)),
    medium: both((gradients) => divergence(1024, 1741, gradients)),
    large: both((gradients) => divergence(512, 49408, gradients)),
  },
  {
    name: "head-loss",
    natural: "256 rows of 64 numbers through a head of n words",
    at: (n) => heads({ rows: 256, dim: 64, width: n }),
    small: heads({ rows: 64, dim: 32, width: 128 }),
    medium: heads({ rows: 512, dim: 128, width: 1741 }),
    presets: [...heads({ rows: 384, dim: 96, width: 1741 }), ...heads({ rows: 768, dim: 128, width: 1741 })],
    large: [head("KL", { rows: 512, dim: 128, width: 49408 }, 8, true)],
  },
  {
    name: "posterior",
    natural: "256 rows over a vocabulary of n",
    at: (n) => [posterior(256, n)],
    small: [posterior(64, 128)],
    medium: [posterior(384, 1741)],
    large: [posterior(256, 49408)],
  },
  {
    name: "q-sample",
    natural: `n captions of ${positions} tokens`,
    at: (n) => [noising(positions * n, 1741)],
    small: [noising(1024, 1741)],
    medium: [noising(2 ** 16, 1741)],
    large: [noising(2 ** 22, 1741)],
  },
  {
    name: "sample",
    natural: "256 rows over a vocabulary of n",
    at: (n) => drawings(256, n),
    small: drawings(64, 128),
    medium: drawings(384, 1741),
    large: drawings(256, 49408),
  },
  {
    name: "rng",
    natural: "n × n numbers",
    at: (n) => fillings(n * n),
    small: fillings(4096),
    medium: fillings(2 ** 20),
    large: fillings(2 ** 24),
  },
];
