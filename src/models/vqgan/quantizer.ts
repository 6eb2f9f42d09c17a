/** VQGAN's quantizers: vectors to codes and back, and the map from codes to the ids of those in use. */

import type { Gpu } from "../../engine/gpu/gpu.js";
import * as kernels from "../../engine/gpu/more-kernels.generated.js";
import { constant, normal } from "../../engine/nn/initialisers.js";
import { Linear } from "../../engine/nn/linear.js";
import { Module } from "../../engine/nn/module.js";
import { argmax } from "../../engine/ops/argmax.js";
import { copyInto } from "../../engine/ops/copy.js";
import { embedding } from "../../engine/ops/embedding.js";
import { empty, type Tensor } from "../../engine/tensor/tensor.js";
import { nearestCodes } from "../vqvae/codebook.js";
import type { VqganShape } from "./shape.js";

export class Quantizer extends Module {
  /** e_n: [N, D]. */
  readonly codebook: Tensor;
  /** The vectors of the ids, [K, D]: the codebook itself, or the rows that the map selects. */
  readonly vectors: Tensor;
  /** The id of each code, [N], whole numbers; null without a map. */
  private readonly map: Tensor | null;
  private readonly projection: Linear | null;

  constructor(gpu: Gpu, { zChannels, embedDim, codes, quantizer, ids }: VqganShape) {
    super(gpu);
    this.projection = quantizer === "gumbel" ? this.child("proj", new Linear(gpu, zChannels, codes)) : null;
    this.codebook = this.parameter("codebook", [codes, embedDim], normal(1));
    this.map = ids > 0 ? this.parameter("codebook.ids", [codes], constant(0), { trained: false }) : null;
    this.vectors =
      ids > 0
        ? this.parameter("codebook.vectors", [ids, embedDim], normal(1), { trained: false })
        : this.codebook;
  }

  /** Logits [..., N] of vectors [..., D]; null if codes are those of the nearest vectors. */
  logits(vectors: Tensor): Tensor | null {
    return this.projection?.forward(vectors) ?? null;
  }

  /** Codes of vectors [..., D], before the map: the argmax of the logits, without noise, or the nearest vectors' indices. */
  codesOf(vectors: Tensor): Tensor<"u32"> {
    return this.gpu.scope(() => {
      const logits = this.logits(vectors);
      return logits ? argmax(logits) : nearestCodes(vectors, this.codebook).ids;
    });
  }

  /** The codes of vectors [..., D] in parts, so that no logits have more than `bytes`. */
  private codesInParts(vectors: Tensor, bytes: number): Tensor<"u32"> {
    const { gpu, codebook } = this;
    const width = vectors.shape.at(-1)!;
    const places = vectors.size / width;
    const each = Math.max(1, Math.floor(bytes / (4 * codebook.shape[0]!)));
    if (places <= each) return this.codesOf(vectors);
    const rows = vectors.reshape([places, width]);
    const all = empty(gpu, vectors.shape.slice(0, -1), "u32", "codes");
    const list = all.reshape([places]);
    for (let first = 0; first < places; first += each) {
      const count = Math.min(each, places - first);
      gpu.scope(() => copyInto(list.slice(0, first, count), this.codesOf(rows.slice(0, first, count))));
    }
    return all;
  }

  /** Ids of vectors [..., D]; no value on the way has more than `bytes`, or a vector's logits. */
  ids(vectors: Tensor, bytes = Number.POSITIVE_INFINITY): Tensor<"u32"> {
    const { gpu, map } = this;
    return gpu.scope(() => {
      const codes = this.codesInParts(vectors, bytes);
      if (!map) return codes;
      const kernel = kernels.codeMap.forward;
      const id = empty(gpu, codes.shape, "u32", "ids");
      gpu.run(
        kernel,
        { code: codes, map, id },
        { count: codes.size, codes: map.size },
        { groups: gpu.groups1d(codes.size, gpu.tunables(kernel).WORKGROUP) },
      );
      return id;
    });
  }

  /** Vectors [..., D] of ids. */
  vectorsOf(ids: Tensor<"u32">): Tensor {
    return embedding(this.vectors, ids);
  }
}
