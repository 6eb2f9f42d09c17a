/**
 * The network of Bit Diffusion on mc-diffusion's blocks, condition and time modulation. Only its ends differ: a position enters as
 * 2b numbers, its noisy bits and the last estimate of its clean bits, and leaves as b numbers.
 */

import type { Gpu } from "../../engine/gpu/gpu.js";
import { concat } from "../../engine/ops/copy.js";
import { clamp, log, scale, sigmoid, sub } from "../../engine/ops/elementwise.js";
import { embedding } from "../../engine/ops/embedding.js";
import { type Tensor, untracked, zeros } from "../../engine/tensor/tensor.js";
import { Decoder } from "../mc-diffusion/decoder.js";
import type { DecoderShape } from "../mc-diffusion/decoder-shape.js";
import { bitsPerToken, codeProducts, codeWords } from "./analog-bits.js";
import type { BitDiffusionSettings } from "./settings.js";

/** Estimates this close to ±1 count as certain: log-odds of at most 9.9. */
const certain = 1 - 1e-4;

/** The network f(x_t, x̂_0, t, y) with what its numbers mean: analog bits in and out. */
export class BitDecoder extends Decoder {
  /** b, the bits of a token. */
  readonly bits: number;
  readonly settings: BitDiffusionSettings;
  /** [M + 1, b]; see `codeWords`. */
  readonly codeWords: Tensor;

  /** `shape` are the sizes of mc-diffusion's network; `vectors` is set here. `codeVectors`: see `Decoder`. */
  constructor(
    gpu: Gpu,
    shape: DecoderShape,
    settings: BitDiffusionSettings,
    codeVectors: Tensor | null = null,
  ) {
    const bits = bitsPerToken(shape.vocabulary);
    super(gpu, { ...shape, vectors: { inputs: 2 * bits, outputs: bits } }, codeVectors);
    this.bits = bits;
    this.settings = settings;
    this.codeWords = untracked(gpu, [shape.vocabulary + 1, bits], "f32", "code words");
    this.codeWords.write(codeWords(shape.vocabulary));
  }

  /** Ids [...] (M for [MASK]) → analog bits [..., b]: ±1, and 0 for [MASK]. */
  bitsOf(ids: Tensor<"u32">): Tensor {
    return embedding(this.codeWords, ids);
  }

  /** Noisy bits [B, L, b] and the last estimate of the clean ones, or null for none, as the network takes them: [B, L, 2b]. */
  inputOf(noisy: Tensor, estimate: Tensor | null): Tensor {
    return concat([noisy, estimate ?? zeros(this.gpu, noisy.shape, "f32", "no estimate")], 2);
  }

  /** The estimate x̂_0 in [−1, 1] from the network's output [..., b]. */
  estimateOf(output: Tensor): Tensor {
    return this.settings.loss === "squared-error" ? clamp(output, -1, 1) : scale(sigmoid(output), 2, -1);
  }

  /**
   * log p of each token but for a constant a position, [..., M], from the network's output [..., b]: the sum of the log-odds of
   * its bits, ½ z·c. An estimate by squared error is the mean of a bit, tanh(z/2).
   */
  scoresOf(output: Tensor): Tensor {
    return scale(codeProducts(this.logitsOf(output), this.codeWords), 0.5);
  }

  private logitsOf(output: Tensor): Tensor {
    if (this.settings.loss !== "squared-error") return output;
    const mean = clamp(output, -certain, certain);
    return sub(log(scale(mean, 1, 1)), log(scale(mean, -1, 1)));
  }

  override dispose(): void {
    this.codeWords.dispose();
    super.dispose();
  }
}
