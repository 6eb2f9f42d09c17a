/** An LSTM that looks at the picture anew before each word, by additive attention (Xu et al. 2015, "soft"). */

import type { Gpu } from "../../engine/gpu/gpu.js";
import { fanIn, normal } from "../../engine/nn/initialisers.js";
import { Linear } from "../../engine/nn/linear.js";
import { Lstm } from "../../engine/nn/lstm.js";
import { concat } from "../../engine/ops/copy.js";
import { dropout } from "../../engine/ops/dropout.js";
import { add, tanh } from "../../engine/ops/elementwise.js";
import { embedding } from "../../engine/ops/embedding.js";
import { type LstmState, lstmCell } from "../../engine/ops/lstm.js";
import { linear, matmul } from "../../engine/ops/matmul.js";
import { mean } from "../../engine/ops/reduce.js";
import { softmax } from "../../engine/ops/softmax.js";
import { checkpoint } from "../../engine/tensor/autograd.js";
import type { Tensor } from "../../engine/tensor/tensor.js";
import { AutoregressiveDecoder } from "../autoregressive/decoder.js";
import { GridCondition } from "../autoregressive/grid-condition.js";
import type { AutoregressiveOptions, LogitsCall } from "../autoregressive/network.js";
import { picturesAtOnce } from "../pictures-at-once.js";
import { forCaptions, type LstmShape } from "./lstm-decoder.js";

/** Sizes of the attention kind. */
export interface AttentionLstmShape extends LstmShape {
  /** A: hidden numbers of the attention. */
  attention: number;
}

/**
 * At each word, with the code grid g_1 … g_S [d] and the state h before it:
 *
 *   e_j = v · tanh(W_g g_j + W_h h),  α = softmax(e),  c = Σ_j α_j g_j,
 *   (h', cell') = LSTM([word; c], (h, cell)),  logits = W [h'; c] + b
 *
 * The first state is tanh of a linear map of the mean of g. What `prepare` gives: the grid [P, S, d], W_g g [P, S, A], the first
 * hidden and cell state [P, H] each.
 */
export class AttentionLstmDecoder extends AutoregressiveDecoder {
  override readonly shape: AttentionLstmShape;
  readonly wordAxes = { tokens: 0, "head.weight": 1, "head.bias": 0 };
  private readonly tokens: Tensor;
  private readonly condition: GridCondition;
  private readonly firstHidden: Linear;
  private readonly firstCell: Linear;
  private readonly keys: Linear;
  private readonly query: Linear;
  private readonly scores: Tensor;
  private readonly contextGates: Linear;
  private readonly lstm: Lstm;
  private readonly head: Linear;

  /** `codeVectors`: see `GridCondition`. */
  constructor(
    gpu: Gpu,
    shape: AttentionLstmShape,
    { codeVectors, ...options }: AutoregressiveOptions & { codeVectors: Tensor | null },
  ) {
    super(gpu, shape, options);
    const { vocabulary, width, embedding, dim, attention } = shape;
    const withoutBias = { bias: false };
    this.shape = shape;
    this.tokens = this.parameter("tokens", [vocabulary + 1, embedding], normal(0.5), { decay: false });
    this.condition = this.child("condition", new GridCondition(gpu, shape, codeVectors));
    this.firstHidden = this.child("firstHidden", new Linear(gpu, dim, width));
    this.firstCell = this.child("firstCell", new Linear(gpu, dim, width));
    this.keys = this.child("keys", new Linear(gpu, dim, attention));
    this.query = this.child("query", new Linear(gpu, width, attention, withoutBias));
    this.scores = this.parameter("scores", [attention, 1], fanIn());
    this.contextGates = this.child("contextGates", new Linear(gpu, dim, 4 * width, withoutBias));
    this.lstm = this.child("lstm", new Lstm(gpu, embedding, width));
    this.head = this.child("head", new Linear(gpu, width + dim, vocabulary));
  }

  /** See `CaptionDecoder`: the grid [S + G, d] and its keys are kept; each of a beam compares its state with the keys. */
  override get picturesAtOnce(): number {
    const { side, summaryTokens, dim, length, vocabulary, attention } = this.shape;
    const positions = side * side + summaryTokens;
    const compared = Math.max(1, this.options.search.beam) * positions * attention;
    const kept = positions * (dim + attention);
    return picturesAtOnce({ kept, largest: Math.max(positions * dim, compared, length * vocabulary) });
  }

  prepare(codes: Tensor<"u32">): Tensor[] {
    return this.gpu.scope(() => {
      const grid = this.condition.forward(codes);
      const whole = mean(grid, [1]);
      const [hidden, cell] = [tanh(this.firstHidden.forward(whole)), tanh(this.firstCell.forward(whole))];
      return [grid, this.keys.forward(grid), hidden, cell];
    });
  }

  /** What the state h [B, H] looks at in the grid [P, S, d], whose keys are [P, S, A]: [B, d]. */
  private look(hidden: Tensor, grid: Tensor, keys: Tensor): Tensor {
    const [pictures, positions, attention] = keys.shape as [number, number, number];
    const rows = hidden.shape[0]!;
    const each = rows / pictures;
    return this.gpu.scope(() => {
      const query = this.query.forward(hidden).reshape([pictures, each, 1, attention]);
      const compared = tanh(add(keys.reshape([pictures, 1, positions, attention]), query));
      const weights = softmax(linear(compared, this.scores, null).reshape([pictures, each, positions]));
      return matmul(weights, grid).reshape([rows, grid.shape[2]!]);
    });
  }

  /** The state after a word, whose gates before the context and the state are `gates` [B, 4H], and the context [B, d]. */
  private advance(state: LstmState, gates: Tensor, context: Tensor): LstmState {
    const both = this.contextGates.forward(context, { residual: gates });
    return lstmCell(linear(state.hidden, this.lstm.recurrent, null, { residual: both }), state.cell);
  }

  logits(
    inputs: Tensor<"u32">,
    [grid, keys, hidden, cell]: readonly Tensor[],
    { random = null, checkpointing = false }: LogitsCall = {},
  ): Tensor {
    const { dropout: rate, width, dim } = this.shape;
    const drop = (x: Tensor) => (random && rate > 0 ? dropout(x, rate, random) : x);
    const [rows, words] = inputs.shape as [number, number];
    return this.gpu.scope(() => {
      // One product for the words of all places.
      const gates = linear(drop(embedding(this.tokens, inputs)), this.lstm.weight, this.lstm.bias);
      const look = (h: Tensor, g: Tensor, k: Tensor) => this.look(h, g, k);
      let state: LstmState = { hidden: forCaptions(hidden!, rows), cell: forCaptions(cell!, rows) };
      const outputs = Array.from({ length: words }, (_, place) => {
        // The comparisons of a word with all places are the largest values by far.
        const context = checkpointing
          ? checkpoint(look, [state.hidden, grid!, keys!])
          : look(state.hidden, grid!, keys!);
        state = this.advance(state, gates.slice(1, place, 1).reshape([rows, 4 * width]), context);
        return concat([state.hidden, context], 1).reshape([rows, 1, width + dim]);
      });
      return this.head.forward(drop(concat(outputs, 1)));
    });
  }

  /** The first hidden and cell state, [rows, H] each. */
  start([, , hidden, cell]: readonly Tensor[], rows: number): Tensor[] {
    return this.gpu.scope(() => [hidden!, cell!].map((state) => forCaptions(state, rows).dense()));
  }

  step(
    [hidden, cell]: readonly Tensor[],
    words: Tensor<"u32">,
    _place: number,
    [grid, keys]: readonly Tensor[],
  ) {
    return this.gpu.scope(() => {
      const gates = linear(embedding(this.tokens, words), this.lstm.weight, this.lstm.bias);
      const context = this.look(hidden!, grid!, keys!);
      const state = this.advance({ hidden: hidden!, cell: cell! }, gates, context);
      const logits = this.head.forward(concat([state.hidden, context], 1));
      return { logits, memory: [state.hidden, state.cell] };
    });
  }

  multiplyAdds(captionsPerImage: number): number {
    const { width, embedding, length, vocabulary, dim, attention, side } = this.shape;
    const positions = side * side;
    const perWord =
      4 * width * (embedding + dim + width) +
      attention * width +
      positions * (attention + dim) +
      (width + dim) * vocabulary;
    return length * perWord + (positions * dim * attention + 2 * dim * width) / captionsPerImage;
  }
}
