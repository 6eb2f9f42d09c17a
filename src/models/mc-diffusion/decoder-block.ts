/**
 * A block of the caption decoder, as in VQ-Diffusion: adaptive-norm self-attention over the caption, adaptive-norm
 * cross-attention to the codes, MLP.
 */

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
import type { DecoderShape } from "./decoder-shape.js";

/** The part of the decoder's shape that a block depends on. */
export type DecoderBlockShape = Pick<
  DecoderShape,
  "dim" | "heads" | "mlpRatio" | "blocks" | "dropout" | "precision"
>;

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

/** One block of the decoder, between two states of the residual stream. */
export class DecoderBlock extends Module {
  private readonly heads: number;
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
    const drop = (y: Tensor) => (random && this.dropRate > 0 ? dropout(y, this.dropRate, random) : y);
    /** Adds the output of the branch's last layer to the stream, in one dispatch unless dropout comes between. */
    const addBranch = (stream: Tensor, layer: Linear<Float>, input: Tensor<Float>) =>
      random && this.dropRate > 0
        ? add(stream, drop(layer.forward(input)))
        : layer.forward(input, { residual: stream });
    const stored = { output: this.precision };
    return this.gpu.scope(() => {
      const qkv = this.qkv.forward(adaLayerNorm(x, selfModulation, stored), stored);
      const attended = selfAttention(qkv, this.heads).output;
      const afterSelf = addBranch(x, this.selfOutput, attended);
      const query = this.query.forward(adaLayerNorm(afterSelf, crossModulation, stored), stored);
      // The captions of a picture attend to the same keys: they form one long row of queries.
      const queries = query.reshape([keyValue.shape[0]!, -1, query.shape[2]!]);
      const { output, logSumExp } = crossAttention(queries, keyValue, this.heads);
      watch?.(queries, keyValue, this.heads, logSumExp);
      const afterCross = addBranch(afterSelf, this.crossOutput, output.reshape(query.shape));
      const normed = this.norm.forward(afterCross, stored);
      const hidden = this.up.forward(normed, { activation: "gelu2", ...stored });
      return addBranch(afterCross, this.down, hidden);
    });
  }
}
