/**
 * Grounding: words learn to look at what they are about. Where the data tell which thing of the picture each word x_0,i is about,
 * and at which places s of the code grid that thing is, the training loss has a further part
 *
 *   −1/(B L) Σ_i log Σ_{s shows the thing of i} A_is,   over the words i that are about one thing,
 *
 * A being the cross-attention of a block's first head among the places; the mean over the blocks. Other heads look where they like.
 * The inner sums are the output of attention whose values are one-hot rows of what each place shows: no T×S matrix is kept.
 */

import type { Float } from "../../engine/gpu/kernel.js";
import { crossAttention } from "../../engine/ops/attention.js";
import { cast, concat } from "../../engine/ops/copy.js";
import { add, log, mul, scale } from "../../engine/ops/elementwise.js";
import { embedding } from "../../engine/ops/embedding.js";
import { mean, sum } from "../../engine/ops/reduce.js";
import { fromArray, type Tensor } from "../../engine/tensor/tensor.js";
import type { CrossAttentionWatcher } from "./decoder-block.js";
import type { DecoderShape } from "./decoder-shape.js";

/** What the words and places of a batch are about: numbers of things, `MOST_REFERENTS` for none. */
export interface BatchReferents {
  /** [B, L] */
  readonly words: Tensor<"u32">;
  /** [P, S] */
  readonly places: Tensor<"u32">;
}

/** Things of one picture are numbered below this. */
export const MOST_REFERENTS = 4;

/** Added to a share of attention: bounds the gradient of its logarithm where a word does not look at its thing at all. */
const SMALLEST_SHARE = 1e-4;

/** One-hot rows [MOST_REFERENTS, width] of a head's width. The caller disposes of them. */
export function oneHotRows({ dim, heads }: Pick<DecoderShape, "dim" | "heads">, gpu: Tensor["gpu"]): Tensor {
  const width = dim / heads;
  const values = new Float32Array(MOST_REFERENTS * width);
  for (let i = 0; i < MOST_REFERENTS; i++) values[i * width + i] = 1;
  return fromArray(gpu, values, [MOST_REFERENTS, width], "f32", "one-hot rows").keep();
}

/** Collects the loss of one forward pass: pass `watch` to it, then call `loss`. Create it in the scope of that pass. */
export class Grounding {
  readonly watch: CrossAttentionWatcher;
  readonly #losses: Tensor[] = [];

  /** `rows` are from `oneHotRows`. */
  constructor(rows: Tensor, { words, places }: BatchReferents) {
    const oneHot = (ids: Tensor<"u32">) => embedding(rows, ids, { zeroId: MOST_REFERENTS });
    const width = rows.shape[1]!;
    const seen = oneHot(places);
    const wanted = oneHot(words);
    const isAbout = sum(wanted, [2]);
    const first = (tensor: Tensor<Float>) => cast(tensor.slice(2, 0, width), "f32");
    this.watch = (query, keyValue) => {
      const keys = keyValue.slice(1, 0, places.shape[1]!);
      const { output } = crossAttention(first(query), concat([first(keys), seen], 2), 1);
      const share = sum(mul(output.reshape(wanted.shape), wanted), [2]);
      // The block frees what is made in it.
      this.#losses.push(mean(mul(isAbout, log(scale(share, 1, SMALLEST_SHARE)))).keep());
    };
  }

  /** The scalar loss, in nats a position. Call it once. */
  loss(): Tensor {
    const losses = this.#losses;
    const loss = scale(
      losses.reduce((all, one) => add(all, one)),
      -1 / losses.length,
    );
    for (const one of losses) one.dispose();
    return loss;
  }
}
