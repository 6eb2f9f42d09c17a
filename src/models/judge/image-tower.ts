/** The judge's image tower: convolutions, then a transformer over the places of their grid, whose class token becomes the features. */

import type { Gpu } from "../../engine/gpu/gpu.js";
import { normal } from "../../engine/nn/initialisers.js";
import { LayerNorm } from "../../engine/nn/layer-norm.js";
import { Module } from "../../engine/nn/module.js";
import { concat } from "../../engine/ops/copy.js";
import { add } from "../../engine/ops/elementwise.js";
import { linear } from "../../engine/ops/matmul.js";
import { broadcastTo } from "../../engine/ops/shapes.js";
import { ShapeError } from "../../engine/tensor/errors.js";
import type { Tensor } from "../../engine/tensor/tensor.js";
import { ClipTransformer } from "../clip/transformer.js";
import { Encoder } from "../vqvae/encoder.js";
import { type JudgeShape, towerOf } from "./shape.js";

/**
 * The VQ-VAE's encoder in place of a vision transformer's patches: small pictures are learned from sooner by convolutions (Xiao et al.
 * 2021). Each place of the grid has a learned position, so that the class token can tell left from right.
 */
export class JudgeImageTower extends Module {
  readonly imageSize: number;
  private readonly encoder: Encoder;
  private readonly classToken: Tensor;
  private readonly positions: Tensor;
  private readonly preNorm: LayerNorm;
  private readonly blocks: ClipTransformer;
  private readonly postNorm: LayerNorm;
  private readonly projection: Tensor;

  constructor(gpu: Gpu, shape: JudgeShape) {
    super(gpu);
    const { imageSize, channels, downsample, resBlocks, width, features, imageLayers } = shape;
    if (imageSize % 2 ** downsample !== 0)
      throw new ShapeError("Judge", `pictures of ${imageSize} pixels cannot be halved ${downsample} times`);
    this.imageSize = imageSize;
    const places = (imageSize / 2 ** downsample) ** 2;
    const sizes = { channels, downsample, resBlocks, attention: false, codeDim: width };
    this.encoder = this.child("encoder", new Encoder(gpu, sizes));
    this.classToken = this.parameter("classToken", [1, 1, width], normal(width ** -0.5), { decay: false });
    this.positions = this.parameter("positions", [places + 1, width], normal(width ** -0.5), {
      decay: false,
    });
    this.preNorm = this.child("preNorm", new LayerNorm(gpu, width));
    this.blocks = this.child(
      "blocks",
      new ClipTransformer(gpu, towerOf(shape, imageLayers), { causal: false }),
    );
    this.postNorm = this.child("postNorm", new LayerNorm(gpu, width));
    this.projection = this.parameter("projection", [width, features], normal(width ** -0.5));
  }

  /** Pictures [B, S, S, 3] in [-1, 1] → features [B, F], not normalised, and the grid of vectors [B, side², width] that they come from. */
  forward(pictures: Tensor): { features: Tensor; grid: Tensor } {
    const { gpu, imageSize } = this;
    const [batch = 0, ...picture] = pictures.shape;
    if (picture.join() !== [imageSize, imageSize, 3].join())
      throw new ShapeError(
        "Judge",
        `pictures [${pictures.shape.join(", ")}] should be [B, ${imageSize}, ${imageSize}, 3]`,
      );
    return gpu.scope(() => {
      const width = this.classToken.size;
      const grid = this.encoder.forward(pictures).reshape([batch, -1, width]);
      const tokens = concat([broadcastTo(this.classToken, [batch, 1, width]), grid], 1);
      const x = this.blocks.forward(this.preNorm.forward(add(tokens, this.positions)));
      const first = x.slice(1, 0, 1).reshape([batch, width]);
      return { features: linear(this.postNorm.forward(first), this.projection, null), grid };
    });
  }
}
