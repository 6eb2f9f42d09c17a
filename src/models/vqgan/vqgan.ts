/** VQGAN (Esser et al. 2021, "Taming Transformers") as a frozen image tokenizer: its weights come from a checkpoint. */

import { formatBytes } from "../../engine/gpu/errors.js";
import type { Gpu } from "../../engine/gpu/gpu.js";
import type { DType } from "../../engine/gpu/kernel.js";
import { Linear } from "../../engine/nn/linear.js";
import { Module } from "../../engine/nn/module.js";
import { copyInto } from "../../engine/ops/copy.js";
import { noGrad } from "../../engine/tensor/tape.js";
import { empty, type Tensor } from "../../engine/tensor/tensor.js";
import { UserError } from "../../platform/errors.js";
import type { ImageTokenizer } from "../image-tokenizer.js";
import { Decoder } from "./decoder.js";
import { Encoder } from "./encoder.js";
import { Quantizer } from "./quantizer.js";
import { gridOf, halvingsOf, type VqganShape, widthsOf } from "./shape.js";
import { leastBytes } from "./strips.js";

/** The values between pictures and codes, channels last. */
export interface VqganFeatures {
  /** The encoder's output, [B, h, w, zChannels]. */
  encoder: Tensor;
  /** After the projection to D channels, [B, h, w, D]: what the quantizer takes. */
  prequant: Tensor;
}

export class Vqgan extends Module implements ImageTokenizer {
  readonly shape: VqganShape;
  readonly imageSize: number;
  readonly quantizer: Quantizer;
  /** Bytes of the largest value of a pass: as many pictures go at once as fit, so that memory does not grow with their number. */
  passBytes = 32 * 2 ** 20;
  /** Most bytes of a value: larger pictures go in strips of rows. At most what every device can bind. */
  stripBytes: number;
  private readonly encoder: Encoder;
  private readonly decoder: Decoder;
  private readonly intoQuantizer: Linear;
  private readonly outOfQuantizer: Linear;

  /** `imageSize`: side of the square pictures of a captioner; `encodeGrid` and `decodeGrid` take any size. */
  constructor(gpu: Gpu, shape: VqganShape, imageSize: number) {
    super(gpu);
    this.shape = shape;
    this.imageSize = imageSize;
    this.stripBytes = Math.min(2 ** 27, bindable(gpu));
    this.encoder = this.child("encoder", new Encoder(gpu, shape));
    this.decoder = this.child("decoder", new Decoder(gpu, shape));
    this.quantizer = this.child("quantize", new Quantizer(gpu, shape));
    this.intoQuantizer = this.child("quant_conv", new Linear(gpu, shape.zChannels, shape.embedDim));
    this.outOfQuantizer = this.child("post_quant_conv", new Linear(gpu, shape.embedDim, shape.zChannels));
  }

  /** Side of the code grid of a square picture. */
  get side(): number {
    return gridOf(this.shape, this.imageSize, this.imageSize)[0];
  }

  /** K */
  get codeCount(): number {
    return this.shape.ids || this.shape.codes;
  }

  get codeVectors(): Tensor {
    return this.quantizer.vectors;
  }

  /** Few, where pictures are large: what is encoded so far is kept batch by batch. */
  get picturesAtOnce(): number {
    return Math.max(1, Math.min(64, Math.floor((64 * 64 ** 2) / this.imageSize ** 2)));
  }

  /** Multiply-adds of one picture through the convolutions of encoder and decoder. */
  get multiplyAdds(): number {
    const { imageSize } = this;
    const { encoder, decoder } = multiplyAdds(this.shape, imageSize, imageSize);
    return encoder + decoder;
  }

  /** Images [B, imageSize, imageSize, 3] in [-1, 1] → ids [B, side²], row by row. */
  encode(images: Tensor): Tensor<"u32"> {
    return this.gpu.scope(() => this.encodeGrid(images).reshape([images.shape[0]!, -1]));
  }

  /** Ids [B, side²] → images [B, imageSize, imageSize, 3], about in [-1, 1]. */
  decode(ids: Tensor<"u32">): Tensor {
    const { side } = this;
    return this.gpu.scope(() => this.decodeGrid(ids.reshape([ids.shape[0]!, side, side])));
  }

  /** Images [B, H, W, 3] in [-1, 1] of any size → ids [B, h, w]. */
  encodeGrid(images: Tensor): Tensor<"u32"> {
    const [batch, height, width] = images.shape as [number, number, number];
    const results = {
      label: "ids",
      dtype: "u32",
      shape: [batch, ...gridOf(this.shape, height, width)],
    } as const;
    return this.inPasses(images, [height, width], results, (some) =>
      this.quantizer.ids(this.features(some).prequant, this.stripBytes),
    );
  }

  /** Ids [B, h, w] → images [B, h·2^n, w·2^n, 3], about in [-1, 1], for n halvings. */
  decodeGrid(ids: Tensor<"u32">): Tensor {
    const factor = 2 ** halvingsOf(this.shape);
    const [batch, rows, columns] = ids.shape as [number, number, number];
    const [height, width] = [rows * factor, columns * factor];
    const results = { label: "images", dtype: "f32", shape: [batch, height, width, 3] } as const;
    return this.inPasses(ids, [height, width], results, (some) =>
      this.decodeVectors(this.quantizer.vectorsOf(some)),
    );
  }

  /** The values between images [B, H, W, 3] and their codes. */
  features(images: Tensor): VqganFeatures {
    return frozen(this.gpu, () => {
      const encoder = this.encoder.forward(images, this.stripBytes);
      return { encoder, prequant: this.intoQuantizer.forward(encoder) };
    });
  }

  /** Vectors [B, h, w, D] → images. */
  decodeVectors(vectors: Tensor): Tensor {
    return frozen(this.gpu, () =>
      this.decoder.forward(this.outOfQuantizer.forward(vectors), this.stripBytes),
    );
  }

  /** Bytes of the largest value for a picture of this size, if it is not cut into strips. */
  largestValue(height: number, width: number): number {
    const widths = widthsOf(this.shape);
    const [rows, columns] = gridOf(this.shape, height, width);
    const logits = this.shape.quantizer === "gumbel" ? rows * columns * this.shape.codes * 4 : 0;
    // The decoder doubles the resolution before it reduces the channels.
    return Math.max(
      logits,
      ...widths.map((own, i) => {
        const [rows, columns] = [Math.floor(height / 2 ** i), Math.floor(width / 2 ** i)];
        return rows * columns * Math.max(own, i + 1 < widths.length ? widths[i + 1]! : 0) * 4;
      }),
    );
  }

  /** Bytes of the largest value of which no strips are made: the picture, the grid, and what attention takes. */
  private largestWhole(height: number, width: number): number {
    const { shape } = this;
    const widths = widthsOf(shape);
    const lowest = widths.length - 1;
    const places = (i: number) => Math.floor(height / 2 ** i) * Math.floor(width / 2 ** i);
    const attention = widths.map((own, i) =>
      shape.attention.includes(i) || (i === lowest && shape.middleAttention) ? 3 * own * places(i) : 0,
    );
    const grid = Math.max(widths[lowest]!, shape.zChannels, shape.embedDim) * places(lowest);
    const rows = widths.map((own, i) =>
      leastBytes(Math.floor(width / 2 ** i), Math.max(own, widths[i + 1] ?? 0), 2 ** (lowest - i)),
    );
    return Math.max(4 * Math.max(4 * height * width, grid, ...attention), ...rows);
  }

  /** Applies `body` to as many pictures at once as `passBytes` allow, and puts the results into one tensor. */
  private inPasses<In extends DType, Out extends DType>(
    input: Tensor<In>,
    [height, width]: readonly [number, number],
    { label, dtype, shape }: { label: string; dtype: Out; shape: readonly number[] },
    body: (some: Tensor<In>) => Tensor<Out>,
  ): Tensor<Out> {
    const { gpu } = this;
    const batch = input.shape[0]!;
    this.checkSize(height, width);
    const each = Math.max(
      1,
      Math.floor(Math.min(this.passBytes, this.stripBytes) / this.largestValue(height, width)),
    );
    if (batch <= each) return frozen(gpu, () => body(input));
    return frozen(gpu, () => {
      const all = empty(gpu, shape, dtype, label);
      for (let first = 0; first < batch; first += each) {
        const count = Math.min(each, batch - first);
        gpu.scope(() => copyInto(all.slice(0, first, count), body(input.slice(0, first, count))));
      }
      return all;
    });
  }

  /** Throws a `UserError` for a picture that has no code, or one whose values this device cannot bind. */
  checkSize(height: number, width: number): void {
    const factor = 2 ** halvingsOf(this.shape);
    if (height < factor || width < factor)
      throw new UserError(
        `A picture of ${width}×${height} pixels has no code in this VQGAN: one takes ${factor}×${factor} pixels.`,
      );
    const most = bindable(this.gpu);
    const bytes = this.largestWhole(height, width);
    if (bytes <= most) return;
    let side = factor * Math.floor(Math.sqrt((most / bytes) * height * width) / factor);
    while (side > factor && this.largestWhole(side, side) > most) side -= factor;
    throw new UserError(
      `A picture of ${width}×${height} pixels needs values of ${formatBytes(bytes)} in this VQGAN, and this adapter allows ${formatBytes(most)} in one buffer: give a picture of at most ${side}×${side} pixels.`,
    );
  }
}

/** Most bytes of a value that a kernel can take. */
function bindable({ limits }: Gpu): number {
  return Math.min(limits.maxStorageBufferBindingSize, limits.maxBufferSize);
}

/** Runs `body` in a scope, off the tape: nothing here learns, and values are freed before a gradient could read them. */
function frozen<T>(gpu: Gpu, body: () => T): T {
  return gpu.scope(() => noGrad(body));
}

/** Multiply-adds of the convolutions, 1×1 ones included, and of the attention, for one picture. */
export function multiplyAdds(
  shape: VqganShape,
  height: number,
  width: number,
): { encoder: number; decoder: number } {
  const widths = widthsOf(shape);
  const lowest = widths.at(-1)!;
  const pixels = widths.map((_, i) => Math.floor(height / 2 ** i) * Math.floor(width / 2 ** i));
  const block = (at: number, inputs: number, outputs: number) =>
    at * (9 * inputs * outputs + 9 * outputs * outputs + (inputs === outputs ? 0 : inputs * outputs));
  const attention = (at: number, channels: number) => at * (4 * channels * channels + 2 * at * channels);
  const places = pixels.at(-1)!;
  const middle = 2 * block(places, lowest, lowest) + (shape.middleAttention ? attention(places, lowest) : 0);
  const level = (i: number, inputs: number, blocks: number) => {
    const [at, own] = [pixels[i]!, widths[i]!];
    const convolutions = block(at, inputs, own) + (blocks - 1) * block(at, own, own);
    return convolutions + (shape.attention.includes(i) ? blocks * attention(at, own) : 0);
  };
  const resample = (at: number, channels: number) => (shape.resampleConvolution ? at * 9 * channels ** 2 : 0);
  const quantize = places * shape.zChannels * shape.embedDim;
  let encoder =
    pixels[0]! * 9 * 3 * shape.channels + middle + places * 9 * lowest * shape.zChannels + quantize;
  encoder += places * shape.codes * (shape.quantizer === "gumbel" ? shape.zChannels : shape.embedDim);
  let decoder = places * 9 * shape.zChannels * lowest + middle + pixels[0]! * 9 * widths[0]! * 3 + quantize;
  for (const [i, own] of widths.entries()) {
    encoder += level(i, widths[i - 1] ?? shape.channels, shape.resBlocks);
    decoder += level(i, widths[i + 1] ?? lowest, shape.resBlocks + 1);
    if (i + 1 < widths.length) encoder += resample(pixels[i + 1]!, own);
    if (i > 0) decoder += resample(pixels[i - 1]!, own);
  }
  return { encoder, decoder };
}
