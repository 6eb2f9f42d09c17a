/** What is compared with the peers: shapes, inputs as plain arrays, and the bar each case has to reach. */

import { stepCoefficients } from "../../dist/debug.js";
import { Schedule } from "../../dist/index.js";

import { at } from "../numbers.js";
import { blockData } from "./block.js";

/**
 * @import { Random } from "../random.js"
 * @import { Data, Kind, NoisedIds, PeerCase } from "./types.js"
 */

/** Weight of the auxiliary loss in the diffusion loss. */
export const lambda = 0.01;
/** Rows that share a time in the diffusion loss: the tokens of a caption. */
const positions = 16;

/** @param {boolean} gradients */
const suffix = (gradients) => (gradients ? ", gradients" : "");

/**
 * @param {string} name
 * @param {{ m: number, k: number, n: number, ta?: number, tb?: number }} shape
 * @returns {PeerCase<"matmul">}
 */
function matmul(name, { m, k, n, ta = 0, tb = 0 }) {
  return {
    family: "matmul",
    name: `matmul ${name}`,
    kind: "matmul",
    size: { m, k, n, ta, tb },
    gradients: false,
    bar: 2,
    tolerance: 1e-5,
    data: (random) => ({ a: random.floats(m * k), b: random.floats(k * n) }),
  };
}

/**
 * @param {string} name
 * @param {{ batch: number, heads: number, queries: number, keys: number, width: number }} size
 * @param {boolean} gradients
 * @returns {PeerCase<"selfAttention" | "crossAttention">}
 */
function attention(name, size, gradients) {
  const channels = size.heads * size.width;
  const [asked, answering] = [size.batch * size.queries * channels, size.batch * size.keys * channels];
  return {
    family: "attention",
    name: `attention ${name} ${size.batch}×${size.heads} heads, ${size.queries}→${size.keys}, ${size.width}${suffix(gradients)}`,
    kind: size.queries === size.keys ? "selfAttention" : "crossAttention",
    size,
    gradients,
    bar: gradients ? 3.5 : 2.5,
    tolerance: 2e-5,
    data: (random) => ({
      q: random.floats(asked),
      k: random.floats(answering),
      v: random.floats(answering),
      dy: random.floats(asked),
    }),
  };
}

/**
 * @param {number} rows
 * @param {number} width
 * @param {boolean} gradients
 * @returns {PeerCase<"crossEntropy">}
 */
function crossEntropy(rows, width, gradients) {
  return {
    family: "cross-entropy",
    name: `cross-entropy ${rows}×${width}${suffix(gradients)}`,
    kind: "crossEntropy",
    size: { rows, width },
    gradients,
    bar: 8,
    tolerance: 1e-4,
    data: (random) => ({ logits: random.floats(rows * width, 2), targets: random.ids(rows, width) }),
  };
}

/**
 * The diffusion loss. A third of the rows each is masked, unchanged and replaced.
 * @param {number} rows
 * @param {number} width
 * @param {boolean} gradients
 * @returns {PeerCase<"divergence">}
 */
function divergence(rows, width, gradients) {
  return {
    family: "kl",
    name: `KL loss ${rows}×${width}${suffix(gradients)}`,
    kind: "divergence",
    size: { rows, width },
    gradients,
    bar: 8,
    tolerance: 1e-4,
    data(random) {
      const x0 = random.ids(rows, width);
      const other = random.ids(rows, width);
      const xt = x0.map((token, row) => at([width, token, at(other, row)], row % 3));
      const t = random.ids(rows / positions, 99).map((step) => step + 2);
      return { logits: random.floats(rows * width, 2), x0, xt, t };
    },
  };
}

/**
 * What a row of the diffusion loss needs besides the logits, with Z_j = a·r_j + b·Σr, r_j = p_j, but κ p_j at x_t:
 *   KL = constant − Σ_j q_j log Z_j,  q = at0 at x_0, atT at x_t (unless that is x_0), other elsewhere.
 * The constant is Σ_j q_j log N_j, N being Z for p one-hot at x_0. κ = 1 where x_t is [MASK].
 * @param {NoisedIds} data
 * @param {number} width
 */
export function divergenceRows({ x0, xt, t }, width) {
  const schedule = new Schedule({ tokens: width });
  const column = () => new Float32Array(x0.length);
  const rows = {
    a: column(),
    b: column(),
    kappa: column(),
    at0: column(),
    atT: column(),
    other: column(),
    constant: column(),
  };
  x0.forEach((start, row) => {
    const step = at(t, Math.floor(row / (x0.length / t.length)));
    const c = stepCoefficients(schedule, step - 1, step);
    const [a, b] = [Math.exp(c.log_alpha), Math.exp(c.log_beta)];
    const masked = xt[row] === width;
    const same = xt[row] === start;
    const kappa = masked ? 1 : c.kappa;
    /** @type {[at0: number, atT: number, other: number]} */
    const [at0, atT, other] = masked
      ? [c.masked_x0, 0, c.masked_other]
      : same
        ? [c.same_x0, 0, c.same_other]
        : [c.other_x0, c.other_xt, c.other_other];
    const scale = same ? kappa : 1;
    const others = width - 1 - (masked || same ? 0 : 1);
    const constant =
      at0 * Math.log(scale * (a + b)) + atT * Math.log(b) + others * other * Math.log(scale * b);
    rows.a[row] = a;
    rows.b[row] = b;
    rows.kappa[row] = kappa;
    rows.at0[row] = at0;
    rows.atT[row] = atT;
    rows.other[row] = other;
    rows.constant[row] = constant;
  });
  return rows;
}

/**
 * @template {Kind} K
 * @param {K} kind
 * @param {string} family
 * @param {string} name
 * @param {PeerCase<K>["size"]} size
 * @param {(random: Random) => Data<K>} data
 * @returns {PeerCase<K>}
 */
const rowwise = (kind, family, name, size, data) => ({
  family,
  name,
  kind,
  size,
  gradients: false,
  bar: 2,
  tolerance: 2e-5,
  data,
});

/** @param {number} rows @param {number} width */
const softmax = (rows, width) =>
  rowwise("softmax", "softmax", `softmax ${rows}×${width}`, { rows, width }, (random) => ({
    x: random.floats(rows * width, 2),
  }));

/** @param {number} rows @param {number} width */
const layerNorm = (rows, width) =>
  rowwise("layerNorm", "layer-norm", `layer norm ${rows}×${width}`, { rows, width }, (random) => ({
    x: random.floats(rows * width),
    weight: random.floats(width),
    bias: random.floats(width),
  }));

/** @param {number} batch @param {number} length @param {number} width */
const adaptive = (batch, length, width) =>
  rowwise("adaLN", "adaln", `AdaLN ${batch}×${length}×${width}`, { batch, length, width }, (random) => ({
    x: random.floats(batch * length * width),
    scaleShift: random.floats(batch * 2 * width),
  }));

/** @param {number} batch @param {number} side @param {number} channels @param {number} groups */
const groupNorm = (batch, side, channels, groups) =>
  rowwise(
    "groupNorm",
    "group-norm",
    `group norm + SiLU ${batch}×${side}×${side}×${channels}`,
    { batch, side, channels, groups },
    (random) => ({
      x: random.floats(batch * side ** 2 * channels),
      weight: random.floats(channels),
      bias: random.floats(channels),
    }),
  );

/** @param {number} count @param {number} rows @param {number} width */
const gather = (count, rows, width) =>
  rowwise("gather", "gather", `gather ${count} of ${rows}×${width}`, { count, rows, width }, (random) => ({
    table: random.floats(rows * width),
    ids: random.ids(count, rows),
  }));

/** @param {number} rows @param {number} codes @param {number} width @returns {PeerCase<"nearest">} */
const nearest = (rows, codes, width) => ({
  ...rowwise(
    "nearest",
    "codebook",
    `codebook nearest ${rows}×${codes}×${width}`,
    { rows, codes, width },
    (random) => ({ z: random.floats(rows * width), codes: random.floats(codes * width) }),
  ),
  // Of ids, the share that may differ: distances expanded into products round differently.
  tolerance: 2e-3,
});

/**
 * @param {{ batch: number, side: number, inputs: number, outputs: number }} size
 * @param {boolean} gradients
 * @returns {PeerCase<"conv2d">}
 */
function convolution(size, gradients) {
  const { batch, side, inputs, outputs } = size;
  return {
    family: "conv2d",
    name: `conv2d 3×3 ${batch}×${side}×${side}×${inputs}→${outputs}${suffix(gradients)}`,
    kind: "conv2d",
    size,
    gradients,
    bar: 2,
    tolerance: 5e-5,
    data: (random) => ({
      x: random.floats(batch * side ** 2 * inputs),
      weight: random.floats(9 * inputs * outputs, 1 / (3 * Math.sqrt(inputs))),
      bias: random.floats(outputs),
      dy: random.floats(batch * side ** 2 * outputs),
    }),
  };
}

/** @type {PeerCase<"block">} */
export const block = {
  family: "step",
  name: "transformer block, training step with AdamW",
  kind: "block",
  size: { batch: 16, length: 16, conditionLength: 64, dim: 128, heads: 4 },
  gradients: true,
  bar: 3,
  // Of the losses of the first steps and of how far the weights moved, each as a whole vector.
  tolerance: 1e-3,
  data: () => blockData(block.size),
};

/** How long a cold start of that step may take at most. */
export const coldStart = { family: "step", name: "transformer block, cold start", seconds: 4 };

const short = { batch: 16, heads: 4, queries: 256, keys: 256, width: 32 };
const wide = { batch: 16, heads: 4, queries: 16, keys: 1024, width: 32 };
const picture = { batch: 16, side: 16, inputs: 64, outputs: 64 };
const codes = { batch: 16, side: 8, inputs: 128, outputs: 64 };

/** @type {readonly PeerCase[]} */
export const peerCases = [
  matmul("512³", { m: 512, k: 512, n: 512 }),
  matmul("1024³", { m: 1024, k: 1024, n: 1024 }),
  matmul("512³ Aᵀ", { m: 512, k: 512, n: 512, ta: 1 }),
  matmul("512³ Bᵀ", { m: 512, k: 512, n: 512, tb: 1 }),
  matmul("8192×64×64", { m: 8192, k: 64, n: 64 }),
  matmul("384×160×1741", { m: 384, k: 160, n: 1741 }),
  ...[false, true].flatMap((gradients) => [
    attention("self", short, gradients),
    attention("cross", wide, gradients),
  ]),
  ...[false, true].map((gradients) => crossEntropy(768, 4096, gradients)),
  ...[false, true].map((gradients) => crossEntropy(128, 49408, gradients)),
  ...[false, true].map((gradients) => divergence(768, 4096, gradients)),
  softmax(4096, 256),
  softmax(1024, 1741),
  layerNorm(8192, 160),
  adaptive(64, 64, 160),
  groupNorm(16, 16, 128, 16),
  gather(4096, 1741, 160),
  nearest(1024, 2886, 256),
  nearest(512, 8192, 64),
  ...[false, true].flatMap((gradients) => [convolution(picture, gradients), convolution(codes, gradients)]),
  block,
];

/** Shapes that neither a bar nor a tuning was made for: odd, small, large, long, transposed both ways. @type {readonly PeerCase[]} */
export const otherCases = [
  matmul("640³ Aᵀ Bᵀ", { m: 640, k: 640, n: 640, ta: 1, tb: 1 }),
  matmul("777×555×333", { m: 777, k: 555, n: 333 }),
  matmul("777×555×333 Bᵀ", { m: 777, k: 555, n: 333, tb: 1 }),
  matmul("2048×512×512", { m: 2048, k: 512, n: 512 }),
  matmul("2048×512×512 Bᵀ", { m: 2048, k: 512, n: 512, tb: 1 }),
  matmul("512×2048×512 Aᵀ", { m: 512, k: 2048, n: 512, ta: 1 }),
  matmul("768³ Bᵀ", { m: 768, k: 768, n: 768, tb: 1 }),
  matmul("64×4096×512", { m: 64, k: 4096, n: 512 }),
  matmul("4096×512×16", { m: 4096, k: 512, n: 16 }),
  matmul("128³", { m: 128, k: 128, n: 128 }),
  ...[false, true].flatMap((gradients) => [
    attention("self", { batch: 8, heads: 8, queries: 128, keys: 128, width: 64 }, gradients),
    attention("self", { batch: 1, heads: 8, queries: 1024, keys: 1024, width: 64 }, gradients),
    attention("cross", { batch: 4, heads: 8, queries: 20, keys: 256, width: 40 }, gradients),
    attention("cross", { batch: 3, heads: 2, queries: 77, keys: 333, width: 24 }, gradients),
  ]),
  ...[false, true].flatMap((gradients) => [
    crossEntropy(1000, 5003, gradients),
    crossEntropy(64, 30000, gradients),
    divergence(320, 2887, gradients),
    divergence(64, 30000, gradients),
  ]),
  softmax(333, 4097),
  softmax(16384, 64),
  layerNorm(1000, 333),
  layerNorm(4096, 512),
  adaptive(8, 100, 384),
  groupNorm(4, 32, 64, 32),
  groupNorm(2, 20, 96, 8),
  gather(10000, 5000, 64),
  gather(512, 49408, 512),
  nearest(4096, 512, 64),
  nearest(333, 8192, 256),
  ...[false, true].flatMap((gradients) => [
    convolution({ batch: 4, side: 32, inputs: 32, outputs: 64 }, gradients),
    convolution({ batch: 8, side: 8, inputs: 256, outputs: 256 }, gradients),
    convolution({ batch: 2, side: 21, inputs: 24, outputs: 40 }, gradients),
  ]),
];
