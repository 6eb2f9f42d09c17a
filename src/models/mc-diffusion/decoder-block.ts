/** A block of the caption decoder: adaptive-norm self-attention, adaptive-norm cross-attention to the condition, MLP. */

import type { Gpu } from "../../engine/gpu/gpu.js";
import type { Float } from "../../engine/gpu/kernel.js";
import { fanIn } from "../../engine/nn/initialisers.js";
import { LayerNorm } from "../../engine/nn/layer-norm.js";
import { Linear } from "../../engine/nn/linear.js";
import { Module } from "../../engine/nn/module.js";
import { crossAttention, selfAttention } from "../../engine/ops/attention.js";
import { dropout } from "../../engine/ops/dropout.js";
import { add } from "../../engine/ops/elementwise.js";
import { adaLayerNorm } from "../../engine/ops/layer-norm.js";
import type { Rng } from "../../engine/ops/rng.js";
import type { Tensor } from "../../engine/tensor/tensor.js";

/**
 * Receives the cross-attention of each block: queries [P, R·L, d], packed keys and values [P, S + G, 2d], and the logarithm of
 * the normaliser of its weights, [P, heads, R·L].
 */
export type CrossAttentionWatcher = (
  query: Tensor<Float>,
  keyValue: Tensor<Float>,
  heads: number,
  logSumExp: Tensor,
) => void;

/** The part of the decoder's shape that a block depends on. */
export interface DecoderBlockShape {
  /** d */
  dim: number;
  heads: number;
  mlpRatio: number;
  /** Number of blocks: the branches of all are added to one stream. */
  blocks: number;
  /** Dropout probability in training. */
  dropout: number;
  /** Element type of the weights and of the values passed between them; default float32. */
  precision?: Float;
}

/** One block of the decoder, between two states of the residual stream. */
export class DecoderBlock extends Module {
  readonly heads: number;
  private readonly qkv: Linear<Float>;
  private readonly selfOutput: Linear<Float>;
  private readonly query: Linear<Float>;
  private readonly keyValue: Linear<Float>;
  private readonly crossOutput: Linear<Float>;
  private readonly norm: LayerNorm;
  private readonly up: Linear<Float>;
  private readonly down: Linear<Float>;
  private readonly dropRate: number;
  private readonly precision: Float;

  constructor(gpu: Gpu, { dim, heads, mlpRatio, blocks, dropout, precision = "f32" }: DecoderBlockShape) {
    super(gpu);
    this.precision = precision;
    this.heads = heads;
    this.dropRate = dropout;
    // Three branches per block are added to the residual stream; their outputs start small enough for the sum to stay near 1.
    const input = { dtype: precision };
    const output = { dtype: precision, initialiser: fanIn(1 / Math.sqrt(3 * blocks)) };
    const hidden = Math.round(dim * mlpRatio);
    this.qkv = this.child("qkv", new Linear(gpu, dim, 3 * dim, input));
    this.selfOutput = this.child("selfOutput", new Linear(gpu, dim, dim, output));
    this.query = this.child("query", new Linear(gpu, dim, dim, input));
    this.keyValue = this.child("keyValue", new Linear(gpu, dim, 2 * dim, input));
    this.crossOutput = this.child("crossOutput", new Linear(gpu, dim, dim, output));
    this.norm = this.child("norm", new LayerNorm(gpu, dim));
    this.up = this.child("up", new Linear(gpu, dim, hidden, input));
    this.down = this.child("down", new Linear(gpu, hidden, dim, output));
  }

  /** Keys and values of the cross-attention for a condition [B, S, d]: [B, S, 2d]. */
  keysAndValues(condition: Tensor<Float>): Tensor<Float> {
    return this.keyValue.forward(condition, { output: this.precision });
  }

  /**
   * x [B, L, d]; selfModulation and crossModulation [B, 2d]; keyValue [P, S, 2d] from `keysAndValues` → [B, L, d]. P pictures
   * serve B = R·P captions; the captions of a picture are consecutive. `watch` receives the inputs of the cross-attention.
   */
  forward(
    x: Tensor,
    selfModulation: Tensor,
    crossModulation: Tensor,
    keyValue: Tensor<Float>,
    random: Rng | null,
    watch?: CrossAttentionWatcher,
  ): Tensor {
    return this.gpu.scope(() => {
      const afterSelf = this.addBranch(x, this.selfOutput, this.attend(x, selfModulation), random);
      const query = this.queries(afterSelf, crossModulation);
      // The captions of a picture attend to the same keys: they form one long row of queries.
      const queries = query.reshape([keyValue.shape[0]!, -1, query.shape[2]!]);
      const { output, logSumExp } = crossAttention(queries, keyValue, this.heads);
      watch?.(queries, keyValue, this.heads, logSumExp);
      return this.afterCross(afterSelf, output.reshape(query.shape), random);
    });
  }

  /** Self-attention of x [B, L, d], before its last layer. */
  attend(x: Tensor, modulation: Tensor): Tensor<Float> {
    const qkv = this.qkv.forward(this.modulated(x, modulation), { output: this.precision });
    return selfAttention(qkv, this.heads).output;
  }

  /** The stream x after self-attention, from `attend`; both of one shape [..., d]. */
  afterSelf(x: Tensor, attended: Tensor<Float>): Tensor {
    return this.addBranch(x, this.selfOutput, attended, null);
  }

  /** Queries of the cross-attention from the stream after self-attention; both [..., d]. */
  queries(afterSelf: Tensor, modulation: Tensor): Tensor<Float> {
    return this.query.forward(this.modulated(afterSelf, modulation), { output: this.precision });
  }

  /** The adaptive norm of x [B, ..., d] by [B, 2d], or of any rows by one modulation [1, 2d]. */
  private modulated(x: Tensor, modulation: Tensor): Tensor<Float> {
    const stored = { output: this.precision };
    if (x.rank === 3 && x.shape[0] === modulation.shape[0]) return adaLayerNorm(x, modulation, stored);
    return adaLayerNorm(x.reshape([1, -1, x.shape.at(-1)!]), modulation, stored).reshape(x.shape);
  }

  /** The stream after cross-attention, whose weighted values are `seen`, and the MLP; all of one shape [..., d]. */
  afterCross(afterSelf: Tensor, seen: Tensor<Float>, random: Rng | null = null): Tensor {
    const stored = { output: this.precision };
    const afterCross = this.addBranch(afterSelf, this.crossOutput, seen, random);
    const normed = this.norm.forward(afterCross, stored);
    const hidden = this.up.forward(normed, { activation: "gelu2", ...stored });
    return this.addBranch(afterCross, this.down, hidden, random);
  }

  /** Adds the output of a branch's last layer to the stream, in one dispatch unless dropout comes between. */
  private addBranch(stream: Tensor, layer: Linear<Float>, input: Tensor<Float>, random: Rng | null): Tensor {
    return random && this.dropRate > 0
      ? add(stream, dropout(layer.forward(input), this.dropRate, random))
      : layer.forward(input, { residual: stream });
  }
}
