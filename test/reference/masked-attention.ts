/** Attention with a causal order, a mask and a bias in float64, straight from the formula in shaders/attention/attention-masked.wgsl. */

import type { AttentionShape } from "./attention.js";
import { broadcastIndex } from "./dense.js";

export interface Broadcast {
  shape: readonly number[];
  data: ArrayLike<number>;
}

/** q [B, T, H·D], k and v [B, S, H·D]; mask and bias broadcast to [B, H, T, S] → output [B, T, H·D], log-sum-exp [B, H, T]. */
export function maskedAttention(
  q: Float64Array,
  k: Float64Array,
  v: Float64Array,
  shape: AttentionShape,
  options: { causal?: boolean; mask?: Broadcast | null; bias?: Broadcast | null; scale?: number } = {},
): { output: Float64Array; logSumExp: Float64Array } {
  const { batches, queries, keys, heads, width } = shape;
  const { causal = false, mask, bias, scale = 1 / Math.sqrt(width) } = options;
  const channels = heads * width;
  const output = new Float64Array(batches * queries * channels);
  const logSumExp = new Float64Array(batches * heads * queries);
  for (let b = 0; b < batches; b++) {
    for (let h = 0; h < heads; h++) {
      for (let t = 0; t < queries; t++) {
        const seen: { key: number; score: number }[] = [];
        for (let s = 0; s < keys; s++) {
          const at = [b, h, t, s];
          if (causal && s > t + keys - queries) continue;
          if (mask && mask.data[broadcastIndex(at, mask.shape)] === 0) continue;
          let score = 0;
          for (let d = 0; d < width; d++)
            score +=
              q[(b * queries + t) * channels + h * width + d]! *
              k[(b * keys + s) * channels + h * width + d]!;
          seen.push({
            key: s,
            score: score * scale + (bias ? bias.data[broadcastIndex(at, bias.shape)]! : 0),
          });
        }
        const row = (b * heads + h) * queries + t;
        if (seen.length === 0) {
          logSumExp[row] = -1e30;
          continue;
        }
        const top = Math.max(...seen.map(({ score }) => score));
        const total = seen.reduce((sum, { score }) => sum + Math.exp(score - top), 0);
        logSumExp[row] = top + Math.log(total);
        for (const { key, score } of seen)
          for (let d = 0; d < width; d++)
            output[(b * queries + t) * channels + h * width + d]! +=
              (Math.exp(score - top) / total) * v[(b * keys + key) * channels + h * width + d]!;
      }
    }
  }
  return { output, logSumExp };
}
