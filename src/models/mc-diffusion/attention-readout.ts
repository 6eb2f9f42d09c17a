/** The decoder's cross-attention from the words of a caption, averaged over heads and blocks. */

import { attentionMap } from "../../engine/ops/attention.js";
import { scale } from "../../engine/ops/elementwise.js";
import { copyStrided } from "../../engine/tensor/strided.js";
import { type Tensor, zeros } from "../../engine/tensor/tensor.js";
import type { Decoder } from "./decoder.js";
import type { CrossAttentionWatcher } from "./decoder-block.js";

/**
 * Collects the attention of one forward pass of a decoder with `captions` captions per picture: pass `watch` to it, then call `mean`.
 * Only the captions of the first picture are used, under guidance with the full condition. Create it in the scope of that pass.
 */
export class AttentionReadout {
  readonly watch: CrossAttentionWatcher;
  private readonly sum: Tensor;
  private blocks = 0;

  constructor({ gpu, shape }: Decoder, captions = 1) {
    const [rows, positions] = [captions * shape.length, shape.side ** 2];
    this.sum = zeros(gpu, [1, rows, positions], "f32", "attention");
    this.watch = (query, keyValue, heads, logSumExp) => {
      const keys = keyValue.slice(0, 0, 1).slice(1, 0, positions).slice(2, 0, shape.dim);
      const [queries, ofThese] = [query.slice(0, 0, 1), logSumExp.slice(0, 0, 1)];
      const weights = attentionMap(queries, keys, ofThese, heads, { meanOverHeads: true });
      copyStrided(weights, this.sum, { accumulate: true });
      this.blocks++;
    };
  }

  /**
   * `[L, S]`, or `[captions · L, S]`: the attention weights of each word over the S positions of the code grid. A row falls short of 1 by the word's
   * weight on the summary entries of the condition.
   */
  mean(): Tensor {
    return scale(this.sum, 1 / this.blocks).reshape(this.sum.shape.slice(1));
  }
}
