/** CLIP's image tower: a vision transformer (Dosovitskiy et al. 2021) whose class token becomes the features. */

import type { Gpu } from "../../engine/gpu/gpu.js";
import { normal } from "../../engine/nn/initialisers.js";
import { LayerNorm } from "../../engine/nn/layer-norm.js";
import { Module } from "../../engine/nn/module.js";
import { concat, contiguous } from "../../engine/ops/copy.js";
import { add } from "../../engine/ops/elementwise.js";
import { linear } from "../../engine/ops/matmul.js";
import { broadcastTo, permute } from "../../engine/ops/shapes.js";
import { ShapeError } from "../../engine/tensor/errors.js";
import type { Tensor } from "../../engine/tensor/tensor.js";
import type { ClipShape } from "./shape.js";
import { ClipTransformer } from "./transformer.js";

/** Number of channels of a picture. */
const rgb = 3;

export class ClipImageTower extends Module {
  readonly imageSize: number;
  readonly patchSize: number;
  private readonly patches: Tensor;
  private readonly classToken: Tensor;
  private readonly positions: Tensor;
  private readonly preNorm: LayerNorm;
  private readonly blocks: ClipTransformer;
  private readonly postNorm: LayerNorm;
  private readonly projection: Tensor;
  private readonly epsilon: number;

  constructor(gpu: Gpu, { image: shape, features }: ClipShape) {
    super(gpu);
    const { imageSize, patchSize, width } = shape;
    this.imageSize = imageSize;
    this.patchSize = patchSize;
    this.epsilon = shape.epsilon;
    const tokens = (imageSize / patchSize) ** 2 + 1;
    const initialiser = normal(width ** -0.5);
    this.patches = this.parameter("patches", [patchSize, patchSize, rgb, width], normal(0.02));
    this.classToken = this.parameter("classToken", [1, 1, width], initialiser);
    this.positions = this.parameter("positions", [tokens, width], initialiser);
    this.preNorm = this.child("preNorm", new LayerNorm(gpu, width));
    this.blocks = this.child("blocks", new ClipTransformer(gpu, shape, { causal: false }));
    this.postNorm = this.child("postNorm", new LayerNorm(gpu, width));
    this.projection = this.parameter("projection", [width, features], initialiser);
  }

  /** Pictures [B, imageSize, imageSize, 3], normalised as by `clipPixels` → features [B, features], not normalised. */
  forward(pictures: Tensor): Tensor {
    const { gpu, imageSize, patchSize, epsilon } = this;
    const [batch = 0, ...picture] = pictures.shape;
    if (picture.join() !== [imageSize, imageSize, rgb].join())
      throw new ShapeError(
        "ClipImageTower",
        `pictures [${pictures.shape.join(", ")}] should be [B, ${imageSize}, ${imageSize}, ${rgb}]`,
      );
    const side = imageSize / patchSize;
    const width = this.classToken.size;
    return gpu.scope(() => {
      // A convolution whose stride is its kernel is a product: one row of numbers a patch.
      const rows = patchSize * patchSize * rgb;
      const cut = permute(pictures.reshape([batch, side, patchSize, side, patchSize * rgb]), [0, 1, 3, 2, 4]);
      const patches = linear(
        contiguous(cut).reshape([batch, side * side, rows]),
        this.patches.reshape([rows, width]),
        null,
      );
      const tokens = concat([broadcastTo(this.classToken, [batch, 1, width]), patches], 1);
      const x = this.preNorm.forward(add(tokens, this.positions), { epsilon });
      const first = this.blocks.forward(x).slice(1, 0, 1).reshape([batch, width]);
      return linear(this.postNorm.forward(first, { epsilon }), this.projection, null);
    });
  }
}
