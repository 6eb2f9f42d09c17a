/** VQGAN's encoder: pictures to a grid of vectors, before the quantizer's projection. */

import type { Gpu } from "../../engine/gpu/gpu.js";
import { Module } from "../../engine/nn/module.js";
import type { Tensor } from "../../engine/tensor/tensor.js";
import { Convolution, Downsample, Level, Middle, Norm, replaced } from "./layers.js";
import { halvingsOf, type VqganShape, widthsOf } from "./shape.js";

export class Encoder extends Module {
  private readonly input: Convolution;
  private readonly levels: { level: Level; downsample: Downsample | null }[];
  private readonly middle: Middle;
  private readonly norm: Norm;
  private readonly output: Convolution;

  constructor(gpu: Gpu, shape: VqganShape) {
    super(gpu);
    const widths = widthsOf(shape);
    this.input = this.child("conv_in", new Convolution(gpu, 3, shape.channels));
    this.levels = widths.map((width, i) => {
      const inputs = i === 0 ? shape.channels : widths[i - 1]!;
      const attention = shape.attention.includes(i);
      return {
        level: this.child(`down.${i}`, new Level(gpu, inputs, width, shape.resBlocks, attention)),
        downsample:
          i < halvingsOf(shape)
            ? this.child(`down.${i}.downsample`, new Downsample(gpu, width, shape.resampleConvolution))
            : null,
      };
    });
    const lowest = widths.at(-1)!;
    this.middle = this.child("mid", new Middle(gpu, lowest, shape.middleAttention));
    this.norm = this.child("norm_out", new Norm(gpu, lowest));
    this.output = this.child("conv_out", new Convolution(gpu, lowest, shape.zChannels));
  }

  /** Images [B, H, W, 3] in [-1, 1] → [B, ⌊H/2^n⌋, ⌊W/2^n⌋, zChannels] after n halvings. */
  forward(images: Tensor): Tensor {
    return this.gpu.scope(() => {
      let x = this.input.forward(images);
      for (const { level, downsample } of this.levels) {
        x = replaced(x, images, level.forward(x));
        if (downsample) x = replaced(x, images, downsample.forward(x));
      }
      return this.output.forward(this.norm.forward(this.middle.forward(x)));
    });
  }
}
