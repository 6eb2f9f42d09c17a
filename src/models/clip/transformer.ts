/** The transformer that both towers of CLIP consist of. */

import type { Gpu } from "../../engine/gpu/gpu.js";
import { Attention } from "../../engine/nn/attention.js";
import { LayerNorm } from "../../engine/nn/layer-norm.js";
import { Linear } from "../../engine/nn/linear.js";
import { Module } from "../../engine/nn/module.js";
import { gelu } from "../../engine/ops/functions.js";
import type { Tensor } from "../../engine/tensor/tensor.js";
import type { ClipActivation, ClipTowerShape } from "./shape.js";

/** Pre-norm block: x + attention(norm(x)), then x + mlp(norm(x)). */
class Block extends Module {
  private readonly norm1: LayerNorm;
  private readonly attention: Attention;
  private readonly norm2: LayerNorm;
  private readonly widen: Linear;
  private readonly narrow: Linear;
  private readonly activation: ClipActivation;
  private readonly epsilon: number;

  constructor(gpu: Gpu, { width, heads, hidden, activation, epsilon }: ClipTowerShape, causal: boolean) {
    super(gpu);
    this.activation = activation;
    this.epsilon = epsilon;
    this.norm1 = this.child("norm1", new LayerNorm(gpu, width));
    this.attention = this.child("attention", new Attention(gpu, width, heads, { causal }));
    this.norm2 = this.child("norm2", new LayerNorm(gpu, width));
    this.widen = this.child("widen", new Linear(gpu, width, hidden));
    this.narrow = this.child("narrow", new Linear(gpu, hidden, width));
  }

  /** x [B, T, width] → the same shape. */
  forward(x: Tensor): Tensor {
    const { epsilon } = this;
    return this.gpu.scope(() => {
      const seen = this.attention.forward(this.norm1.forward(x, { epsilon }), { residual: x });
      const normed = this.norm2.forward(seen, { epsilon });
      const hidden =
        this.activation === "gelu"
          ? gelu(this.widen.forward(normed))
          : this.widen.forward(normed, { activation: "gelu2" });
      return this.narrow.forward(hidden, { residual: seen });
    });
  }
}

/** The blocks of one tower, in order. With `causal`, a position attends to no later one. */
export class ClipTransformer extends Module {
  readonly #blocks: readonly Block[];

  constructor(gpu: Gpu, shape: ClipTowerShape, { causal }: { causal: boolean }) {
    super(gpu);
    this.#blocks = Array.from({ length: shape.layers }, (_, i) =>
      this.child(String(i), new Block(gpu, shape, causal)),
    );
  }

  /** x [B, T, width] → the same shape. */
  forward(x: Tensor): Tensor {
    return this.#blocks.reduce((value, block) => block.forward(value), x);
  }
}
