/** VQGAN's decoder: a grid of vectors, after the quantizer's projection, to a picture. */

import type { Gpu } from "../../engine/gpu/gpu.js";
import { Module } from "../../engine/nn/module.js";
import type { Tensor } from "../../engine/tensor/tensor.js";
import { Convolution, Level, Middle, Norm, replaced, Upsample } from "./layers.js";
import { type VqganShape, widthsOf } from "./shape.js";

export class Decoder extends Module {
  private readonly input: Convolution;
  private readonly middle: Middle;
  /** From the lowest resolution to the highest. */
  private readonly levels: { level: Level; upsample: Upsample | null }[];
  private readonly norm: Norm;
  private readonly output: Convolution;

  constructor(gpu: Gpu, shape: VqganShape) {
    super(gpu);
    const widths = widthsOf(shape);
    const lowest = widths.at(-1)!;
    this.input = this.child("conv_in", new Convolution(gpu, shape.zChannels, lowest));
    this.middle = this.child("mid", new Middle(gpu, lowest, shape.middleAttention));
    // Checkpoints number the levels by resolution, as the encoder does: the last one runs first.
    const order = widths.map((_, i) => i).reverse();
    this.levels = order.map((i) => {
      const inputs = widths[i + 1] ?? lowest;
      const attention = shape.attention.includes(i);
      return {
        level: this.child(`up.${i}`, new Level(gpu, inputs, widths[i]!, shape.resBlocks + 1, attention)),
        upsample:
          i > 0
            ? this.child(`up.${i}.upsample`, new Upsample(gpu, widths[i]!, shape.resampleConvolution))
            : null,
      };
    });
    this.norm = this.child("norm_out", new Norm(gpu, widths[0]!));
    this.output = this.child("conv_out", new Convolution(gpu, widths[0]!, 3));
  }

  /** [B, h, w, zChannels] → images [B, h·2^n, w·2^n, 3], about in [-1, 1]. */
  forward(grid: Tensor): Tensor {
    return this.gpu.scope(() => {
      let x = this.middle.forward(this.input.forward(grid));
      for (const { level, upsample } of this.levels) {
        x = replaced(x, grid, level.forward(x));
        if (upsample) x = replaced(x, grid, upsample.forward(x));
      }
      const normed = this.norm.forward(x);
      x.dispose();
      return this.output.forward(normed);
    });
  }
}
