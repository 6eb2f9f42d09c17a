/**
 * The judge: pictures and captions as vectors of one space, near where a caption is true of a picture. Trained as CLIP (Radford et al.
 * 2021), with false captions as further columns (Yuksekgonul et al. 2023).
 */

import type { Gpu } from "../../engine/gpu/gpu.js";
import { constant } from "../../engine/nn/initialisers.js";
import { Linear } from "../../engine/nn/linear.js";
import { Module } from "../../engine/nn/module.js";
import { copyInto } from "../../engine/ops/copy.js";
import { crossEntropy } from "../../engine/ops/cross-entropy.js";
import { add, clamp, exp, mul, scale } from "../../engine/ops/elementwise.js";
import { rsqrt } from "../../engine/ops/functions.js";
import { matmul } from "../../engine/ops/matmul.js";
import { sumSquares } from "../../engine/ops/reduce.js";
import { ShapeError } from "../../engine/tensor/errors.js";
import { fromArray, type Tensor } from "../../engine/tensor/tensor.js";
import { ClipTextTower } from "../clip/text-tower.js";
import type { BatchLoss, Objective } from "../objective.js";
import { JudgeImageTower } from "./image-tower.js";
import { type JudgeShape, textTowerOf } from "./shape.js";

/** Largest factor by which cosines become logits, as in CLIP. */
const mostScale = 100;

/** x [N, F] → its rows with length 1: x / √(Σ x² + 10⁻¹²). */
export function normalised(x: Tensor): Tensor {
  return mul(x, rsqrt(scale(sumSquares(x, [1], { keepDims: true }), 1, 1e-12)));
}

/**
 * CLIP's loss with false captions: pictures I [B, F] and texts [B·(1 + K), F], row i < B the caption of picture i and the others false
 * ones; all rows of length 1, `logitScale` [1] the logarithm of the factor s.
 *
 *     L = ½ · mean_i −log softmax_j(s · I_i · T_j)[i]  over all texts j
 *       + ½ · mean_i −log softmax_j(s · T_i · I_j)[i]  over the pictures j
 *
 * A caption that is false of its own picture is nearly always false of the others, so it is a column for all of them.
 */
export function contrastiveLoss(
  images: Tensor,
  texts: Tensor,
  logitScale: Tensor,
  targets: Tensor<"u32">,
): { total: Tensor; ofPictures: Tensor; ofCaptions: Tensor } {
  const { gpu } = images;
  const [batch, features] = images.shape as [number, number];
  const [all = 0, width] = texts.shape;
  if (width !== features || all % batch !== 0 || all === 0 || targets.size !== batch)
    throw new ShapeError(
      "contrastiveLoss",
      `pictures ${images}, texts ${texts} and targets ${targets}: texts should be [B·(1 + K), F]`,
    );
  return gpu.scope(() => {
    const factor = exp(logitScale);
    const scaled = mul(images, factor);
    const ofPictures = crossEntropy(matmul(scaled, texts, { transposeB: true }), targets).loss;
    const own = texts.slice(0, 0, batch);
    const ofCaptions = crossEntropy(matmul(own, scaled, { transposeB: true }), targets).loss;
    return { total: scale(add(ofPictures, ofCaptions), 0.5), ofPictures, ofCaptions };
  });
}

/** What a batch of the judge's training holds. */
export type JudgeBatch = [
  /** [B, S, S, 3] in [-1, 1]. */
  images: Tensor,
  /** u32 [B·(1 + K), T]: the captions, then the false ones. */
  ids: Tensor<"u32">,
  /** u32 [B·(1 + K)]: the number of the end token of each among all ids. */
  ends: Tensor<"u32">,
  /** u32 [B, side²]: the thing at each place, or the number of things where there is ground; present if the judge names things. */
  ...shown: Tensor<"u32">[],
];

/** Settings of the loss. */
export interface JudgeLossOptions {
  /** Weight of naming the things in the picture. */
  readonly naming: number;
}

/** Both towers, the scale of their cosines, and in training a layer that names things. */
export class JudgeModel extends Module {
  readonly shape: JudgeShape;
  readonly image: JudgeImageTower;
  readonly text: ClipTextTower;
  /** The logarithm of the factor by which cosines become logits: one number. */
  readonly logitScale: Tensor;
  /** Names the thing at a place of the grid; null for a judge that is only used. */
  private readonly naming: Linear | null;
  private readonly things: number;

  /** `things`: how many kinds of things to name in training; 0 = none. */
  constructor(gpu: Gpu, shape: JudgeShape, { things = 0 }: { things?: number } = {}) {
    super(gpu);
    this.shape = shape;
    this.things = things;
    this.image = this.child("image", new JudgeImageTower(gpu, shape));
    this.text = this.child("text", new ClipTextTower(gpu, textTowerOf(shape)));
    this.logitScale = this.parameter("logitScale", [1], constant(Math.log(1 / 0.07)), { decay: false });
    this.naming = things > 0 ? this.child("naming", new Linear(gpu, shape.width, things)) : null;
  }

  /** Side of the grid of places. */
  get side(): number {
    return this.shape.imageSize / 2 ** this.shape.downsample;
  }

  /** Pictures [B, S, S, 3] in [-1, 1] → features of length 1, [B, F]. */
  encodeImages(pictures: Tensor): Tensor {
    return this.gpu.scope(() => normalised(this.image.forward(pictures).features));
  }

  /** Ids u32 [B, T] and the number of each text's end token among them, u32 [B] → features of length 1, [B, F]. */
  encodeTexts(ids: Tensor<"u32">, ends: Tensor<"u32">): Tensor {
    return this.gpu.scope(() => normalised(this.text.atEnds(ids, ends)));
  }

  /**
   * `contrastiveLoss` of a batch, plus `naming` times the mean cross-entropy of the thing at each place that shows one, from the
   * vectors of the grid. The second part tells the convolutions early which drawing is which thing.
   */
  loss(
    [images, ids, ends, shown]: JudgeBatch,
    targets: Tensor<"u32">,
    { naming }: JudgeLossOptions,
  ): BatchLoss {
    return this.gpu.scope(() => {
      const { features, grid } = this.image.forward(images);
      const texts = normalised(this.text.atEnds(ids, ends));
      const contrast = contrastiveLoss(normalised(features), texts, this.logitScale, targets);
      const figures = [
        { tensor: contrast.ofPictures.detach(), names: ["pictures"] },
        { tensor: contrast.ofCaptions.detach(), names: ["captions"] },
      ];
      if (!this.naming) return { total: contrast.total, figures };
      if (!shown) throw new ShapeError("Judge", `naming ${this.things} things needs what is shown where`);
      const names = this.naming.forward(grid).reshape([-1, this.things]);
      const named = crossEntropy(names, shown.reshape([-1]), { ignore: this.things }).loss;
      return {
        total: add(contrast.total, scale(named, naming)),
        figures: [...figures, { tensor: named.detach(), names: ["naming"] }],
      };
    });
  }

  /** Learns from batches of `batch` pictures. After each step the scale is clamped to at most 100, as in CLIP. */
  objective(batch: number, options: JudgeLossOptions): Objective<JudgeBatch> {
    const numbers = Uint32Array.from({ length: batch }, (_, i) => i);
    const targets = fromArray(this.gpu, numbers, [batch], "u32", "own captions").keep();
    return {
      loss: (...inputs) => ({
        ...this.loss(inputs, targets, options),
        apply: () => {
          this.gpu.scope(() =>
            copyInto(this.logitScale, clamp(this.logitScale.detach(), 0, Math.log(mostScale))),
          );
          return [{ tensor: this.logitScale.detach(), names: ["logScale"] }];
        },
      }),
      dispose: () => targets.dispose(),
    };
  }
}
