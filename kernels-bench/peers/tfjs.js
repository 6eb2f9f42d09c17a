/** TensorFlow.js on its WebGPU backend: each case composed of its ops, as its users write it. */

import * as tf from "@tensorflow/tfjs";
import "@tensorflow/tfjs-backend-webgpu";
import { swapLast } from "./arrays.js";
import { checkedSteps, movement, optimizer, trackedWeight } from "./block.js";
import { divergenceRows, lambda } from "./cases.js";

/**
 * @import { BlockData, BlockWeight } from "./block.js"
 * @import { Data, Engine, Makers, PeerCase, Runner } from "./types.js"
 *
 * @typedef {object} Problem
 * @property {any[]} inputs
 * @property {() => any[]} call
 * @property {(arrays: any[]) => any[]} [arrange] Puts what was read into our layout.
 */

const epsilon = 1e-5;

/** @param {Float32Array} values @param {number[]} shape */
const floats = (values, shape) => tf.tensor(values, shape, "float32");

/** @param {ArrayLike<number>} values @param {number[]} [shape] */
const integers = (values, shape = [values.length]) => tf.tensor(Int32Array.from(values), shape, "int32");

/**
 * The op alone, or its value and the gradients of all leaves.
 * @param {PeerCase} entry
 * @param {any[]} leaves
 * @param {(...leaves: any[]) => any} op
 * @param {any} [dy]
 */
const problem =
  ({ gradients }, leaves, op, dy) =>
  () => {
    if (!gradients) return [op(...leaves)];
    const { value, grads } = tf.valueAndGrads(op)(leaves, dy);
    return [value, ...grads];
  };

/**
 * softmax(q kᵀ/√d) v of [B, T, H·D] and [B, S, H·D].
 * @param {number} heads
 */
const attend = (heads) => (/** @type {any} */ q, /** @type {any} */ k, /** @type {any} */ v) => {
  const [batch, queries, channels] = q.shape;
  const width = channels / heads;
  const byHead = (/** @type {any} */ x) => x.reshape([batch, -1, heads, width]).transpose([0, 2, 1, 3]);
  const scores = tf.matMul(byHead(q), byHead(k), false, true).mul(1 / Math.sqrt(width));
  const seen = tf.matMul(tf.softmax(scores), byHead(v));
  return seen.transpose([0, 2, 1, 3]).reshape([batch, queries, channels]);
};

/** (x − mean)/√(variance + ε)·scale + offset over the rows of [R, C], in one op after the moments. */
function normalise(/** @type {any} */ x, /** @type {any} */ scale, /** @type {any} */ offset) {
  const { mean, variance } = tf.moments(x, -1, true);
  return tf.batchNorm(x, mean, variance, offset, scale, epsilon);
}

/** @param {any} x @param {any} scale @param {any} shift [B, T, C] and [B, 1, C] */
function adaptive(x, scale, shift) {
  const { mean, variance } = tf.moments(x, -1, true);
  const normal = x.sub(mean).mul(tf.rsqrt(variance.add(epsilon)));
  return normal.mul(scale.add(1)).add(shift);
}

/**
 * @param {PeerCase<"selfAttention" | "crossAttention">} entry
 * @param {Data<"selfAttention">} data
 * @returns {Problem}
 */
function attention(entry, { q, k, v, dy }) {
  const { batch, heads, queries, keys, width } = entry.size;
  const shape = [batch, queries, heads * width];
  const leaves = [floats(q, shape), ...[k, v].map((x) => floats(x, [batch, keys, heads * width]))];
  const given = floats(dy, shape);
  return { inputs: [...leaves, given], call: problem(entry, leaves, attend(heads), given) };
}

/** @type {Makers<Problem, [idle: () => Promise<void>]>} */
const kinds = {
  matmul({ size: { m, k, n, ta, tb } }, { a, b }) {
    const [left, right] = [floats(a, ta ? [k, m] : [m, k]), floats(b, tb ? [n, k] : [k, n])];
    return { inputs: [left, right], call: () => [tf.matMul(left, right, ta === 1, tb === 1)] };
  },
  selfAttention: attention,
  crossAttention: attention,
  crossEntropy(entry, { logits, targets }) {
    const { rows, width } = entry.size;
    const leaf = floats(logits, [rows, width]);
    const classes = integers(targets);
    const first = integers(Array.from({ length: rows }, (_, row) => row * width));
    // The gradient of gathering from a flat array is one scatter; a one-hot matrix would cost more.
    const op = (/** @type {any} */ x) =>
      tf
        .logSoftmax(x)
        .reshape([rows * width])
        .gather(first.add(classes))
        .mean()
        .neg();
    return { inputs: [leaf, classes, first], call: problem(entry, [leaf], op) };
  },
  divergence(entry, data) {
    const { rows, width } = entry.size;
    const leaf = floats(data.logits, [rows, width]);
    const first = integers(Array.from({ length: rows }, (_, row) => row * width));
    const x0 = integers(data.x0);
    const xt = integers(data.xt);
    const row = Object.fromEntries(
      Object.entries(divergenceRows(data, width)).map(([name, values]) => [name, floats(values, [rows])]),
    );
    const column = (/** @type {any} */ x) => x.reshape([rows, 1]);
    // Log Z of all tokens as if each had weight `other`, then what differs at x_0 and x_t.
    const op = (/** @type {any} */ logits) => {
      const logs = tf.logSoftmax(logits);
      const p = tf.exp(logs);
      const at = (/** @type {any} */ flat, /** @type {any} */ ids) => flat.gather(first.add(ids));
      const flat = p.reshape([rows * width]);
      const inside = tf.minimum(xt, tf.scalar(width - 1, "int32"));
      const unmasked = tf.cast(tf.less(xt, tf.scalar(width, "int32")), "float32");
      const [p0, pt] = [at(flat, x0), at(flat, inside).mul(unmasked)];
      const rest = row.b.mul(pt.mul(row.kappa.sub(1)).add(1));
      const all = tf.log(p.mul(column(row.a)).add(column(rest))).sum(1);
      const unchanged = tf.equal(xt, x0);
      const same = tf.cast(unchanged, "float32");
      const kappa0 = tf.where(unchanged, row.kappa, tf.onesLike(row.kappa));
      const log0 = tf.log(p0.mul(row.a).add(rest));
      const log0Kappa = tf.log(p0.mul(row.a).mul(kappa0).add(rest));
      const apart = unmasked.mul(tf.sub(1, same));
      const logT = tf.log(pt.mul(row.a).add(rest)).mul(apart);
      const logTKappa = tf.log(pt.mul(row.a).mul(row.kappa).add(rest)).mul(apart);
      const others = row.other.mul(all.sub(log0).sub(logT));
      const kl = row.constant.sub(others).sub(row.at0.mul(log0Kappa)).sub(row.atT.mul(logTKappa));
      const auxiliary = at(logs.reshape([rows * width]), x0);
      return kl.sub(auxiliary.mul(lambda)).mean();
    };
    return {
      inputs: [leaf, first, x0, xt, ...Object.values(row)],
      call: problem(entry, [leaf], op),
    };
  },
  softmax({ size: { rows, width } }, { x }) {
    const leaf = floats(x, [rows, width]);
    return { inputs: [leaf], call: () => [tf.softmax(leaf)] };
  },
  layerNorm({ size: { rows, width } }, { x, weight, bias }) {
    const inputs = [floats(x, [rows, width]), floats(weight, [1, width]), floats(bias, [1, width])];
    return { inputs, call: () => [normalise(inputs[0], inputs[1], inputs[2])] };
  },
  adaLN({ size: { batch, length, width } }, { x, scaleShift }) {
    const inputs = [floats(x, [batch, length, width]), floats(scaleShift, [batch, 1, 2 * width])];
    return {
      inputs,
      call() {
        const [scale, shift] = tf.split(inputs[1], 2, -1);
        return [adaptive(inputs[0], scale, shift)];
      },
    };
  },
  // Channels first, so that a group lies in one piece.
  groupNorm({ size: { batch, side, channels, groups } }, { x, weight, bias }) {
    const pixels = side ** 2;
    const inputs = [
      floats(swapLast(x, [batch, pixels, channels]), [batch * groups, (channels / groups) * pixels]),
      ...[weight, bias].map((values) => floats(values, [1, channels, 1])),
    ];
    const [leaf, scale, offset] = inputs;
    return {
      inputs,
      call() {
        const { mean, variance } = tf.moments(leaf, -1, true);
        const normal = leaf.sub(mean).mul(tf.rsqrt(variance.add(epsilon)));
        const y = normal.reshape([batch, channels, pixels]).mul(scale).add(offset);
        return [y.mul(tf.sigmoid(y))];
      },
      arrange: ([y]) => [swapLast(y, [batch, channels, pixels])],
    };
  },
  gather({ size: { rows, width } }, { table, ids }) {
    const inputs = [floats(table, [rows, width]), integers(ids)];
    return { inputs, call: () => [tf.gather(inputs[0], inputs[1])] };
  },
  nearest({ size: { rows, codes: count, width } }, { z, codes }) {
    const [vectors, table] = [floats(z, [rows, width]), floats(codes, [count, width])];
    return {
      inputs: [vectors, table],
      // |z − e|² less |z|², which all codes share: the norms of the codes are the product's bias.
      call: () => [
        tf.argMin(
          tf.fused.matMul({
            a: /** @type {any} */ (vectors.mul(-2)),
            b: /** @type {any} */ (table),
            transposeB: true,
            bias: tf.sum(tf.square(table), 1),
          }),
          1,
        ),
      ],
    };
  },
  conv2d(entry, { x, weight, bias, dy }) {
    const { batch, side, inputs, outputs } = entry.size;
    const leaves = [
      floats(x, [batch, side, side, inputs]),
      floats(weight, [3, 3, inputs, outputs]),
      floats(bias, [outputs]),
    ];
    const given = floats(dy, [batch, side, side, outputs]);
    const op = (/** @type {any} */ pixels, /** @type {any} */ filter, /** @type {any} */ shift) =>
      tf.fused.conv2d({ x: pixels, filter, strides: 1, pad: "same", bias: shift });
    return { inputs: [...leaves, given], call: problem(entry, leaves, op, given) };
  },
  block: blockRunner,
};
/**
 * @param {GPUDevice} device
 * @returns {Promise<Engine>}
 */
export async function tfjsEngine(device) {
  tf.enableProdMode();
  if (!(await tf.setBackend("webgpu"))) throw new Error("its WebGPU backend does not start");
  await tf.ready();
  const backend = /** @type {any} */ (tf.backend());
  const idle = async () => {
    // Its last few ops wait for company in an open command encoder.
    if (backend.commandEncoder) {
      backend.endComputePassEncoder();
      backend.submitQueue();
    }
    await device.queue.onSubmittedWorkDone();
  };
  return {
    name: "tfjs",
    async prepare(entry, data) {
      const made = await kinds[entry.kind](entry, data, idle);
      if ("sample" in made) return made;
      const { inputs, call, arrange } = made;
      return {
        async sample(calls) {
          for (let i = 0; i < calls; i++) tf.dispose(tf.tidy(call));
          await idle();
        },
        async results() {
          const outputs = tf.tidy(call);
          const arrays = await Promise.all(outputs.map((/** @type {any} */ output) => output.data()));
          tf.dispose(outputs);
          return arrange ? arrange(arrays) : arrays;
        },
        dispose: () => tf.dispose(inputs),
      };
    },
    trim: idle,
  };
}

/**
 * @param {PeerCase<"block">} entry
 * @param {BlockData} data
 * @param {() => Promise<void>} idle
 * @returns {Runner}
 */
function blockRunner(entry, data, idle) {
  const { batch, length, conditionLength, dim, heads } = entry.size;
  const weights = Object.fromEntries(
    data.weights.map(({ name, values, shape }) => [name, tf.variable(floats(values, [...shape]))]),
  );
  const decayed = data.weights.filter(({ decay }) => decay).map(({ name }) => weights[name]);
  const x = floats(data.x, [batch, length, dim]);
  const condition = floats(data.condition, [batch * conditionLength, dim]);
  const target = floats(data.target, [batch, length, dim]);
  const t = integers(data.t);
  const { learningRate, beta1, beta2, epsilon: tiny, decay, clip } = optimizer;
  const adam = tf.train.adam(learningRate, beta1, beta2, tiny);

  const linear = (/** @type {any} */ rows, /** @type {string} */ name) =>
    tf.fused.matMul({
      a: rows.reshape([-1, rows.shape.at(-1)]),
      b: /** @type {any} */ (weights[`block.${name}.weight`]),
      bias: weights[`block.${name}.bias`],
    });
  const gelu2 = (/** @type {any} */ y) => y.mul(tf.sigmoid(y.mul(1.702)));
  const attention = attend(heads);

  const loss = () => {
    const time = tf.gather(weights["modulation.table"], t);
    const rows = time.mul(tf.sigmoid(time)).reshape([batch, 2, dim]).transpose([1, 0, 2]);
    const modulation = tf.matMul(rows, weights["modulation.weight"]).add(weights["modulation.bias"]);
    const [first, second] = tf
      .unstack(modulation)
      .map((/** @type {any} */ layer) => tf.split(layer.reshape([batch, 1, 2 * dim]), 2, -1));

    const [q, k, v] = tf.split(
      linear(adaptive(x, first[0], first[1]), "qkv").reshape([batch, length, 3 * dim]),
      3,
      -1,
    );
    const afterSelf = x.add(linear(attention(q, k, v), "selfOutput").reshape(x.shape));
    const query = linear(adaptive(afterSelf, second[0], second[1]), "query").reshape(x.shape);
    const [key, value] = tf.split(
      linear(condition, "keyValue").reshape([batch, conditionLength, 2 * dim]),
      2,
      -1,
    );
    const afterCross = afterSelf.add(linear(attention(query, key, value), "crossOutput").reshape(x.shape));
    const { mean, variance } = tf.moments(afterCross, -1, true);
    const normal = afterCross.sub(mean).mul(tf.rsqrt(variance.add(epsilon)));
    const scaled = normal.mul(weights["block.norm.weight"]).add(weights["block.norm.bias"]);
    const output = afterCross.add(linear(gelu2(linear(scaled, "up")), "down").reshape(x.shape));
    return /** @type {any} */ (tf.mean(tf.square(output.sub(target))));
  };

  const step = () =>
    tf.tidy(() => {
      const { value, grads } = tf.variableGrads(loss, Object.values(weights));
      const squares = Object.values(grads).map((gradient) => tf.sum(tf.square(gradient)));
      // Its addN takes only as many tensors as a shader may bind.
      const factor = tf.minimum(tf.div(clip, tf.sqrt(tf.sum(tf.stack(squares)))), 1);
      const clipped = Object.fromEntries(
        Object.entries(grads).map(([name, gradient]) => [name, gradient.mul(factor)]),
      );
      for (const weight of decayed) weight.assign(weight.mul(1 - learningRate * decay));
      adam.applyGradients(/** @type {any} */ (clipped));
      return value;
    });

  return {
    async sample(calls) {
      for (let i = 0; i < calls; i++) step().dispose();
      await idle();
    },
    async results() {
      const losses = [];
      for (let i = 0; i < checkedSteps; i++) {
        const value = step();
        losses.push((await value.data())[0]);
        value.dispose();
      }
      const { values } = /** @type {BlockWeight} */ (data.weights.find(({ name }) => name === trackedWeight));
      return [Float32Array.from(losses), movement(values, await weights[trackedWeight].data())];
    },
    dispose() {
      adam.dispose();
      tf.dispose([x, condition, target, t, ...Object.values(weights)]);
    },
  };
}
