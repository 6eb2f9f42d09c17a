/** A block of the autoregressive transformer: that of the diffusion decoder with a causal order and without a step t. */

import type { Gpu } from "../../engine/gpu/gpu.js";
import { fanIn } from "../../engine/nn/initialisers.js";
import { LayerNorm } from "../../engine/nn/layer-norm.js";
import { Linear } from "../../engine/nn/linear.js";
import { Module } from "../../engine/nn/module.js";
import { crossAttention } from "../../engine/ops/attention.js";
import { copyInto } from "../../engine/ops/copy.js";
import { dropout } from "../../engine/ops/dropout.js";
import { add } from "../../engine/ops/elementwise.js";
import { maskedCrossAttention, maskedSelfAttention } from "../../engine/ops/masked-attention.js";
import type { Rng } from "../../engine/ops/rng.js";
import type { Tensor } from "../../engine/tensor/tensor.js";

/** Sizes of a block. */
export interface CausalBlockShape {
  /** d */
  dim: number;
  heads: number;
  /** Hidden units of the MLP. */
  hidden: number;
  /** Blocks of the network; the initial values depend on it. */
  blocks: number;
  dropout: number;
}

/**
 * x + selfAttention(norm(x)), + crossAttention(norm(x), condition), + MLP(norm(x)): the diffusion decoder's block with plain layer
 * norms instead of those modulated by t.
 */
export class CausalBlock extends Module {
  private readonly heads: number;
  private readonly dropRate: number;
  private readonly selfNorm: LayerNorm;
  private readonly qkv: Linear;
  private readonly selfOutput: Linear;
  private readonly crossNorm: LayerNorm;
  private readonly query: Linear;
  private readonly keyValue: Linear;
  private readonly crossOutput: Linear;
  private readonly norm: LayerNorm;
  private readonly up: Linear;
  private readonly down: Linear;

  constructor(gpu: Gpu, { dim, heads, hidden, blocks, dropout }: CausalBlockShape) {
    super(gpu);
    this.heads = heads;
    this.dropRate = dropout;
    // As in the diffusion decoder the sum of three branches per block stays near 1.
    const output = { initialiser: fanIn(1 / Math.sqrt(3 * blocks)) };
    this.selfNorm = this.child("selfNorm", new LayerNorm(gpu, dim));
    this.qkv = this.child("qkv", new Linear(gpu, dim, 3 * dim));
    this.selfOutput = this.child("selfOutput", new Linear(gpu, dim, dim, output));
    this.crossNorm = this.child("crossNorm", new LayerNorm(gpu, dim));
    this.query = this.child("query", new Linear(gpu, dim, dim));
    this.keyValue = this.child("keyValue", new Linear(gpu, dim, 2 * dim));
    this.crossOutput = this.child("crossOutput", new Linear(gpu, dim, dim, output));
    this.norm = this.child("norm", new LayerNorm(gpu, dim));
    this.up = this.child("up", new Linear(gpu, dim, hidden));
    this.down = this.child("down", new Linear(gpu, hidden, dim, output));
  }

  /** Keys and values of the cross-attention for a condition [P, S, d]: [P, S, 2d]. */
  keysAndValues(condition: Tensor): Tensor {
    return this.keyValue.forward(condition);
  }

  /** x [B, L', d], seen [P, S, 2d] of P pictures → [B, L', d]: position i looks at positions up to i. */
  forward(x: Tensor, seen: Tensor, random: Rng | null): Tensor {
    return this.gpu.scope(() => {
      const qkv = this.qkv.forward(this.selfNorm.forward(x));
      const attended = maskedSelfAttention(qkv, this.heads, { causal: true }).output;
      return this.rest(x, attended, seen, random);
    });
  }

  /**
   * The same for the position `place` alone: x [B, 1, d]. `memory` [B, L, 2d] holds keys and values of the positions before, and
   * gets this position's.
   */
  step(x: Tensor, seen: Tensor, memory: Tensor, place: number): Tensor {
    return this.gpu.scope(() => {
      const qkv = this.qkv.forward(this.selfNorm.forward(x));
      const dim = x.shape[2]!;
      copyInto(memory.slice(1, place, 1), qkv.slice(2, dim, 2 * dim));
      const query = qkv.slice(2, 0, dim);
      const attended = maskedCrossAttention(query, memory.slice(1, 0, place + 1), this.heads).output;
      return this.rest(x, attended, seen, null);
    });
  }

  /** What follows the self-attention. */
  private rest(x: Tensor, attended: Tensor, seen: Tensor, random: Rng | null): Tensor {
    const drops = random !== null && this.dropRate > 0;
    /** Adds the output of a branch's last layer to the stream, in one dispatch unless dropout comes between. */
    const addBranch = (stream: Tensor, layer: Linear, input: Tensor) =>
      drops
        ? add(stream, dropout(layer.forward(input), this.dropRate, random))
        : layer.forward(input, { residual: stream });
    const afterSelf = addBranch(x, this.selfOutput, attended);
    const query = this.query.forward(this.crossNorm.forward(afterSelf));
    // The captions of a picture attend to the same keys: they form one long row of queries.
    const queries = query.reshape([seen.shape[0]!, -1, query.shape[2]!]);
    const looked = crossAttention(queries, seen, this.heads).output.reshape(query.shape);
    const afterCross = addBranch(afterSelf, this.crossOutput, looked);
    const hidden = this.up.forward(this.norm.forward(afterCross), { activation: "gelu2" });
    return addBranch(afterCross, this.down, hidden);
  }
}
