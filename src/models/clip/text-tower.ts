/** CLIP's text tower: a causal transformer whose value at the end token becomes the features. */

import type { Gpu } from "../../engine/gpu/gpu.js";
import { Embedding } from "../../engine/nn/embedding.js";
import { normal } from "../../engine/nn/initialisers.js";
import { LayerNorm } from "../../engine/nn/layer-norm.js";
import { Module } from "../../engine/nn/module.js";
import { embedding } from "../../engine/ops/embedding.js";
import { linear } from "../../engine/ops/matmul.js";
import { ShapeError } from "../../engine/tensor/errors.js";
import { fromArray, type Tensor } from "../../engine/tensor/tensor.js";
import { UserError } from "../../platform/errors.js";
import type { ClipShape } from "./shape.js";
import { ClipTransformer } from "./transformer.js";

export class ClipTextTower extends Module {
  /** Longest text in tokens, start and end included. */
  readonly context: number;
  readonly vocabulary: number;
  /** The token that ends a text; null: the largest id of a text ends it. */
  readonly endId: number | null;
  private readonly tokens: Embedding;
  private readonly blocks: ClipTransformer;
  private readonly finalNorm: LayerNorm;
  private readonly projection: Tensor;
  private readonly epsilon: number;

  constructor(gpu: Gpu, { text: shape, features }: Pick<ClipShape, "text" | "features">) {
    super(gpu);
    const { context, vocabulary, endId, width } = shape;
    this.context = context;
    this.vocabulary = vocabulary;
    this.endId = endId;
    this.epsilon = shape.epsilon;
    this.tokens = this.child("tokens", new Embedding(gpu, vocabulary, width, { positions: context }));
    this.blocks = this.child("blocks", new ClipTransformer(gpu, shape, { causal: true }));
    this.finalNorm = this.child("finalNorm", new LayerNorm(gpu, width));
    this.projection = this.parameter("projection", [width, features], normal(width ** -0.5));
  }

  /**
   * The number of tokens of a text up to its first end token, that included: what follows has no effect, since no position
   * attends to a later one. Throws a `UserError` if the ids are not those of a text.
   */
  lengthOf(ids: ArrayLike<number>): number {
    const list = Array.from(ids);
    const wrong = list.find((id) => !Number.isInteger(id) || id < 0 || id >= this.vocabulary);
    if (wrong !== undefined)
      throw new UserError(`${wrong} is not a token of this CLIP, whose ids are 0 to ${this.vocabulary - 1}`);
    const end = this.endId ?? list.reduce((largest, id) => Math.max(largest, id), -1);
    const length = list.indexOf(end) + 1;
    if (length === 0)
      throw new UserError(
        list.length === 0
          ? "a text of no tokens has no features: it needs its end token"
          : `the tokens of a text lack the end token ${end}`,
      );
    if (length > this.context)
      throw new UserError(`a text has ${length} tokens, and this CLIP reads at most ${this.context}`);
    return length;
  }

  /** Ids u32 [B, T], T ≤ context, and the length of each text up to its end token → features [B, features], not normalised. */
  forward(ids: Tensor<"u32">, lengths: readonly number[]): Tensor {
    const { gpu } = this;
    const [batch = 0, positions = 0] = ids.shape;
    if (
      ids.rank !== 2 ||
      batch !== lengths.length ||
      lengths.some((length) => length < 1 || length > positions)
    )
      throw new ShapeError(
        "ClipTextTower",
        `ids [${ids.shape.join(", ")}] do not hold ${lengths.length} texts of ${lengths.slice(0, 8).join(", ")} tokens`,
      );
    const ends = Uint32Array.from(lengths, (length, i) => i * positions + length - 1);
    return gpu.scope(() => this.atEnds(ids, fromArray(gpu, ends, [batch], "u32", "end positions")));
  }

  /**
   * The same where the ends are on the GPU: ids u32 [B, T], and of each text the number u32 [B] of its end token among all B·T. What
   * follows the end of a text has no effect.
   */
  atEnds(ids: Tensor<"u32">, ends: Tensor<"u32">): Tensor {
    const { gpu, epsilon } = this;
    return gpu.scope(() => {
      const x = this.finalNorm.forward(this.blocks.forward(this.tokens.forward(ids)), { epsilon });
      const last = embedding(x.reshape([ids.size, x.shape[2]!]), ends);
      return linear(last, this.projection, null);
    });
  }
}
