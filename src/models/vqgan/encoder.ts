/** VQGAN's encoder: pictures to a grid of vectors, before the quantizer's projection. */

import type { Gpu } from "../../engine/gpu/gpu.js";
import { Module } from "../../engine/nn/module.js";
import type { Tensor } from "../../engine/tensor/tensor.js";
import { Convolution, Downsample, Level, Middle, Norm, replaced } from "./layers.js";
import { halvingsOf, type VqganShape, widthsOf } from "./shape.js";
import { fit, joined, type Strips } from "./strips.js";

export class Encoder extends Module {
  /** Channels of each level. */
  private readonly widths: readonly number[];
  private readonly input: Convolution;
  private readonly levels: { level: Level; downsample: Downsample | null }[];
  private readonly middle: Middle;
  private readonly norm: Norm;
  private readonly output: Convolution;

  constructor(gpu: Gpu, shape: VqganShape) {
    super(gpu);
    const widths = widthsOf(shape);
    this.widths = widths;
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

  /**
   * Images [B, H, W, 3] in [-1, 1] → [B, ⌊H/2^n⌋, ⌊W/2^n⌋, zChannels] after n halvings. No value between has more than `bytes`: a
   * picture is cut into strips of rows if it must be.
   */
  forward(images: Tensor, bytes: number): Tensor {
    const { widths } = this;
    return this.gpu.scope(() => {
      const input: Strips = [images];
      const halvings = widths.length - 1;
      let x = fit(input, { bytes, channels: widths[0]!, unit: 2 ** halvings });
      x = replaced(x, input, this.input.forward(x));
      this.levels.forEach(({ level, downsample }, i) => {
        const channels = Math.max(widths[i]!, widths[i - 1] ?? 0);
        x = replaced(x, input, fit(x, { bytes, channels, unit: 2 ** (halvings - i) }));
        x = replaced(x, input, level.forward(x));
        if (downsample) x = replaced(x, input, downsample.forward(x));
      });
      return joined(this.output.forward(this.norm.strips(this.middle.forward(x))));
    });
  }
}
