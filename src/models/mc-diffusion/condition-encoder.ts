/**
 * Processes the condition before the caption attends to it. The paper's decoder reads each code separately; with few blocks it
 * must then recognise things through the caption's cross-attention. Here neighbouring positions can first be convolved, which finds
 * things wherever they lie. Then all positions can attend to each other (blocks of self-attention), and a few additional entries can
 * summarise the whole grid (an MLP over all positions, which finds things at a fixed place faster than attention does). Nothing of
 * this depends on x_t or t, so a sampler runs it once per picture.
 */

import type { Gpu } from "../../engine/gpu/gpu.js";
import type { Float } from "../../engine/gpu/kernel.js";
import { fanIn } from "../../engine/nn/initialisers.js";
import { LayerNorm } from "../../engine/nn/layer-norm.js";
import { Linear } from "../../engine/nn/linear.js";
import { Module } from "../../engine/nn/module.js";
import { selfAttention } from "../../engine/ops/attention.js";
import { concat } from "../../engine/ops/copy.js";
import type { Tensor } from "../../engine/tensor/tensor.js";
import { type ConditionConvsShape, ConvBlock } from "./condition-convs.js";

export interface ConditionEncoderShape extends ConditionConvsShape {
  heads: number;
  mlpRatio: number;
  /** Blocks of self-attention and MLP; 0: the positions stay as they are. */
  conditionBlocks: number;
  /** G: entries that summarise the grid; 0: none. */
  summaryTokens: number;
  /** As in the decoder's shape. */
  precision?: Float;
}

class ConditionBlock extends Module {
  private readonly heads: number;
  private readonly precision: Float;
  private readonly attentionNorm: LayerNorm;
  private readonly qkv: Linear<Float>;
  private readonly output: Linear<Float>;
  private readonly norm: LayerNorm;
  private readonly up: Linear<Float>;
  private readonly down: Linear<Float>;

  constructor(gpu: Gpu, { dim, heads, mlpRatio, conditionBlocks, precision = "f32" }: ConditionEncoderShape) {
    super(gpu);
    this.precision = precision;
    this.heads = heads;
    // Two branches per block are added to the stream: as in the decoder's blocks their sum should stay near 1.
    const input = { dtype: precision };
    const output = { dtype: precision, initialiser: fanIn(1 / Math.sqrt(2 * conditionBlocks)) };
    const hidden = Math.round(dim * mlpRatio);
    this.attentionNorm = this.child("attentionNorm", new LayerNorm(gpu, dim));
    this.qkv = this.child("qkv", new Linear(gpu, dim, 3 * dim, input));
    this.output = this.child("output", new Linear(gpu, dim, dim, output));
    this.norm = this.child("norm", new LayerNorm(gpu, dim));
    this.up = this.child("up", new Linear(gpu, dim, hidden, input));
    this.down = this.child("down", new Linear(gpu, hidden, dim, output));
  }

  forward(x: Tensor): Tensor {
    const stored = { output: this.precision };
    return this.gpu.scope(() => {
      const qkv = this.qkv.forward(this.attentionNorm.forward(x, stored), stored);
      const attended = selfAttention(qkv, this.heads).output;
      const afterAttention = this.output.forward(attended, { residual: x });
      const normed = this.norm.forward(afterAttention, stored);
      const hidden = this.up.forward(normed, { activation: "gelu2", ...stored });
      return this.down.forward(hidden, { residual: afterAttention });
    });
  }
}

/** Numbers per position for the summary: few, so that the layer over all positions stays small. */
export const squeezedWidth = 16;

/** [P, S, d] → [P, G, d]: squeezes every position, then passes all of them through one hidden layer. */
class Summary extends Module {
  private readonly shape: ConditionEncoderShape;
  private readonly squeeze: Linear<Float>;
  private readonly up: Linear<Float>;
  private readonly down: Linear<Float>;
  private readonly norm: LayerNorm;

  constructor(gpu: Gpu, shape: ConditionEncoderShape) {
    super(gpu);
    const { dim, side, mlpRatio, summaryTokens, precision: dtype } = shape;
    const hidden = Math.round(dim * mlpRatio);
    this.shape = shape;
    this.squeeze = this.child("squeeze", new Linear(gpu, dim, squeezedWidth, { dtype }));
    this.up = this.child("up", new Linear(gpu, side * side * squeezedWidth, hidden, { dtype }));
    this.down = this.child("down", new Linear(gpu, hidden, summaryTokens * dim, { dtype }));
    this.norm = this.child("norm", new LayerNorm(gpu, dim));
  }

  forward(condition: Tensor): Tensor {
    const { dim, summaryTokens, precision: output } = this.shape;
    const [pictures, positions] = condition.shape as [number, number, number];
    return this.gpu.scope(() => {
      const squeezed = this.squeeze.forward(condition, { output });
      const all = squeezed.reshape([pictures, positions * squeezedWidth]);
      const hidden = this.up.forward(all, { activation: "gelu2", output });
      return this.norm.forward(this.down.forward(hidden).reshape([pictures, summaryTokens, dim]));
    });
  }
}

/** Whether decoders of this shape process the condition at all. */
export function encodesCondition(
  shape: Pick<ConditionEncoderShape, "conditionConvs" | "conditionBlocks" | "summaryTokens">,
): boolean {
  return (shape.conditionConvs ?? 0) + shape.conditionBlocks + shape.summaryTokens > 0;
}

/**
 * Convolutions, then blocks of self-attention, then a layer norm if there are any of these. The summary reads the convolved positions,
 * before the blocks.
 */
export class ConditionEncoder extends Module {
  private readonly convs: ConvBlock[];
  private readonly blocks: ConditionBlock[];
  private readonly norm: LayerNorm | null;
  private readonly summary: Summary | null;

  constructor(gpu: Gpu, shape: ConditionEncoderShape) {
    super(gpu);
    const { conditionConvs = 0, conditionBlocks } = shape;
    this.convs = Array.from({ length: conditionConvs }, (_, i) =>
      this.child(`conv${i}`, new ConvBlock(gpu, shape)),
    );
    this.blocks = Array.from({ length: conditionBlocks }, (_, i) =>
      this.child(`block${i}`, new ConditionBlock(gpu, shape)),
    );
    this.norm =
      conditionConvs + conditionBlocks > 0 ? this.child("norm", new LayerNorm(gpu, shape.dim)) : null;
    this.summary = shape.summaryTokens > 0 ? this.child("summary", new Summary(gpu, shape)) : null;
  }

  /** The condition's vectors, masked positions included, [P, S, d] → [P, S + G, d], the summary last. */
  forward(condition: Tensor): Tensor {
    return this.gpu.scope(() => {
      let convolved = condition;
      for (const conv of this.convs) convolved = conv.forward(convolved);
      let x = convolved;
      for (const block of this.blocks) x = block.forward(x);
      const positions = this.norm?.forward(x) ?? x;
      return this.summary ? concat([positions, this.summary.forward(convolved)], 1) : positions;
    });
  }
}
