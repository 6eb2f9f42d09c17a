/**
 * The image tokenizer (VQ-VAE, van den Oord et al. 2017): encoder, nearest code, decoder. The codebook follows the encoder by
 * moving averages instead of a gradient; unused codes are restarted from the batch.
 */

import type { Gpu } from "../../engine/gpu/gpu.js";
import { constant, fanIn, type Initialiser, normal } from "../../engine/nn/initialisers.js";
import { Linear } from "../../engine/nn/linear.js";
import { Module } from "../../engine/nn/module.js";
import { convTranspose2d } from "../../engine/ops/conv-transpose2d.js";
import { conv2d } from "../../engine/ops/conv2d.js";
import { crossEntropy } from "../../engine/ops/cross-entropy.js";
import { add, scale } from "../../engine/ops/elementwise.js";
import { embedding } from "../../engine/ops/embedding.js";
import { l1, mse } from "../../engine/ops/reduce.js";
import type { Rng } from "../../engine/ops/rng.js";
import { ShapeError } from "../../engine/tensor/errors.js";
import type { Tensor } from "../../engine/tensor/tensor.js";
import type { ImageTokenizer } from "../image-tokenizer.js";
import type { Objective, Part, Shared } from "../objective.js";
import {
  type BatchSums,
  batchSums,
  type CodebookState,
  drawRestartRows,
  initialiseCodes,
  nearestCodes,
  quantizeStraightThrough,
  restartCodes,
  sharedRows,
  updateCodebook,
} from "./codebook.js";
import { Bottom, Encoder, Norm, pictureChannels, widths } from "./encoder.js";

/** Sizes of the VQ-VAE. */
export interface VqVaeShape {
  /** Pictures are imageSize × imageSize RGB. */
  imageSize: number;
  /** Channels after the first halving; each further one doubles them. */
  channels: number;
  /** K */
  codes: number;
  /** D, the width of a code vector. */
  codeDim: number;
  /** Halvings: the code grid's side is imageSize / 2^downsample. */
  downsample: number;
  /** Residual blocks at the code grid's resolution, in the encoder and in the decoder. */
  resBlocks: number;
  /** Self-attention over the grid after the residual blocks. */
  attention: boolean;
  /** Kinds of things that the codes learn to name; default 0. */
  things?: number;
}

/** The encoder's mirror image: residual blocks, then a 4×4 transposed convolution with stride 2 for each doubling. */
class Decoder extends Module {
  private readonly input: Linear;
  private readonly bottom: Bottom;
  private readonly doublings: { weight: Tensor; norm: Norm | null }[];
  private readonly bias: Tensor;

  constructor(gpu: Gpu, shape: VqVaeShape) {
    super(gpu);
    const levels = widths(shape).reverse();
    this.input = this.child("input", new Linear(gpu, shape.codeDim, levels[0]!));
    this.bottom = this.child("bottom", new Bottom(gpu, levels[0]!, shape));
    this.doublings = levels.map((inputs, level) => {
      const last = level === levels.length - 1;
      const outputs = last ? pictureChannels : levels[level + 1]!;
      // Four of the sixteen weights contribute to each output pixel.
      const initialiser = normal(Math.sqrt((last ? 1 : 2) / (4 * inputs)));
      return {
        weight: this.parameter(`double${level}.weight`, [4, 4, outputs, inputs], initialiser),
        norm: last ? null : this.child(`norm${level}`, new Norm(gpu, outputs)),
      };
    });
    this.bias = this.parameter("bias", [3], constant(0));
  }

  /** [B, h, w, D] → [B, S, S, 3] */
  forward(grid: Tensor): Tensor {
    return this.gpu.scope(() => {
      let x = this.bottom.forward(this.input.forward(grid));
      for (const { weight, norm } of this.doublings) {
        x = convTranspose2d(x, weight, { stride: 2, padding: 1 });
        if (norm) x = norm.forward(x);
      }
      return add(x.slice(3, 0, 3), this.bias);
    });
  }
}

/** Width of the layer that names things. */
const namingWidth = 128;

/**
 * Names the thing at each place of the grid from its code and the eight around it. It is used in training alone: a code that says
 * which thing it is part of serves a caption better than one that says only how it looks.
 */
class Naming extends Module {
  private readonly weight: Tensor;
  private readonly norm: Norm;
  private readonly output: Linear;

  constructor(gpu: Gpu, codeDim: number, things: number) {
    super(gpu);
    this.weight = this.parameter("weight", [3, 3, codeDim, namingWidth], fanIn(Math.SQRT2));
    this.norm = this.child("norm", new Norm(gpu, namingWidth));
    this.output = this.child("output", new Linear(gpu, namingWidth, things));
  }

  /** [B, h, w, D] → logits [B, h, w, things]. */
  forward(grid: Tensor): Tensor {
    return this.gpu.scope(() =>
      this.output.forward(this.norm.forward(conv2d(grid, this.weight, { padding: 1 }))),
    );
  }
}

/** Settings of the loss and of the codebook. */
export interface VqVaeLossOptions {
  /** Weight β of the commitment loss. */
  commitment: number;
  /** Decay of the codebook's moving averages. */
  decay: number;
  /** Restarts codes that were idle for this many steps; 0 = never. */
  restartAfter: number;
  /** Error of the reconstruction: mean square, mean absolute, or the sum of both. */
  reconstruction: "l2" | "l1" | "both";
  /** Weight of the loss of naming, if the shape has things; default 1. */
  naming?: number;
}

/** The loss of a batch, its parts, and what the codebook learns from. */
export interface VqVaeLoss {
  /** reconstruction + commitment + naming, the last times its weight; differentiable. */
  total: Tensor;
  reconstruction: Tensor;
  commitment: Tensor;
  /** Mean cross-entropy in nats of the thing at the places that show one; null without things. */
  naming: Tensor | null;
  /** The encoder's outputs z [B, h, w, D], not recorded on the tape, and their sums by code: the codebook learns from them. */
  vectors: Tensor;
  sums: BatchSums;
}

/**
 * The image tokenizer: pictures x `[B, S, S, 3]` to a grid of code ids `[B, G²]` and back to x̂; `loss` is
 * error(x, x̂) + β · mean (z - sg(e))². Where the data tell what is at each place of the grid, a third part makes the codes name it.
 */
export class VqVae extends Module implements ImageTokenizer {
  readonly shape: VqVaeShape;
  /** e_k, [K, D] */
  readonly codebook: Tensor;
  private readonly state: CodebookState;
  private readonly encoder: Encoder;
  private readonly decoder: Decoder;
  private readonly naming: Naming | null;

  constructor(gpu: Gpu, shape: VqVaeShape) {
    super(gpu);
    const { imageSize, downsample, codes, codeDim, things = 0 } = shape;
    if (imageSize % 2 ** downsample !== 0) {
      throw new ShapeError("VqVae", `pictures of ${imageSize} pixels cannot be halved ${downsample} times`);
    }
    this.shape = shape;
    this.encoder = this.child("encoder", new Encoder(gpu, shape));
    this.decoder = this.child("decoder", new Decoder(gpu, shape));
    this.naming = things > 0 ? this.child("naming", new Naming(gpu, codeDim, things)) : null;
    const statistic = (name: string, size: number[], initialiser: Initialiser) =>
      this.parameter(`codebook.${name}`, size, initialiser, { trained: false });
    // As if every code had been seen once, at its place: the first update then moves the codes instead of replacing them.
    const asCodes: Initialiser = (size, seed, name) => normal(1)(size, seed, name.replace(/sums$/, "codes"));
    this.codebook = this.parameter("codebook.codes", [codes, codeDim], normal(1), { trained: false });
    this.state = {
      codes: this.codebook,
      counts: statistic("counts", [codes], constant(1)),
      sums: statistic("sums", [codes, codeDim], asCodes),
      idle: statistic("idle", [codes], constant(0)),
    };
  }

  /** Side of the code grid. */
  get side(): number {
    return this.shape.imageSize / 2 ** this.shape.downsample;
  }

  get imageSize(): number {
    return this.shape.imageSize;
  }

  /** K */
  get codeCount(): number {
    return this.shape.codes;
  }

  get things(): number {
    return this.shape.things ?? 0;
  }

  get codeVectors(): Tensor {
    return this.codebook;
  }

  /** Multiply-adds of one picture through the convolutions of encoder and decoder. */
  get multiplyAdds(): number {
    const { channels, downsample, resBlocks, imageSize, codes, codeDim, things = 0 } = this.shape;
    let sum = 0;
    let inputs = pictureChannels;
    let side = imageSize;
    let width = channels;
    for (let level = 0; level < downsample; level++) {
      side /= 2;
      width = channels * 2 ** level;
      sum += 2 * 16 * inputs * width * side * side; // encoder and decoder
      inputs = width;
    }
    const block = (9 + 1) * width * (width / 2) * side * side;
    const naming = things > 0 ? 2 * namingWidth * (9 * codeDim + things) : 0;
    return sum + 2 * resBlocks * block + ((codes + 2 * width) * codeDim + naming) * side * side;
  }

  /**
   * Reconstruction and commitment by gradients; then the codebook by moving averages. The codebook starts from the first batch.
   */
  objective(settings: VqVaeLossOptions, random: Rng): Objective<[images: Tensor, ...shown: Tensor<"u32">[]]> {
    return {
      start: (images) => this.startCodebook(images, random),
      startShared: (part, images) =>
        this.sharedRestart(this.encoder.forward(images).detach(), random, 0, part),
      loss: (images, shown) => {
        const { total, reconstruction, commitment, naming, vectors, sums } = this.loss(
          images,
          settings,
          shown,
        );
        return {
          total,
          figures: [
            { tensor: reconstruction.detach(), names: ["reconstruction"] },
            { tensor: commitment.detach(), names: ["commitment"] },
            ...(naming ? [{ tensor: naming.detach(), names: ["naming"] }] : []),
          ],
          sums: [sums.counts, sums.sums],
          kept: [vectors],
          apply: (processes) => {
            const usage = this.updateCodebook({ vectors, sums }, settings, random, processes);
            return [{ tensor: usage, names: [null, "perplexity", "used", null] }];
          },
          ...(settings.restartAfter > 0 && {
            share: (part: Part) => this.sharedRestart(vectors, random, settings.restartAfter, part),
          }),
        };
      },
    };
  }

  /** Images [B, S, S, 3] in [-1, 1] → ids [B, side²], row by row. */
  encode(images: Tensor): Tensor<"u32"> {
    return this.gpu.scope(() =>
      nearestCodes(this.encoder.forward(images), this.codebook).ids.reshape([images.shape[0]!, -1]),
    );
  }

  /** The mean of the losses of naming by each of `grids`. */
  private namingLoss(naming: Naming, grids: readonly Tensor[], shown: Tensor<"u32"> | undefined): Tensor {
    const { things } = this;
    if (!shown) throw new ShapeError("VqVae", `codes that name ${things} things need what is shown where`);
    const losses = grids.map(
      (grid) =>
        crossEntropy(naming.forward(grid).reshape([-1, things]), shown.reshape([-1]), { ignore: things })
          .loss,
    );
    return scale(
      losses.reduce((sum, loss) => add(sum, loss)),
      1 / losses.length,
    );
  }

  /** Ids [B, side²] → logits [B, side², things] of the thing that each place shows, if it shows one. */
  nameCodes(ids: Tensor<"u32">): Tensor {
    const { side, naming } = this;
    if (!naming) throw new ShapeError("VqVae", "these codes have not learned to name things");
    return this.gpu.scope(() =>
      naming
        .forward(embedding(this.codebook, ids.reshape([ids.shape[0]!, side, side])))
        .reshape([ids.shape[0]!, side * side, -1]),
    );
  }

  /** Ids [B, side²] → images [B, S, S, 3], about in [-1, 1]. */
  decode(ids: Tensor<"u32">): Tensor {
    const { side } = this;
    return this.gpu.scope(() =>
      this.decoder.forward(embedding(this.codebook, ids.reshape([ids.shape[0]!, side, side]))),
    );
  }

  /**
   * Sets the codebook to encoder outputs of a batch, chosen at random: codes that start among the data are used. Without this
   * call training starts from the random initial codes.
   */
  startCodebook(images: Tensor, random: Rng): void {
    this.gpu.scope(() => {
      const z = this.encoder.forward(images).detach();
      initialiseCodes(this.state, z, this.picks(z, random, 0));
    });
  }

  /**
   * L = error(x, x̂) + β·mean (z − sg(e))², with the error of `options.reconstruction`; gradients pass from x̂'s codes to z
   * unchanged. The codebook does not move: see `updateCodebook`. A tokenizer with things adds the cross-entropy of `shown` [B, side²]:
   * the number of the thing, or as many as there are things where there is ground, which does not count. Half of it is of the names
   * by the codes, half by z, from which the encoder learns sooner. Throws a `ShapeError` if `shown` is missing.
   */
  loss(
    images: Tensor,
    options: Pick<VqVaeLossOptions, "commitment" | "reconstruction" | "naming">,
    shown?: Tensor<"u32">,
  ): VqVaeLoss {
    return this.gpu.scope(() => {
      const z = this.encoder.forward(images);
      const { quantized, ids, commitmentLoss } = quantizeStraightThrough(
        z,
        this.codebook,
        options.commitment,
      );
      const image = this.decoder.forward(quantized);
      const { reconstruction: kind } = options;
      const square = kind === "l1" ? null : mse(image, images);
      const absolute = kind === "l2" ? null : l1(image, images);
      const reconstruction = square && absolute ? add(square, absolute) : (square ?? absolute)!;
      const naming = this.naming && this.namingLoss(this.naming, [quantized, z], shown);
      const total = add(reconstruction, commitmentLoss);
      return {
        total: naming ? add(total, scale(naming, options.naming ?? 1)) : total,
        reconstruction,
        commitment: commitmentLoss,
        naming,
        vectors: z.detach(),
        sums: batchSums(z, ids, this.shape.codes),
      };
    });
  }

  /**
   * Moves the codebook towards the vectors that chose its codes, then restarts idle codes from `vectors`. `sums` may be those of
   * several `processes` with as many vectors each: restarts then follow in `sharedRestart`. Returns [Σ N_k, perplexity, codes used,
   * vectors] of the batch.
   */
  updateCodebook(
    { vectors, sums }: Pick<VqVaeLoss, "vectors" | "sums">,
    { decay, restartAfter }: Pick<VqVaeLossOptions, "decay" | "restartAfter">,
    random: Rng,
    processes = 1,
  ): Tensor {
    const rows = (processes * vectors.size) / this.shape.codeDim;
    return this.gpu.scope(() => {
      const usage = updateCodebook(this.state, sums, rows, { decay });
      if (restartAfter > 0 && processes === 1)
        restartCodes(this.state, vectors, this.picks(vectors, random, restartAfter), restartAfter);
      return usage;
    });
  }

  /** Restarts codes from the vectors of all processes, of which z is this one's part: the same ones as if z held all. */
  private sharedRestart(z: Tensor, random: Rng, restartAfter: number, part: Part): Shared {
    return this.gpu.scope(() => {
      const { vectors, order } = sharedRows(z, this.picks(z, random, restartAfter, part.count), part);
      return {
        sums: [vectors],
        kept: [order],
        apply: () => restartCodes(this.state, vectors, order, restartAfter),
      };
    });
  }

  /** One of the vectors of `processes` times z for each code that is due for a restart; none twice until all are used. */
  private picks(z: Tensor, random: Rng, restartAfter: number, processes = 1): Tensor<"u32"> {
    const rows = (processes * z.size) / this.shape.codeDim;
    return drawRestartRows(random, this.state.idle, rows, restartAfter);
  }
}
