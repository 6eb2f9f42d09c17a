/** Autoregressive caption decoders in float64, from their descriptions, over plain arrays. */

import { attention, part } from "./attention.js";
import {
  type ConditionSize,
  condition,
  encodeCondition,
  gelu2,
  get,
  linear,
  plus,
  type Weights,
} from "./decoder.js";
import { embedding } from "./embedding.js";
import { lstmCell } from "./lstm.js";
import { maskedAttention } from "./masked-attention.js";
import { layerNorm } from "./normalisation.js";

/** The weights of a child, by their names in it. */
export function childWeights(weights: Weights, prefix: string): Weights {
  return new Map(
    [...weights].flatMap(([name, values]): [string, Float64Array][] =>
      name.startsWith(prefix) ? [[name.slice(prefix.length), values]] : [],
    ),
  );
}

export interface TransformerSize extends ConditionSize {
  length: number;
  blocks: number;
}

/** Logits [B, L, M] of the words after `inputs` [B, L]. */
export function transformer(
  weights: Weights,
  size: TransformerSize,
  inputs: ArrayLike<number>,
  codes: ArrayLike<number>,
  vectors?: Float64Array,
): Float64Array {
  const { length, side, dim, heads, blocks, summaryTokens } = size;
  const batches = inputs.length / length;
  const layer = (x: Float64Array, name: string) =>
    linear(x, get(weights, `${name}.weight`), get(weights, `${name}.bias`));
  const norm = (x: Float64Array, name: string) =>
    layerNorm(x, get(weights, `${name}.weight`), get(weights, `${name}.bias`), 1e-5);
  const own = childWeights(weights, "condition.");
  const encoded = encodeCondition(own, size, condition(own, size, codes, vectors));
  const waves = own.get("codeWaves");
  const seen = waves ? encoded.map((value, i) => value + waves[i % waves.length]!) : encoded;
  let x = embedding(get(weights, "tokens"), inputs, dim, { positions: get(weights, "positions"), length });
  for (let i = 0; i < blocks; i++) {
    const name = (part: string) => `block${i}.${part}`;
    const shape = { batches, queries: length, heads, width: dim / heads };
    const qkv = layer(norm(x, name("selfNorm")), name("qkv"));
    const [q, k, v] = [0, 1, 2].map((which) => part(qkv, which, 3, dim)) as [
      Float64Array,
      Float64Array,
      Float64Array,
    ];
    const attended = maskedAttention(q, k, v, { ...shape, keys: length }, { causal: true }).output;
    x = plus(x, layer(attended, name("selfOutput")));
    const query = layer(norm(x, name("crossNorm")), name("query"));
    const keyValue = layer(seen, name("keyValue"));
    const crossed = attention(query, part(keyValue, 0, 2, dim), part(keyValue, 1, 2, dim), {
      ...shape,
      keys: side * side + summaryTokens,
    });
    x = plus(x, layer(crossed.output, name("crossOutput")));
    x = plus(x, layer(gelu2(layer(norm(x, name("norm")), name("up"))), name("down")));
  }
  return layer(norm(x, "norm"), "head");
}

/** −Σ_k t_k log p(k), t the word smoothed by ε, averaged over the words up to the first END of each caption [B, L]. */
export function wordLoss(
  logits: Float64Array,
  tokens: ArrayLike<number>,
  { length, vocabulary, endId }: { length: number; vocabulary: number; endId: number },
  smoothing: number,
): number {
  let [sum, words] = [0, 0];
  for (let caption = 0; caption < tokens.length / length; caption++) {
    for (let place = 0; place < length; place++) {
      const row = caption * length + place;
      const own = logits.subarray(row * vocabulary, (row + 1) * vocabulary);
      const top = Math.max(...own);
      const total = top + Math.log(own.reduce((all, z) => all + Math.exp(z - top), 0));
      own.forEach((z, k) => {
        const share = smoothing / vocabulary + (k === tokens[row] ? 1 - smoothing : 0);
        sum += share * (total - z);
      });
      words++;
      if (tokens[row] === endId) break;
    }
  }
  return sum / words;
}

/** [start, w_0 … w_{L-2}] of captions [B, L]. */
export function shifted(tokens: ArrayLike<number>, length: number, start: number): number[] {
  return Array.from(tokens, (_, i) => (i % length === 0 ? start : tokens[i - 1]!));
}

export interface LstmSize extends ConditionSize {
  length: number;
  vocabulary: number;
  width: number;
  embedding: number;
}

/** The embedded code grid [B, S, d], and its mean [B, d]. */
function grid(weights: Weights, size: ConditionSize, codes: ArrayLike<number>, vectors?: Float64Array) {
  const { side, dim } = size;
  const all = condition(childWeights(weights, "condition."), size, codes, vectors);
  const positions = side * side;
  const means = new Float64Array(all.length / positions);
  all.forEach((value, i) => {
    means[Math.floor(i / (positions * dim)) * dim + (i % dim)]! += value / positions;
  });
  return { all, means };
}

/** Gates of rows: x·W + h·U + b. */
function gatesOf(weights: Weights, x: Float64Array, hidden: Float64Array, more?: Float64Array): Float64Array {
  const bias = get(weights, "lstm.bias");
  const own = linear(x, get(weights, "lstm.weight"), bias);
  const before = linear(hidden, get(weights, "lstm.recurrent"), new Float64Array(bias.length));
  return plus(plus(own, before), more ?? new Float64Array(own.length));
}

/** The vectors of the words at a place of `inputs` [B, L]: [B, E]. */
function wordsAt(
  weights: Weights,
  { length, embedding: width }: LstmSize,
  inputs: ArrayLike<number>,
  at: number,
) {
  const ids = Array.from({ length: inputs.length / length }, (_, b) => inputs[b * length + at]!);
  return embedding(get(weights, "tokens"), ids, width);
}

/** Rows of each place, [L] of [B, n] → [B, L, n]. */
function byCaption(places: readonly Float64Array[], width: number): Float64Array {
  const rows = places[0]!.length / width;
  const all = new Float64Array(rows * places.length * width);
  places.forEach((place, at) => {
    for (let b = 0; b < rows; b++)
      all.set(place.subarray(b * width, (b + 1) * width), (b * places.length + at) * width);
  });
  return all;
}

/** Logits [B, L, M] of the LSTM that sees the picture first, for codes of B captions. */
export function pictureFirstLstm(
  weights: Weights,
  size: LstmSize,
  inputs: ArrayLike<number>,
  codes: ArrayLike<number>,
  vectors?: Float64Array,
): Float64Array {
  const { length, width, vocabulary } = size;
  const batch = inputs.length / length;
  const layer = (x: Float64Array, name: string) =>
    linear(x, get(weights, `${name}.weight`), get(weights, `${name}.bias`));
  const zero = new Float64Array(batch * width);
  const picture = layer(grid(weights, size, codes, vectors).means, "picture");
  let state = lstmCell(gatesOf(weights, picture, zero), zero, width);
  const places: Float64Array[] = [];
  for (let at = 0; at < length; at++) {
    state = lstmCell(gatesOf(weights, wordsAt(weights, size, inputs, at), state.hidden), state.cell, width);
    places.push(layer(state.hidden, "head"));
  }
  return byCaption(places, vocabulary);
}

/** Logits [B, L, M] of the LSTM with additive attention, for codes of B captions. */
export function attentionLstm(
  weights: Weights,
  size: LstmSize & { attention: number },
  inputs: ArrayLike<number>,
  codes: ArrayLike<number>,
  vectors?: Float64Array,
): Float64Array {
  const { length, width, vocabulary, attention: hiddenWidth, dim, side } = size;
  const batch = inputs.length / length;
  const positions = side * side;
  const layer = (x: Float64Array, name: string) =>
    linear(x, get(weights, `${name}.weight`), get(weights, `${name}.bias`));
  const map = (x: Float64Array, name: string, outputs: number) =>
    linear(x, get(weights, `${name}.weight`), new Float64Array(outputs));
  const { all, means } = grid(weights, size, codes, vectors);
  const keys = layer(all, "keys");
  const v = get(weights, "scores");
  let state: { hidden: Float64Array; cell: Float64Array } = {
    hidden: layer(means, "firstHidden").map(Math.tanh),
    cell: layer(means, "firstCell").map(Math.tanh),
  };
  const places: Float64Array[] = [];
  for (let at = 0; at < length; at++) {
    const query = map(state.hidden, "query", hiddenWidth);
    const seen = new Float64Array(batch * dim);
    for (let b = 0; b < batch; b++) {
      const powers = Array.from({ length: positions }, (_, j) => {
        let score = 0;
        for (let a = 0; a < hiddenWidth; a++)
          score +=
            v[a]! * Math.tanh(keys[(b * positions + j) * hiddenWidth + a]! + query[b * hiddenWidth + a]!);
        return Math.exp(score);
      });
      const total = powers.reduce((sum, power) => sum + power, 0);
      for (let j = 0; j < positions; j++)
        for (let c = 0; c < dim; c++)
          seen[b * dim + c]! += (powers[j]! / total) * all[(b * positions + j) * dim + c]!;
    }
    const more = map(seen, "contextGates", 4 * width);
    const words = wordsAt(weights, size, inputs, at);
    state = lstmCell(gatesOf(weights, words, state.hidden, more), state.cell, width);
    const joined = new Float64Array(batch * (width + dim));
    for (let b = 0; b < batch; b++) {
      joined.set(state.hidden.subarray(b * width, (b + 1) * width), b * (width + dim));
      joined.set(seen.subarray(b * dim, (b + 1) * dim), b * (width + dim) + width);
    }
    places.push(layer(joined, "head"));
  }
  return byCaption(places, vocabulary);
}
