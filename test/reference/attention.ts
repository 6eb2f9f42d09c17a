/** Attention in float64, straight from the formula. */

export interface AttentionShape {
  batches: number;
  queries: number;
  keys: number;
  heads: number;
  /** Head dimension. */
  width: number;
}

/** q [B, T, H·D], k and v [B, S, H·D], mask [B, S] → weights [B, H, T, S], log-sum-exp [B, H, T], output [B, T, H·D]. */
export function attention(
  q: Float64Array,
  k: Float64Array,
  v: Float64Array,
  shape: AttentionShape,
  mask?: ArrayLike<number>,
): { output: Float64Array; weights: Float64Array; logSumExp: Float64Array } {
  const { batches, queries, keys, heads, width } = shape;
  const channels = heads * width;
  const output = new Float64Array(batches * queries * channels);
  const weights = new Float64Array(batches * heads * queries * keys);
  const logSumExp = new Float64Array(batches * heads * queries);
  for (let b = 0; b < batches; b++) {
    for (let h = 0; h < heads; h++) {
      for (let t = 0; t < queries; t++) {
        const scores: number[] = [];
        for (let s = 0; s < keys; s++) {
          let score = 0;
          for (let d = 0; d < width; d++) {
            score +=
              q[(b * queries + t) * channels + h * width + d]! *
              k[(b * keys + s) * channels + h * width + d]!;
          }
          const seen = mask?.[b * keys + s] !== 0;
          scores.push(seen ? score / Math.sqrt(width) : Number.NEGATIVE_INFINITY);
        }
        const top = Math.max(...scores);
        const row = (b * heads + h) * queries + t;
        if (top === Number.NEGATIVE_INFINITY) {
          logSumExp[row] = -1e30;
          continue;
        }
        const total = scores.reduce((sum, score) => sum + Math.exp(score - top), 0);
        logSumExp[row] = top + Math.log(total);
        scores.forEach((score, s) => {
          const weight = Math.exp(score - top) / total;
          weights[row * keys + s] = weight;
          for (let d = 0; d < width; d++) {
            output[(b * queries + t) * channels + h * width + d]! +=
              weight * v[(b * keys + s) * channels + h * width + d]!;
          }
        });
      }
    }
  }
  return { output, weights, logSumExp };
}

/** The `index`-th of `count` equal parts of the last axis of a packed [rows, count·channels] array. */
export function part(packed: Float64Array, index: number, count: number, channels: number): Float64Array {
  const rows = packed.length / (count * channels);
  const result = new Float64Array(rows * channels);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < channels; c++) result[r * channels + c] = packed[(r * count + index) * channels + c]!;
  }
  return result;
}
