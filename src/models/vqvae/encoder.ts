/** The convolutional encoder of the VQ-VAE, and the blocks that its decoder shares: pictures to a grid of vectors. */

import type { Gpu } from "../../engine/gpu/gpu.js";
import { constant, fanIn } from "../../engine/nn/initialisers.js";
import { Linear } from "../../engine/nn/linear.js";
import { Module } from "../../engine/nn/module.js";
import { selfAttention } from "../../engine/ops/attention.js";
import { conv2d } from "../../engine/ops/conv2d.js";
import { concat } from "../../engine/ops/copy.js";
import { groupNorm } from "../../engine/ops/group-norm.js";
import { type Tensor, zeros } from "../../engine/tensor/tensor.js";

/** The sizes of an encoder. */
export interface EncoderShape {
  /** Channels after the first halving; each further one doubles them. */
  channels: number;
  /** Width of the vectors of the grid. */
  codeDim: number;
  /** Halvings: the grid's side is that of the pictures / 2^downsample. */
  downsample: number;
  /** Residual blocks at the resolution of the grid. */
  resBlocks: number;
  /** Self-attention over the grid after the residual blocks. */
  attention: boolean;
}

const groupChannels = 8;
/** Pictures get a fourth channel of zeros inside the networks, so that convolutions read and write whole vec4s. */
export const pictureChannels = 4;

/** x [B, H, W, C] → SiLU(group norm): groups of 8 channels. */
export class Norm extends Module {
  private readonly weight: Tensor;
  private readonly bias: Tensor;
  private readonly groups: number;

  constructor(gpu: Gpu, channels: number) {
    super(gpu);
    this.groups = channels % groupChannels === 0 ? channels / groupChannels : 1;
    this.weight = this.parameter("weight", [channels], constant(1));
    this.bias = this.parameter("bias", [channels], constant(0));
  }

  forward(x: Tensor, activation: "none" | "silu" = "silu"): Tensor {
    return groupNorm(x, this.groups, this.weight, this.bias, { activation });
  }
}

/** x + conv 1×1(act(norm(conv 3×3(act(norm(x)))))), with half the channels inside. */
class ResBlock extends Module {
  private readonly normIn: Norm;
  private readonly spread: Tensor;
  private readonly normMid: Norm;
  private readonly gather: Linear;

  constructor(gpu: Gpu, channels: number) {
    super(gpu);
    const hidden = Math.max(groupChannels, channels / 2);
    this.normIn = this.child("normIn", new Norm(gpu, channels));
    this.spread = this.parameter("spread", [3, 3, channels, hidden], fanIn(Math.SQRT2));
    this.normMid = this.child("normMid", new Norm(gpu, hidden));
    // A 1×1 convolution of channels-last pictures is a linear layer.
    this.gather = this.child("gather", new Linear(gpu, hidden, channels, { initialiser: fanIn(0.5) }));
  }

  forward(x: Tensor): Tensor {
    return this.gpu.scope(() => {
      const hidden = conv2d(this.normIn.forward(x), this.spread, { padding: 1 });
      return this.gather.forward(this.normMid.forward(hidden), { residual: x });
    });
  }
}

/** x + attention over all places of the grid, one head for each 32 channels. */
class GridAttention extends Module {
  private readonly norm: Norm;
  private readonly qkv: Linear;
  private readonly output: Linear;
  private readonly heads: number;

  constructor(gpu: Gpu, channels: number) {
    super(gpu);
    this.heads = channels % 32 === 0 ? channels / 32 : 1;
    this.norm = this.child("norm", new Norm(gpu, channels));
    this.qkv = this.child("qkv", new Linear(gpu, channels, 3 * channels));
    this.output = this.child("output", new Linear(gpu, channels, channels, { initialiser: fanIn(0.5) }));
  }

  forward(x: Tensor): Tensor {
    const [batch, height, width, channels] = x.shape as [number, number, number, number];
    return this.gpu.scope(() => {
      const rows = x.reshape([batch, height * width, channels]);
      const normed = this.norm.forward(x, "none").reshape(rows.shape);
      const attended = selfAttention(this.qkv.forward(normed), this.heads).output;
      return this.output.forward(attended, { residual: rows }).reshape(x.shape);
    });
  }
}

/** Channels at each resolution, from the first halving down to the code grid. */
export function widths({ channels, downsample }: EncoderShape): number[] {
  return Array.from({ length: downsample }, (_, level) => channels * 2 ** level);
}

/** The layers of the encoder and of the decoder at the resolution of the code grid. */
export class Bottom extends Module {
  private readonly blocks: ResBlock[];
  private readonly attention: GridAttention | null;
  private readonly norm: Norm;

  constructor(gpu: Gpu, channels: number, { resBlocks, attention }: EncoderShape) {
    super(gpu);
    this.blocks = Array.from({ length: resBlocks }, (_, i) =>
      this.child(`block${i}`, new ResBlock(gpu, channels)),
    );
    this.attention = attention ? this.child("attention", new GridAttention(gpu, channels)) : null;
    this.norm = this.child("norm", new Norm(gpu, channels));
  }

  forward(x: Tensor): Tensor {
    let y = x;
    for (const block of this.blocks) y = block.forward(y);
    if (this.attention) y = this.attention.forward(y);
    return this.norm.forward(y);
  }
}

/** Images → grid of vectors: a 4×4 convolution with stride 2 for each halving, then the residual blocks. */
export class Encoder extends Module {
  private readonly halvings: { weight: Tensor; bias: Tensor; norm: Norm | null }[];
  private readonly bottom: Bottom;
  private readonly output: Linear;

  constructor(gpu: Gpu, shape: EncoderShape) {
    super(gpu);
    const levels = widths(shape);
    this.halvings = levels.map((outputs, level) => {
      const inputs = level === 0 ? pictureChannels : levels[level - 1]!;
      return {
        norm: level === 0 ? null : this.child(`norm${level}`, new Norm(gpu, inputs)),
        weight: this.parameter(`halve${level}.weight`, [4, 4, inputs, outputs], fanIn(Math.SQRT2)),
        bias: this.parameter(`halve${level}.bias`, [outputs], constant(0)),
      };
    });
    this.bottom = this.child("bottom", new Bottom(gpu, levels.at(-1)!, shape));
    this.output = this.child("output", new Linear(gpu, levels.at(-1)!, shape.codeDim));
  }

  /** [B, S, S, 3] → [B, h, w, D] */
  forward(images: Tensor): Tensor {
    return this.gpu.scope(() => {
      const [batch, height, width] = images.shape as [number, number, number, number];
      let x = concat([images, zeros(this.gpu, [batch, height, width, 1])], 3);
      for (const { norm, weight, bias } of this.halvings) {
        x = conv2d(norm ? norm.forward(x) : x, weight, { stride: 2, padding: 1, bias });
      }
      return this.output.forward(this.bottom.forward(x));
    });
  }
}
