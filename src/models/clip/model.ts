/** CLIP (Radford et al. 2021): pictures and texts as vectors of one space, near where a text describes a picture. */

import type { Gpu } from "../../engine/gpu/gpu.js";
import { constant } from "../../engine/nn/initialisers.js";
import { Module } from "../../engine/nn/module.js";
import type { Tensor } from "../../engine/tensor/tensor.js";
import { ClipImageTower } from "./image-tower.js";
import type { ClipShape } from "./shape.js";
import { ClipTextTower } from "./text-tower.js";

/** Both towers and the scale of their cosines, differentiable as every module. */
export class ClipModel extends Module {
  readonly shape: ClipShape;
  readonly image: ClipImageTower;
  readonly text: ClipTextTower;
  /** The logarithm of the factor by which cosines become logits: one number. */
  readonly logitScale: Tensor;

  constructor(gpu: Gpu, shape: ClipShape) {
    super(gpu);
    this.shape = shape;
    this.image = this.child("image", new ClipImageTower(gpu, shape));
    this.text = this.child("text", new ClipTextTower(gpu, shape));
    this.logitScale = this.parameter("logitScale", [1], constant(Math.log(1 / 0.07)), { decay: false });
  }
}
