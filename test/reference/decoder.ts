/** The text decoder in float64, from its description: every number of the network by loops over plain arrays. */

import { attention, part } from "./attention.js";
import { referenceConv2d } from "./conv2d.js";
import { embedding } from "./embedding.js";
import { adaLayerNorm, layerNorm } from "./normalisation.js";

export type Weights = ReadonlyMap<string, Float64Array>;

export interface ConditionSize {
  side: number;
  codes: number;
  dim: number;
  heads: number;
  conditionConvs?: number;
  conditionBlocks: number;
  summaryTokens: number;
}

export interface DecoderSize extends ConditionSize {
  length: number;
  blocks: number;
}

const epsilon = 1e-5;

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

/** x·W + b for rows x of `inputs` values, W [inputs, outputs]. */
export function linear(x: Float64Array, weight: Float64Array, bias: Float64Array): Float64Array {
  const outputs = bias.length;
  const inputs = weight.length / outputs;
  const y = new Float64Array((x.length / inputs) * outputs);
  for (let r = 0; r < x.length / inputs; r++) {
    for (let o = 0; o < outputs; o++) {
      let sum = bias[o]!;
      for (let i = 0; i < inputs; i++) sum += x[r * inputs + i]! * weight[i * outputs + o]!;
      y[r * outputs + o] = sum;
    }
  }
  return y;
}

export const plus = (a: Float64Array, b: Float64Array) => a.map((value, i) => value + b[i]!);

export function get(weights: Weights, name: string): Float64Array {
  const found = weights.get(name);
  if (!found) throw new Error(`no weights ${name}`);
  return found;
}

/** What the decoder sees of the picture: [B, S, d]. `vectors` are the tokenizer's code vectors [K, codeDim], if it sees those. */
export function condition(
  weights: Weights,
  size: ConditionSize,
  codes: ArrayLike<number>,
  vectors?: Float64Array,
): Float64Array {
  const { side, dim } = size;
  const mask = weights.get("codeMask");
  const table = vectors
    ? linear(vectors, get(weights, "codeProjection.weight"), get(weights, "codeProjection.bias"))
    : get(weights, "codeTable");
  const own = weights.get("codePlaces");
  const [rows, columns] = own ? [] : [get(weights, "codeRows"), get(weights, "codeColumns")];
  const output = new Float64Array(codes.length * dim);
  for (let n = 0; n < codes.length; n++) {
    const id = codes[n]!;
    if (id === size.codes && !mask) continue;
    const place = n % (side * side);
    for (let c = 0; c < dim; c++) {
      const content = id === size.codes ? mask![c]! : table[id * dim + c]!;
      output[n * dim + c] =
        content +
        (own
          ? own[place * dim + c]!
          : rows![Math.floor(place / side) * dim + c]! + columns![(place % side) * dim + c]!);
    }
  }
  return output;
}

export const gelu2 = (x: Float64Array) => x.map((value) => value * sigmoid(1.702 * value));

/** The queries, keys and values of packed rows [n, 3d]. */
function selfAttended(
  qkv: Float64Array,
  dim: number,
  shape: { batches: number; queries: number; keys: number; heads: number; width: number },
): Float64Array {
  return attention(part(qkv, 0, 3, dim), part(qkv, 1, 3, dim), part(qkv, 2, 3, dim), shape).output;
}

/** The 3×3 convolution of grids [P, side, side, d] with zeros around them, to [P, side, side, outputs]. */
function convolved(
  x: Float64Array,
  { side, dim }: ConditionSize,
  weight: Float64Array,
  bias: Float64Array,
): Float64Array {
  const size = { height: side, width: side, channels: dim, kernelHeight: 3, kernelWidth: 3 };
  const more = { outHeight: side, outWidth: side, outChannels: bias.length, stride: 1, top: 1, left: 1 };
  return referenceConv2d({ batch: x.length / (side * side * dim), ...size, ...more }, x, weight, bias);
}

/**
 * [P, S, d] → [P, S + G, d]: residual convolutions over the grid, pre-norm self-attention and MLP over the condition's positions
 * with a last norm, and behind them the summary of the convolved grid; what the size has none of is left out.
 */
export function encodeCondition(weights: Weights, size: ConditionSize, seen: Float64Array): Float64Array {
  const { side, dim, heads, conditionConvs = 0, conditionBlocks, summaryTokens } = size;
  const positions = side * side;
  const batches = seen.length / (positions * dim);
  const shape = { batches, queries: positions, keys: positions, heads, width: dim / heads };
  const own = (name: string, kind: "weight" | "bias") => get(weights, `conditionEncoder.${name}.${kind}`);
  const layer = (x: Float64Array, name: string) => linear(x, own(name, "weight"), own(name, "bias"));
  const norm = (x: Float64Array, name: string) =>
    layerNorm(x, own(name, "weight"), own(name, "bias"), epsilon);
  let grid = seen;
  for (let i = 0; i < conditionConvs; i++) {
    const name = (part: string) => `conv${i}.${part}`;
    const filter = [own(name("conv"), "weight"), own(name("conv"), "bias")] as const;
    const hidden = convolved(norm(grid, name("norm")), size, ...filter);
    grid = plus(grid, layer(gelu2(hidden), name("output")));
  }
  let x = grid;
  for (let i = 0; i < conditionBlocks; i++) {
    const name = (part: string) => `block${i}.${part}`;
    const qkv = layer(norm(x, name("attentionNorm")), name("qkv"));
    x = plus(x, layer(selfAttended(qkv, dim, shape), name("output")));
    x = plus(x, layer(gelu2(layer(norm(x, name("norm")), name("up"))), name("down")));
  }
  if (conditionConvs + conditionBlocks > 0) x = norm(x, "norm");
  if (summaryTokens === 0) return x;
  // The squeezed rows of a picture lie one after the other: its next layer's input as they are.
  const hidden = gelu2(layer(layer(grid, "summary.squeeze"), "summary.up"));
  const summary = norm(layer(hidden, "summary.down"), "summary.norm");
  const all = new Float64Array(batches * (positions + summaryTokens) * dim);
  for (let b = 0; b < batches; b++) {
    const at = b * (positions + summaryTokens) * dim;
    all.set(x.subarray(b * positions * dim, (b + 1) * positions * dim), at);
    all.set(summary.subarray(b * summaryTokens * dim, (b + 1) * summaryTokens * dim), at + positions * dim);
  }
  return all;
}

/** Scale and shift [B, 2d] of one adaptive norm: embedding of t, SiLU, linear. */
function modulation(
  weights: Weights,
  { dim, blocks }: DecoderSize,
  t: ArrayLike<number>,
  layer: number,
): Float64Array {
  const layers = 2 * blocks;
  const table = get(weights, "modulation.table");
  const weight = get(weights, "modulation.weight").subarray(
    layer * dim * 2 * dim,
    (layer + 1) * dim * 2 * dim,
  );
  const bias = get(weights, "modulation.bias").subarray(layer * 2 * dim, (layer + 1) * 2 * dim);
  const rows = new Float64Array(t.length * dim);
  for (let b = 0; b < t.length; b++) {
    for (let c = 0; c < dim; c++) {
      const value = table[(t[b]! * layers + layer) * dim + c]!;
      rows[b * dim + c] = value * sigmoid(value);
    }
  }
  return linear(rows, weight, bias);
}

/** Logits [B, L, M] from tokens [B, L], or outputs [B, L, b] from numbers [B, L, 2b]. */
export function decoder(
  weights: Weights,
  size: DecoderSize,
  xt: ArrayLike<number>,
  t: ArrayLike<number>,
  codes: ArrayLike<number>,
  vectors?: Float64Array,
): Float64Array {
  const { length, side, dim, heads, blocks, summaryTokens } = size;
  const batches = t.length;
  const layer = (x: Float64Array, name: string) =>
    linear(x, get(weights, `${name}.weight`), get(weights, `${name}.bias`));
  const norm = (x: Float64Array, name: string) =>
    layerNorm(x, get(weights, `${name}.weight`), get(weights, `${name}.bias`), epsilon);
  const encoded = encodeCondition(weights, size, condition(weights, size, codes, vectors));
  const waves = weights.get("codeWaves");
  const seen = waves ? encoded.map((value, i) => value + waves[i % waves.length]!) : encoded;
  const positions = get(weights, "positions");
  // Tokens, or numbers for a network without a table of them.
  let x = weights.has("tokens")
    ? embedding(get(weights, "tokens"), xt, dim, { positions, length })
    : layer(Float64Array.from(xt), "input").map((value, i) => value + positions[i % (length * dim)]!);
  for (let i = 0; i < blocks; i++) {
    const name = (part: string) => `block${i}.${part}`;
    const shape = { batches, queries: length, heads, width: dim / heads };
    const adaptive = (input: Float64Array, which: number) =>
      adaLayerNorm(input, modulation(weights, size, t, 2 * i + which), batches, dim, epsilon);

    const qkv = layer(adaptive(x, 0), name("qkv"));
    x = plus(x, layer(selfAttended(qkv, dim, { ...shape, keys: length }), name("selfOutput")));

    const query = layer(adaptive(x, 1), name("query"));
    const keyValue = layer(seen, name("keyValue"));
    const crossed = attention(query, part(keyValue, 0, 2, dim), part(keyValue, 1, 2, dim), {
      ...shape,
      keys: side * side + summaryTokens,
    });
    x = plus(x, layer(crossed.output, name("crossOutput")));

    x = plus(x, layer(gelu2(layer(norm(x, name("norm")), name("up"))), name("down")));
  }
  const last = norm(x, "norm");
  if (weights.has("head.weight")) return layer(last, "head");
  // The head shares the table of tokens: logit m = ⟨hidden, row m⟩ + bias m.
  const bias = get(weights, "head.bias");
  const tokens = get(weights, "tokens");
  const shared = new Float64Array(dim * bias.length);
  for (let m = 0; m < bias.length; m++)
    for (let c = 0; c < dim; c++) shared[c * bias.length + m] = tokens[m * dim + c]!;
  return linear(last, shared, bias);
}
