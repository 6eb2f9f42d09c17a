/** VQGAN's decoder: a grid of vectors, after the quantizer's projection, to a picture. */

import type { Gpu } from "../../engine/gpu/gpu.js";
import { Module } from "../../engine/nn/module.js";
import type { Tensor } from "../../engine/tensor/tensor.js";
import { Convolution, Level, Middle, Norm, replaced, Upsample } from "./layers.js";
import { type VqganShape, widthsOf } from "./shape.js";
import { fit, free, joined, type Strips } from "./strips.js";

export class Decoder extends Module {
  private readonly input: Convolution;
  private readonly middle: Middle;
  /** From the lowest resolution to the highest. */
  private readonly levels: {
    level: Level;
    upsample: Upsample | null;
    /** The most within the level, and those that leave it. */
    channels: { level: number; own: number };
  }[];
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
        channels: { level: Math.max(inputs, widths[i]!), own: widths[i]! },
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

  /** [B, h, w, zChannels] → images [B, h·2^n, w·2^n, 3], about in [-1, 1]. `bytes` as of the encoder. */
  forward(grid: Tensor, bytes: number): Tensor {
    return this.gpu.scope(() => {
      const input: Strips = [grid];
      let x = this.middle.forward(this.input.forward(input));
      for (const { level, upsample, channels } of this.levels) {
        x = replaced(x, input, fit(x, { bytes, channels: channels.level }));
        x = replaced(x, input, level.forward(x));
        if (!upsample) continue;
        // What is doubled in both directions has to fit.
        x = replaced(x, input, fit(x, { bytes, channels: 4 * channels.own }));
        x = replaced(x, input, upsample.forward(x));
      }
      const normed = this.norm.strips(x);
      free(x, []);
      return joined(this.output.forward(normed));
    });
  }
}
