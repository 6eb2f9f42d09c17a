/** jax-js on WebGPU: each case composed of its ops and compiled by its `jit`, gradients by its `vjp`. */

import * as jax from "@jax-js/jax";
import { swapLast } from "./arrays.js";
import { checkedSteps, movement, optimizer, trackedWeight } from "./block.js";
import { divergenceRows, lambda } from "./cases.js";

const { numpy: np, nn, lax, jit, vjp } = jax;

/**
 * @import { BlockData, BlockWeight } from "./block.js"
 * @import { Data, Engine, Makers, PeerCase, Runner } from "./types.js"
 *
 * @typedef {object} Problem
 * @property {any[]} inputs
 * @property {(...inputs: any[]) => any[]} call Owns its arguments, as all functions of this library do.
 * @property {(arrays: any[]) => any[]} [arrange] Puts what was read into our layout.
 */

const epsilon = 1e-5;

/** @param {Float32Array} values @param {readonly number[]} shape @returns {any} */
const floats = (values, shape) => np.array(values).reshape([...shape]);

/** @param {ArrayLike<number>} values @returns {any} */
const integers = (values) => np.array(Int32Array.from(values), { dtype: np.int32 });

/**
 * The op of the first `leaves` arguments (the other arguments follow them, dy comes last), or its value and gradients.
 * @param {PeerCase} entry
 * @param {number} leaves
 * @param {(...inputs: any[]) => any} op
 */
function problem({ gradients }, leaves, op) {
  if (!gradients) return (/** @type {any[]} */ ...inputs) => [op(...inputs)];
  return (/** @type {any[]} */ ...inputs) => {
    const dy = inputs.pop();
    const others = inputs.splice(leaves);
    const [value, back] = vjp((/** @type {any[]} */ ...own) => op(...own, ...others), inputs);
    const grads = back(dy);
    back.dispose();
    return [value, ...grads];
  };
}

/**
 * @param {number} heads
 */
const attend = (heads) => (/** @type {any} */ q, /** @type {any} */ k, /** @type {any} */ v) => {
  const { shape } = q;
  const byHead = (/** @type {any} */ x) => x.reshape([x.shape[0], x.shape[1], heads, x.shape[2] / heads]);
  return nn.dotProductAttention(byHead(q), byHead(k), byHead(v)).reshape(shape);
};

/** (x − mean)/√(variance + ε) over the last axis. */
const standardize = (/** @type {any} */ x) => nn.standardize(x, -1, { epsilon });

/**
 * @param {PeerCase<"selfAttention" | "crossAttention">} entry
 * @param {Data<"selfAttention">} data
 * @returns {Problem}
 */
function attention(entry, { q, k, v, dy }) {
  const { batch, heads, queries, keys, width } = entry.size;
  const shape = [batch, queries, heads * width];
  const inputs = [floats(q, shape), ...[k, v].map((x) => floats(x, [batch, keys, heads * width]))];
  if (entry.gradients) inputs.push(floats(dy, shape));
  return { inputs, call: problem(entry, 3, attend(heads)) };
}

/** @type {Makers<Problem>} */
const kinds = {
  matmul({ size: { m, k, n, ta, tb } }, { a, b }) {
    const turned = (/** @type {any} */ x, /** @type {number} */ turn) => (turn ? np.matrixTranspose(x) : x);
    return {
      inputs: [floats(a, ta ? [k, m] : [m, k]), floats(b, tb ? [n, k] : [k, n])],
      call: (left, right) => [np.matmul(turned(left, ta), turned(right, tb))],
    };
  },
  selfAttention: attention,
  crossAttention: attention,
  crossEntropy(entry, { logits, targets }) {
    const { rows, width } = entry.size;
    const inputs = [floats(logits, [rows, width]), integers(targets)];
    if (entry.gradients) inputs.push(np.array(1));
    const op = (/** @type {any} */ x, /** @type {any} */ classes) => {
      const chosen = np
        .arange(width)
        .reshape([1, width])
        .equal(classes.reshape([rows, 1]));
      return np
        .where(chosen, nn.logSoftmax(x, -1), 0)
        .sum()
        .mul(-1 / rows);
    };
    return { inputs, call: problem(entry, 1, op) };
  },
  divergence(entry, data) {
    const { rows, width } = entry.size;
    const row = divergenceRows(data, width);
    const names = /** @type {const} */ (["a", "b", "kappa", "at0", "atT", "other", "constant"]);
    const inputs = [
      floats(data.logits, [rows, width]),
      ...[data.x0, data.xt].map((ids) => integers(ids).reshape([rows, 1])),
      ...names.map((name) => floats(row[name], [rows, 1])),
    ];
    if (entry.gradients) inputs.push(np.array(1));
    const op = (/** @type {any[]} */ ...all) => {
      const [logits, x0, xt, a, b, kappa, at0, atT, other, constant] = all;
      const logs = nn.logSoftmax(logits, -1);
      const place = np.arange(width).reshape([1, width]);
      const isT = place.ref.equal(xt);
      const is0 = place.equal(x0);
      const r = np.where(isT.ref, kappa, 1).mul(np.exp(logs.ref));
      const sum = r.ref.sum(-1, { keepdims: true });
      const logZ = np.log(r.mul(a).add(sum.mul(b)));
      const q = np.where(is0.ref, at0, np.where(isT, atT, other));
      const kl = constant.reshape([rows]).sub(q.mul(logZ).sum(-1));
      const auxiliary = np.where(is0, logs, 0).sum(-1);
      return kl.sub(auxiliary.mul(lambda)).mean();
    };
    return { inputs, call: problem(entry, 1, op) };
  },
  softmax: ({ size: { rows, width } }, { x }) => ({
    inputs: [floats(x, [rows, width])],
    call: (leaf) => [nn.softmax(leaf, -1)],
  }),
  layerNorm: ({ size: { rows, width } }, { x, weight, bias }) => ({
    inputs: [floats(x, [rows, width]), floats(weight, [width]), floats(bias, [width])],
    call: (leaf, scale, offset) => [standardize(leaf).mul(scale).add(offset)],
  }),
  adaLN: ({ size: { batch, length, width } }, { x, scaleShift }) => ({
    inputs: [floats(x, [batch, length, width]), floats(scaleShift, [batch, 1, 2 * width])],
    call(leaf, modulation) {
      const [scale, shift] = np.split(modulation, 2, -1);
      return [standardize(leaf).mul(scale.add(1)).add(shift)];
    },
  }),
  // Channels first, the layout of its convolutions.
  groupNorm({ size: { batch, side, channels, groups } }, { x, weight, bias }) {
    const pixels = side ** 2;
    return {
      inputs: [
        floats(swapLast(x, [batch, pixels, channels]), [batch * groups, (channels / groups) * pixels]),
        ...[weight, bias].map((values) => floats(values, [1, channels, 1])),
      ],
      call: (leaf, scale, offset) => [
        nn.silu(standardize(leaf).reshape([batch, channels, pixels]).mul(scale).add(offset)),
      ],
      arrange: ([y]) => [swapLast(y, [batch, channels, pixels])],
    };
  },
  gather: ({ size: { rows, width } }, { table, ids }) => ({
    inputs: [floats(table, [rows, width]), integers(ids)],
    call: (all, places) => [np.take(all, places, 0)],
  }),
  nearest: ({ size: { rows, codes: count, width } }, { z, codes }) => ({
    inputs: [floats(z, [rows, width]), floats(codes, [count, width])],
    // |z − e|² less |z|², which all codes share.
    call(vectors, table) {
      const norms = np.square(table.ref).sum(1);
      return [np.argmin(norms.sub(np.matmul(vectors, np.matrixTranspose(table)).mul(2)), 1)];
    },
  }),
  conv2d(entry, { x, weight, bias, dy }) {
    const { batch, side, inputs: ins, outputs: outs } = entry.size;
    const pixels = side ** 2;
    const inputs = [
      floats(swapLast(x, [batch, pixels, ins]), [batch, ins, side, side]),
      // [3·3, I, O] → [O, I, 3·3]
      floats(swapLast(swapLast(weight, [1, 9 * ins, outs]), [outs, 9, ins]), [outs, ins, 3, 3]),
      floats(bias, [1, outs, 1, 1]),
    ];
    if (entry.gradients) inputs.push(floats(swapLast(dy, [batch, pixels, outs]), [batch, outs, side, side]));
    const op = (/** @type {any} */ picture, /** @type {any} */ filter, /** @type {any} */ shift) =>
      lax.convGeneralDilated(picture, filter, [1, 1], "SAME").add(shift);
    return {
      inputs,
      call: problem(entry, 3, op),
      arrange([y, dx, dweight, dbias]) {
        const last = (/** @type {any} */ array, /** @type {number} */ channels) =>
          swapLast(array, [batch, channels, pixels]);
        if (!dx) return [last(y, outs)];
        const filter = swapLast(swapLast(dweight, [outs, ins, 9]), [1, outs, 9 * ins]);
        return [last(y, outs), last(dx, ins), filter, dbias];
      },
    };
  },
  block: blockRunner,
};
/** Its einsum calls `map` and `filter` on iterators, which Node can from version 22 on. */
function helpIterators() {
  const iterators = Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]()));
  for (const method of /** @type {const} */ (["map", "filter"])) {
    if (iterators[method]) continue;
    /** @this {Iterable<unknown>} */
    function value(/** @type {(value: unknown, i: number) => unknown} */ change) {
      return [...this][method](change).values();
    }
    Object.defineProperty(iterators, method, { value, configurable: true, writable: true });
  }
}

/** @returns {Promise<Engine>} */
export async function jaxEngine() {
  helpIterators();
  const devices = await jax.init("webgpu");
  if (!devices.includes("webgpu")) throw new Error("its WebGPU backend does not start");
  jax.defaultDevice("webgpu");
  return {
    name: "jax",
    async prepare(entry, data) {
      const made = await kinds[entry.kind](entry, data);
      if ("sample" in made) return made;
      const { inputs, call, arrange } = made;
      const compiled = jit(call);
      await jax.blockUntilReady(inputs);
      const once = () => /** @type {any[]} */ (compiled(...inputs.map((array) => array.ref)));
      return {
        async sample(calls) {
          // Work is given to the device only when somebody waits for it.
          const outputs = [];
          for (let i = 0; i < calls; i++) outputs.push(...once());
          await jax.blockUntilReady(outputs);
          for (const output of outputs) output.dispose();
        },
        async results() {
          const arrays = [];
          for (const output of once()) arrays.push(await output.data());
          return arrange ? arrange(arrays) : arrays;
        },
        dispose() {
          for (const array of inputs) array.dispose();
          compiled.dispose();
        },
      };
    },
    trim: async () => {},
  };
}

/**
 * @param {PeerCase<"block">} entry
 * @param {BlockData} data
 * @returns {Promise<Runner>}
 */
async function blockRunner(entry, data) {
  const { batch, length, conditionLength, dim, heads } = entry.size;
  const { learningRate, beta1, beta2, epsilon: tiny, decay, clip } = optimizer;
  const decays = new Map(data.weights.map(({ name, decay: applies }) => [name, applies]));
  const collect = (/** @type {(weight: BlockWeight) => any} */ make) =>
    Object.fromEntries(data.weights.map((weight) => [weight.name, make(weight)]));
  let state = {
    weights: collect(({ values, shape }) => floats(values, shape)),
    first: collect(({ shape }) => np.zeros([...shape])),
    second: collect(({ shape }) => np.zeros([...shape])),
  };
  const batchData = {
    x: floats(data.x, [batch, length, dim]),
    condition: floats(data.condition, [batch, conditionLength, dim]),
    target: floats(data.target, [batch, length, dim]),
    t: integers(data.t),
  };

  const attention = attend(heads);
  const loss = (/** @type {any} */ w, /** @type {any} */ given) => {
    const linear = (/** @type {any} */ rows, /** @type {string} */ name) =>
      np.matmul(rows, w[`block.${name}.weight`]).add(w[`block.${name}.bias`]);
    const adaptive = (/** @type {any} */ rows, /** @type {any} */ modulation) => {
      const [scale, shift] = np.split(modulation.reshape([batch, 1, 2 * dim]), 2, -1);
      return standardize(rows).mul(scale.add(1)).add(shift);
    };
    const { x, condition, target, t } = given;
    const time = nn.silu(np.take(w["modulation.table"], t, 0)).reshape([batch, 2, dim]);
    const modulation = np
      .matmul(np.transpose(time, [1, 0, 2]), w["modulation.weight"])
      .add(w["modulation.bias"]);
    const [first, second] = np.split(modulation, 2, 0);
    const [q, k, v] = np.split(linear(adaptive(x.ref, first), "qkv"), 3, -1);
    const afterSelf = x.add(linear(attention(q, k, v), "selfOutput"));
    const query = linear(adaptive(afterSelf.ref, second), "query");
    const [key, value] = np.split(linear(condition, "keyValue"), 2, -1);
    const afterCross = afterSelf.add(linear(attention(query, key, value), "crossOutput"));
    const scaled = standardize(afterCross.ref).mul(w["block.norm.weight"]).add(w["block.norm.bias"]);
    const up = linear(scaled, "up");
    const gelu2 = up.ref.mul(nn.sigmoid(up.mul(1.702)));
    return np.square(afterCross.add(linear(gelu2, "down")).sub(target)).mean();
  };

  const compiled = jit(
    (/** @type {any} */ { weights, first, second }, /** @type {any} */ given, /** @type {any} */ bias) => {
      const [value, gradients] = jax.valueAndGrad(loss)(jax.tree.ref(weights), given);
      const names = Object.keys(weights);
      const squares = names.map((name) => np.square(gradients[name].ref).sum());
      const norm = np.sqrt(squares.reduce((sum, square) => sum.add(square)));
      const factor = np.minimum(np.reciprocal(norm).mul(clip), 1);
      const [bias1, bias2] = np.split(bias, 2, 0);
      /** @type {Record<"weights" | "first" | "second", Record<string, any>>} */
      const next = { weights: {}, first: {}, second: {} };
      for (const name of names) {
        const gradient = gradients[name].mul(factor.ref);
        const m = first[name].mul(beta1).add(gradient.ref.mul(1 - beta1));
        const s = second[name].mul(beta2).add(np.square(gradient).mul(1 - beta2));
        const direction = m.ref.mul(bias1.ref).div(np.sqrt(s.ref.mul(bias2.ref)).add(tiny));
        const kept = decays.get(name) ? weights[name].mul(1 - learningRate * decay) : weights[name];
        next.weights[name] = kept.sub(direction.mul(learningRate));
        next.first[name] = m;
        next.second[name] = s;
      }
      for (const rest of [factor, bias1, bias2]) rest.dispose();
      return [next, value];
    },
  );

  let count = 0;
  const step = () => {
    count++;
    const bias = np.array(Float32Array.of(1 / (1 - beta1 ** count), 1 / (1 - beta2 ** count)));
    const [next, value] = /** @type {any} */ (compiled(state, jax.tree.ref(batchData), bias));
    state = next;
    return value;
  };
  await jax.blockUntilReady([state, batchData]);

  return {
    async sample(calls) {
      const losses = [];
      for (let i = 0; i < calls; i++) losses.push(step());
      await jax.blockUntilReady([state, losses]);
      for (const value of losses) value.dispose();
    },
    async results() {
      const losses = [];
      for (let i = 0; i < checkedSteps; i++) losses.push((await step().data())[0]);
      const { values } = /** @type {BlockWeight} */ (data.weights.find(({ name }) => name === trackedWeight));
      return [Float32Array.from(losses), movement(values, await state.weights[trackedWeight].ref.data())];
    },
    dispose() {
      jax.tree.dispose([state, batchData]);
      compiled.dispose();
    },
  };
}
