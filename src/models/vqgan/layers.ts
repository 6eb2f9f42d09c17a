/** Layers that VQGAN's encoder and decoder share. Parameters have the names of the public implementation's checkpoints. */

import type { Gpu } from "../../engine/gpu/gpu.js";
import { Attention } from "../../engine/nn/attention.js";
import { GroupNorm } from "../../engine/nn/group-norm.js";
import { constant, fanIn } from "../../engine/nn/initialisers.js";
import { Linear } from "../../engine/nn/linear.js";
import { Module } from "../../engine/nn/module.js";
import { conv2d } from "../../engine/ops/conv2d.js";
import { concat } from "../../engine/ops/copy.js";
import { add } from "../../engine/ops/elementwise.js";
import { avgPool2d } from "../../engine/ops/pool2d.js";
import { upsample } from "../../engine/ops/upsample.js";
import { type Tensor, zeros } from "../../engine/tensor/tensor.js";
import { NORM_GROUPS } from "./shape.js";
import { cutLike, free, groupNormOfStrips, joined, type Strips, withNeighbours } from "./strips.js";

/** x [B, H, W, C] in strips → act(group norm), 32 groups, ε = 1e-6. Activation "silu" is what the reference calls swish. */
export class Norm extends GroupNorm {
  constructor(gpu: Gpu, channels: number) {
    super(gpu, NORM_GROUPS, channels);
  }

  strips(x: Strips, { activation = "silu" }: { activation?: "none" | "silu" } = {}): Strips {
    const options = { epsilon: 1e-6, activation };
    if (x.length === 1) return [this.forward(x[0]!, options)];
    return groupNormOfStrips(x, this.groups, this.weight, this.bias, options);
  }
}

/** Zeros appended to an axis until its length is a multiple of 4. */
function padded(x: Tensor, axis: number): Tensor {
  const length = x.shape[axis]!;
  const missing = (4 - (length % 4)) % 4;
  if (missing === 0) return x;
  return concat([x, zeros(x.gpu, x.shape.toSpliced(axis, 1, missing))], axis);
}

/**
 * 3×3 convolution of x [B, H, W, I] with bias: [B, H, W, O] with zeros around the picture, or with stride 2 and zeros to the right
 * and below [B, ⌊H/2⌋, ⌊W/2⌋, O].
 */
export class Convolution extends Module {
  private readonly weight: Tensor;
  private readonly bias: Tensor;
  private readonly halves: boolean;

  constructor(gpu: Gpu, inputs: number, outputs: number, { stride }: { stride?: 2 } = {}) {
    super(gpu);
    this.halves = stride === 2;
    this.weight = this.parameter("weight", [3, 3, inputs, outputs], fanIn());
    this.bias = this.parameter("bias", [outputs], constant(0));
  }

  forward(x: Strips): Strips {
    const outputs = this.bias.size;
    const { halves } = this;
    // Rows and columns of zeros, and of the neighbouring strips, before the first; behind the last there is one.
    const above = halves ? 0 : 1;
    return this.gpu.scope(() => {
      // Kernels read and write whole vec4s: pictures get a fourth channel of zeros.
      const weight = padded(padded(this.weight, 2), 3);
      const bias = padded(this.bias, 0);
      return x.map((_, i) =>
        this.gpu.scope(() => {
          const top = i === 0 ? above : 0;
          const bottom = i === x.length - 1 ? 1 : 0;
          const y = conv2d(padded(withNeighbours(x, i, above, 1), 3), weight, {
            stride: halves ? 2 : 1,
            padding: { left: above, right: 1, top, bottom },
            bias,
          });
          return outputs % 4 === 0 ? y : y.slice(3, 0, outputs);
        }),
      );
    });
  }
}

/** x + conv(act(norm(conv(act(norm(x)))))); where channels change, a 1×1 convolution of x takes x's place. */
export class ResBlock extends Module {
  private readonly norm1: Norm;
  private readonly conv1: Convolution;
  private readonly norm2: Norm;
  private readonly conv2: Convolution;
  private readonly shortcut: Linear | null;

  constructor(gpu: Gpu, inputs: number, outputs: number) {
    super(gpu);
    this.norm1 = this.child("norm1", new Norm(gpu, inputs));
    this.conv1 = this.child("conv1", new Convolution(gpu, inputs, outputs));
    this.norm2 = this.child("norm2", new Norm(gpu, outputs));
    this.conv2 = this.child("conv2", new Convolution(gpu, outputs, outputs));
    this.shortcut = inputs === outputs ? null : this.child("nin_shortcut", new Linear(gpu, inputs, outputs));
  }

  forward(x: Strips): Strips {
    const { gpu, norm1, conv1, norm2, conv2, shortcut } = this;
    // A scope for each half frees what the next half does not read: at 256×256 a value takes 32 MiB.
    return gpu.scope(() => {
      const hidden = gpu.scope(() => conv1.forward(norm1.strips(x)));
      const normed = norm2.strips(hidden);
      free(hidden, []);
      const changes = conv2.forward(normed);
      free(normed, []);
      return x.map((strip, i) => {
        const change = changes[i]!;
        const y = shortcut ? shortcut.forward(strip, { residual: change }) : add(strip, change);
        change.dispose();
        return y;
      });
    });
  }
}

/** x + attention over all places of x [B, H, W, C]: one head of C channels, scale C^−½. Takes all places at once. */
export class GridAttention extends Module {
  private readonly norm: Norm;
  private readonly attention: Attention;

  constructor(gpu: Gpu, channels: number) {
    super(gpu);
    this.norm = this.child("norm", new Norm(gpu, channels));
    this.attention = this.child("attention", new Attention(gpu, channels, 1));
  }

  forward(x: Strips): Strips {
    return this.gpu.scope(() => {
      const whole = joined(x);
      const [batch, height, width, channels] = whole.shape as [number, number, number, number];
      const places = [batch, height * width, channels];
      const [normed] = this.norm.strips([whole], { activation: "none" });
      const y = this.attention.forward(normed!.reshape(places), { residual: whole.reshape(places) });
      return cutLike(y.reshape(whole.shape), x);
    });
  }
}

/** Residual blocks of one resolution, each followed by an attention at the levels that have it. */
export class Level extends Module {
  private readonly blocks: ResBlock[];
  private readonly attentions: GridAttention[];

  constructor(gpu: Gpu, inputs: number, outputs: number, blocks: number, attention: boolean) {
    super(gpu);
    this.blocks = Array.from({ length: blocks }, (_, i) =>
      this.child(`block.${i}`, new ResBlock(gpu, i === 0 ? inputs : outputs, outputs)),
    );
    this.attentions = attention
      ? this.blocks.map((_, i) => this.child(`attn.${i}`, new GridAttention(gpu, outputs)))
      : [];
  }

  forward(x: Strips): Strips {
    return this.gpu.scope(() => {
      let y = x;
      this.blocks.forEach((block, i) => {
        y = replaced(y, x, block.forward(y));
        const attention = this.attentions[i];
        if (attention) y = replaced(y, x, attention.forward(y));
      });
      return y;
    });
  }
}

/** Residual block, attention, residual block at the lowest resolution. */
export class Middle extends Module {
  private readonly block1: ResBlock;
  private readonly attention: GridAttention | null;
  private readonly block2: ResBlock;

  constructor(gpu: Gpu, channels: number, attention: boolean) {
    super(gpu);
    this.block1 = this.child("block_1", new ResBlock(gpu, channels, channels));
    this.attention = attention ? this.child("attn_1", new GridAttention(gpu, channels)) : null;
    this.block2 = this.child("block_2", new ResBlock(gpu, channels, channels));
  }

  forward(x: Strips): Strips {
    return this.gpu.scope(() => {
      const y = this.block1.forward(x);
      return this.block2.forward(this.attention?.forward(y) ?? y);
    });
  }
}

/** Halves the resolution: zeros to the right and below, then a 3×3 convolution with stride 2; or the mean of 2×2 pixels. */
export class Downsample extends Module {
  private readonly convolution: Convolution | null;

  constructor(gpu: Gpu, channels: number, convolution: boolean) {
    super(gpu);
    this.convolution = convolution
      ? this.child("conv", new Convolution(gpu, channels, channels, { stride: 2 }))
      : null;
  }

  /** Strips but the last have even numbers of rows. */
  forward(x: Strips): Strips {
    return this.convolution?.forward(x) ?? x.map((strip) => avgPool2d(strip, { kernel: 2, stride: 2 }));
  }
}

/** Doubles the resolution by nearest neighbours, then a 3×3 convolution if there is one. */
export class Upsample extends Module {
  private readonly convolution: Convolution | null;

  constructor(gpu: Gpu, channels: number, convolution: boolean) {
    super(gpu);
    this.convolution = convolution ? this.child("conv", new Convolution(gpu, channels, channels)) : null;
  }

  forward(x: Strips): Strips {
    return this.gpu.scope(() => {
      const large = x.map((strip) => upsample(strip, 2));
      return this.convolution?.forward(large) ?? large;
    });
  }
}

/** Returns `next` and frees the value before it, except what is the caller's `input` or goes on in `next`. */
export function replaced(value: Strips, input: Strips, next: Strips): Strips {
  free(value, [...input, ...next]);
  return next;
}
