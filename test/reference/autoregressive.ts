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
  const seen = encodeCondition(own, size, condition(own, size, codes, vectors));
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
