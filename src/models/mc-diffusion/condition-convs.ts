/**
 * Residual 3×3 convolutions over the code grid. An object can lie anywhere in a picture: a convolution recognises a pattern of
 * neighbouring codes wherever it lies, which attention with learned places has to learn for each place.
 *
 * Each place is normalised by itself. Statistics of the whole grid, as in group norm, would let a hidden region change places far
 * away. With layer norm a stack of n blocks reads n places in each direction and no others, and away from the borders it commutes
 * with translations of the grid.
 */

import type { Gpu } from "../../engine/gpu/gpu.js";
import { constant, fanIn } from "../../engine/nn/initialisers.js";
import { LayerNorm } from "../../engine/nn/layer-norm.js";
import { Linear } from "../../engine/nn/linear.js";
import { Module } from "../../engine/nn/module.js";
import { conv2d } from "../../engine/ops/conv2d.js";
import { gelu2 } from "../../engine/ops/elementwise.js";
import type { Tensor } from "../../engine/tensor/tensor.js";

/** Sizes of the convolutions. */
export interface ConditionConvsShape {
  /** d */
  dim: number;
  /** The code grid is side × side, S = side² positions. */
  side: number;
  /** Blocks; default 0. */
  conditionConvs?: number;
}

/** Channels between the two layers of a block: ⌈d/2⌉. */
const hiddenWidth = (dim: number) => Math.ceil(dim / 2);

/**
 * x + gelu2(conv 3×3(layerNorm(x)) + b)·W + c for x [P, S, d], with zeros around the grid. Always float32: `conv2d` has no other
 * type.
 */
export class ConvBlock extends Module {
  private readonly side: number;
  private readonly norm: LayerNorm;
  private readonly filter: Tensor;
  private readonly bias: Tensor;
  private readonly output: Linear;

  constructor(gpu: Gpu, { dim, side, conditionConvs = 1 }: ConditionConvsShape) {
    super(gpu);
    const hidden = hiddenWidth(dim);
    this.side = side;
    this.norm = this.child("norm", new LayerNorm(gpu, dim));
    this.filter = this.parameter("conv.weight", [3, 3, dim, hidden], fanIn());
    this.bias = this.parameter("conv.bias", [hidden], constant(0));
    // One branch per block is added to the stream: the sum of all should stay near 1.
    const initialiser = fanIn(1 / Math.sqrt(conditionConvs));
    this.output = this.child("output", new Linear(gpu, hidden, dim, { initialiser }));
  }

  forward(x: Tensor): Tensor {
    const [pictures, positions, dim] = x.shape as [number, number, number];
    return this.gpu.scope(() => {
      const grid = this.norm.forward(x).reshape([pictures, this.side, this.side, dim]);
      const hidden = gelu2(conv2d(grid, this.filter, { padding: 1, bias: this.bias }));
      return this.output.forward(hidden.reshape([pictures, positions, hidden.shape[3]!]), { residual: x });
    });
  }
}

/** Multiply-adds of the convolutions for one picture. */
export function convMultiplyAdds({ dim, side, conditionConvs = 0 }: ConditionConvsShape): number {
  return conditionConvs * side * side * (9 + 1) * dim * hiddenWidth(dim);
}
