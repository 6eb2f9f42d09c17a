/**
 * Self-attention over the condition's positions before the caption looks at them. The paper's decoder reads each code
 * by itself; with few blocks it then has to recognise things through the caption's own cross-attention. What happens
 * here depends neither on x_t nor on t, so a sampler does it once a picture.
 */

import type { Gpu } from "../gpu/gpu.js";
import { fanIn } from "../nn/initialisers.js";
import { LayerNorm } from "../nn/layer-norm.js";
import { Linear } from "../nn/linear.js";
import { Module } from "../nn/module.js";
import { selfAttention } from "../ops/attention.js";
import type { Tensor } from "../tensor/tensor.js";

export interface ConditionEncoderShape {
  /** d */
  dim: number;
  heads: number;
  mlpRatio: number;
  /** Blocks of self-attention and MLP; 0: the condition stays as it is. */
  conditionBlocks: number;
}

class ConditionBlock extends Module {
  private readonly heads: number;
  private readonly attentionNorm: LayerNorm;
  private readonly qkv: Linear;
  private readonly output: Linear;
  private readonly norm: LayerNorm;
  private readonly up: Linear;
  private readonly down: Linear;

  constructor(gpu: Gpu, { dim, heads, mlpRatio, conditionBlocks }: ConditionEncoderShape) {
    super(gpu);
    this.heads = heads;
    // Two branches a block are added to the stream: as in the decoder's blocks their sum is to stay near 1.
    const output = { initialiser: fanIn(1 / Math.sqrt(2 * conditionBlocks)) };
    const hidden = Math.round(dim * mlpRatio);
    this.attentionNorm = this.child("attentionNorm", new LayerNorm(gpu, dim));
    this.qkv = this.child("qkv", new Linear(gpu, dim, 3 * dim));
    this.output = this.child("output", new Linear(gpu, dim, dim, output));
    this.norm = this.child("norm", new LayerNorm(gpu, dim));
    this.up = this.child("up", new Linear(gpu, dim, hidden));
    this.down = this.child("down", new Linear(gpu, hidden, dim, output));
  }

  forward(x: Tensor): Tensor {
    return this.gpu.scope(() => {
      const attended = selfAttention(this.qkv.forward(this.attentionNorm.forward(x)), this.heads).output;
      const afterAttention = this.output.forward(attended, { residual: x });
      const hidden = this.up.forward(this.norm.forward(afterAttention), { activation: "gelu2" });
      return this.down.forward(hidden, { residual: afterAttention });
    });
  }
}

export class ConditionEncoder extends Module {
  private readonly blocks: ConditionBlock[];
  private readonly norm: LayerNorm;

  constructor(gpu: Gpu, shape: ConditionEncoderShape) {
    super(gpu);
    this.blocks = Array.from({ length: shape.conditionBlocks }, (_, i) =>
      this.child(`block${i}`, new ConditionBlock(gpu, shape)),
    );
    this.norm = this.child("norm", new LayerNorm(gpu, shape.dim));
  }

  /** The condition's vectors, masked positions included, [P, S, d] → [P, S, d]. */
  forward(condition: Tensor): Tensor {
    return this.gpu.scope(() => {
      let x = condition;
      for (const block of this.blocks) x = block.forward(x);
      return this.norm.forward(x);
    });
  }
}
