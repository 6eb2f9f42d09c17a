/** The condition of autoregressive decoders: vectors of the code grid, as the diffusion decoder has them. */

import type { Gpu } from "../../engine/gpu/gpu.js";
import { normal } from "../../engine/nn/initialisers.js";
import { Linear } from "../../engine/nn/linear.js";
import { Module } from "../../engine/nn/module.js";
import { concat } from "../../engine/ops/copy.js";
import { embedding } from "../../engine/ops/embedding.js";
import { ShapeError } from "../../engine/tensor/errors.js";
import { type Tensor, zeros } from "../../engine/tensor/tensor.js";
import { type CodePlaces, codePlaces } from "../mc-diffusion/code-places.js";
import { ConditionEncoder, encodesCondition } from "../mc-diffusion/condition-encoder.js";
import type { DecoderShape } from "../mc-diffusion/decoder-shape.js";
import { TABLE_SPREAD } from "../mc-diffusion/tables.js";

/** Sizes of the condition; names as in the diffusion decoder's shape. */
export interface GridConditionShape {
  /** K: image codes. Id K is a masked position. */
  codes: number;
  /** The code grid is side × side, S = side² positions. */
  side: number;
  /** d */
  dim: number;
  heads: number;
  mlpRatio: number;
  /** Default 0. */
  conditionConvs?: number;
  conditionBlocks: number;
  /** G */
  summaryTokens: number;
  /** Default: grid. */
  codePositions?: DecoderShape["codePositions"];
  filler: "learned" | "zeros";
}

/**
 * y [P, S] → [P, S + G, d]: the vector of each code plus that of its place, encoded as in mc-diffusion if the shape has
 * convolutions, condition blocks or summary entries.
 */
export class GridCondition extends Module {
  readonly shape: GridConditionShape;
  private readonly table: Tensor | null;
  private readonly projection: Linear | null;
  private readonly mask: Tensor | null;
  private readonly places: CodePlaces;
  private readonly encoder: ConditionEncoder | null;
  private readonly codeVectors: Tensor | null;

  /** `codeVectors` `[K, D]`: the image tokenizer's; null: the condition learns a table of its own. */
  constructor(gpu: Gpu, shape: GridConditionShape, codeVectors: Tensor | null) {
    super(gpu);
    const { dim, codes, filler } = shape;
    this.shape = shape;
    this.codeVectors = codeVectors;
    const table = (name: string, count: number, initialiser = normal(TABLE_SPREAD), trained = true) =>
      this.parameter(name, [count, dim], initialiser, { decay: false, trained });
    this.table = codeVectors ? null : table("codeTable", codes);
    this.projection = codeVectors
      ? this.child("codeProjection", new Linear(gpu, codeVectors.shape[1]!, dim))
      : null;
    this.mask = filler === "learned" ? table("codeMask", 1) : null;
    this.places = codePlaces(table, shape);
    this.encoder = encodesCondition(shape)
      ? this.child("conditionEncoder", new ConditionEncoder(gpu, shape))
      : null;
  }

  forward(codes: Tensor<"u32">): Tensor {
    const { side, dim, codes: maskId } = this.shape;
    if (codes.rank !== 2 || codes.shape[1] !== side * side) {
      throw new ShapeError(
        "GridCondition",
        `codes [${codes.shape.join(", ")}] do not fit [P, ${side * side}]`,
      );
    }
    return this.gpu.scope(() => {
      const known = this.table ?? this.projection!.forward(this.codeVectors!);
      const table = concat([known, this.mask ?? zeros(this.gpu, [1, dim], "f32", "codeMask")], 0);
      // As in mc-diffusion, a filler of zeros does not even show its place.
      const zeroId = this.mask ? undefined : maskId;
      const grid = embedding(table, codes, { positions: this.places.vectors(), zeroId });
      return this.places.behind(this.encoder?.forward(grid) ?? grid);
    });
  }
}
