/** An LSTM that sees the picture once, as one vector before the first word (Vinyals et al. 2015). */

import type { Gpu } from "../../engine/gpu/gpu.js";
import { normal } from "../../engine/nn/initialisers.js";
import { Linear } from "../../engine/nn/linear.js";
import { Lstm } from "../../engine/nn/lstm.js";
import { concat } from "../../engine/ops/copy.js";
import { dropout } from "../../engine/ops/dropout.js";
import { embedding } from "../../engine/ops/embedding.js";
import { lstmCell } from "../../engine/ops/lstm.js";
import { linear } from "../../engine/ops/matmul.js";
import { mean } from "../../engine/ops/reduce.js";
import { broadcastTo } from "../../engine/ops/shapes.js";
import { type Tensor, zeros } from "../../engine/tensor/tensor.js";
import { AutoregressiveDecoder } from "../autoregressive/decoder.js";
import { GridCondition, type GridConditionShape } from "../autoregressive/grid-condition.js";
import type { AutoregressiveOptions, LogitsCall } from "../autoregressive/network.js";
import { picturesAtOnce } from "../pictures-at-once.js";

/** Sizes of the recurrent decoders. */
export interface LstmShape extends GridConditionShape {
  /** M: words. Id M is the start symbol, which the network reads but never predicts. */
  vocabulary: number;
  /** L */
  length: number;
  /** H */
  width: number;
  /** E: numbers of a word's vector. */
  embedding: number;
  dropout: number;
}

/** Rows [P, n] of P pictures for `rows` captions, those of a picture consecutive: [rows, n]. */
export function forCaptions(ofPictures: Tensor, rows: number): Tensor {
  const [pictures, width] = ofPictures.shape as [number, number];
  if (pictures === rows) return ofPictures;
  const repeated = broadcastTo(ofPictures.reshape([pictures, 1, width]), [pictures, rows / pictures, width]);
  return repeated.reshape([rows, width]);
}

/**
 * Inputs of the LSTM: the picture's vector, which is a linear map of the mean over the embedded code grid, then the words. What
 * `prepare` gives: that vector, [P, E].
 */
export class LstmDecoder extends AutoregressiveDecoder {
  override readonly shape: LstmShape;
  readonly wordAxes = { tokens: 0, "head.weight": 1, "head.bias": 0 };
  private readonly tokens: Tensor;
  private readonly condition: GridCondition;
  private readonly picture: Linear;
  private readonly lstm: Lstm;
  private readonly head: Linear;

  /** `codeVectors`: see `GridCondition`. */
  constructor(
    gpu: Gpu,
    shape: LstmShape,
    { codeVectors, ...options }: AutoregressiveOptions & { codeVectors: Tensor | null },
  ) {
    super(gpu, shape, options);
    const { vocabulary, width, embedding, dim } = shape;
    this.shape = shape;
    this.tokens = this.parameter("tokens", [vocabulary + 1, embedding], normal(0.5), { decay: false });
    this.condition = this.child("condition", new GridCondition(gpu, shape, codeVectors));
    this.picture = this.child("picture", new Linear(gpu, dim, embedding));
    this.lstm = this.child("lstm", new Lstm(gpu, embedding, width));
    this.head = this.child("head", new Linear(gpu, width, vocabulary));
  }

  /** See `CaptionDecoder`: the grid of the condition is [S + G, d], the logits of a caption [L, M]. */
  override get picturesAtOnce(): number {
    const { side, summaryTokens, dim, length, vocabulary, embedding } = this.shape;
    const grid = (side * side + summaryTokens) * dim;
    return picturesAtOnce({ kept: embedding, largest: Math.max(grid, length * vocabulary) });
  }

  prepare(codes: Tensor<"u32">): Tensor[] {
    return this.gpu.scope(() => [this.picture.forward(mean(this.condition.forward(codes), [1]))]);
  }

  logits(inputs: Tensor<"u32">, [picture]: readonly Tensor[], { random = null }: LogitsCall = {}): Tensor {
    const { dropout: rate, embedding: width } = this.shape;
    const drop = (x: Tensor) => (random && rate > 0 ? dropout(x, rate, random) : x);
    const [rows, words] = inputs.shape as [number, number];
    return this.gpu.scope(() => {
      const first = forCaptions(picture!, rows).reshape([rows, 1, width]);
      const sequence = drop(concat([first, embedding(this.tokens, inputs)], 1));
      const { outputs } = this.lstm.forward(sequence);
      return this.head.forward(drop(outputs.slice(1, 1, words)));
    });
  }

  /** The hidden and the cell state after the picture, [rows, H] each. */
  start([picture]: readonly Tensor[], rows: number): Tensor[] {
    return this.gpu.scope(() => {
      const gates = linear(forCaptions(picture!, rows), this.lstm.weight, this.lstm.bias);
      const { hidden, cell } = lstmCell(gates, zeros(this.gpu, [rows, this.shape.width]));
      return [hidden, cell];
    });
  }

  step([before, memory]: readonly Tensor[], words: Tensor<"u32">) {
    return this.gpu.scope(() => {
      const own = linear(embedding(this.tokens, words), this.lstm.weight, this.lstm.bias);
      const { hidden, cell } = lstmCell(
        linear(before!, this.lstm.recurrent, null, { residual: own }),
        memory!,
      );
      return { logits: this.head.forward(hidden), memory: [hidden, cell] };
    });
  }

  multiplyAdds(captionsPerImage: number): number {
    const { width, embedding, length, vocabulary, dim } = this.shape;
    const perWord = 4 * width * (embedding + width) + width * vocabulary;
    return length * perWord + 4 * width * (embedding + width) + (dim * embedding) / captionsPerImage;
  }
}
