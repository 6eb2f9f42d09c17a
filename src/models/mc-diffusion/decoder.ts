/**
 * The text decoder p_θ(x_0 | x_t, y): given noisy caption tokens, the time and the image codes, a prediction of the
 * clean token at every position. Blocks as in VQ-Diffusion: adaptive-norm self-attention over the caption,
 * adaptive-norm cross-attention to the codes, MLP.
 */

import type { Gpu } from "../../engine/gpu/gpu.js";
import type { Float } from "../../engine/gpu/kernel.js";
import { constant, fanIn, normal } from "../../engine/nn/initialisers.js";
import { LayerNorm } from "../../engine/nn/layer-norm.js";
import { Linear } from "../../engine/nn/linear.js";
import { Module } from "../../engine/nn/module.js";
import { TimestepModulation } from "../../engine/nn/timestep-modulation.js";
import { crossAttention, selfAttention } from "../../engine/ops/attention.js";
import { cast, concat } from "../../engine/ops/copy.js";
import { dropout } from "../../engine/ops/dropout.js";
import { add } from "../../engine/ops/elementwise.js";
import { embedding } from "../../engine/ops/embedding.js";
import type { Head } from "../../engine/ops/head-loss.js";
import { adaLayerNorm } from "../../engine/ops/layer-norm.js";
import { linear } from "../../engine/ops/matmul.js";
import type { Rng } from "../../engine/ops/rng.js";
import { checkpoint } from "../../engine/tensor/autograd.js";
import { ShapeError } from "../../engine/tensor/errors.js";
import { type Tensor, zeros } from "../../engine/tensor/tensor.js";
import { ConditionEncoder } from "./condition-encoder.js";
import { onlyMask, sinusoids, TABLE_SPREAD } from "./tables.js";

/** Sizes of the caption decoder. */
export interface DecoderShape {
  /** M: ordinary tokens. Id M is the caption's [MASK], which the network reads but never predicts. */
  vocabulary: number;
  /** L: caption length in tokens. */
  length: number;
  /** K: image codes. Id K is the condition's [MASK]. */
  codes: number;
  /** The code grid is side × side, S = side² positions. */
  side: number;
  /** T */
  timesteps: number;
  /** d */
  dim: number;
  blocks: number;
  heads: number;
  mlpRatio: number;
  /** Blocks of self-attention over the condition before the caption reads it; 0 as in the paper. */
  conditionBlocks: number;
  /** Entries that summarise the whole code grid, beside its positions; 0 as in the paper. */
  summaryTokens: number;
  dropout: number;
  /** Width of a code vector if the decoder uses the tokenizer's code vectors; null: it learns a separate table. */
  codeDim: number | null;
  /**
   * The table that the network reads tokens from: its own (default); its own, whose first M rows are the head's weights too; or
   * CLIP's, which is not trained and which `loadTokenTable` sets.
   */
  tokenEmbedding?: "learned" | "tied" | "clip";
  /** The embedding of t for the adaptive norms: a learned table for each (default), or sinusoids, which are not trained. */
  timeEmbedding?: "learned" | "sinusoidal";
  /** What tells the places of the code grid apart: a vector for the row and one for the column (default), or one for each. */
  codePositions?: "grid" | "each";
  /** Content of a masked condition position: a learned vector at its place, or zeros. */
  filler: "learned" | "zeros";
  /**
   * Element type of the weights of large products, and of their inputs and the values passed between them; default float32. With
   * float16 these stay float32: sums, softmax, statistics, the residual stream, embeddings, time modulation, logits, losses and
   * all gradients.
   */
  precision?: Float;
  /**
   * For captions of numbers instead of tokens: a position enters as `inputs` numbers and leaves as `outputs`, by linear maps in
   * place of the tables over the vocabulary.
   */
  vectors?: { inputs: number; outputs: number };
}

/** The part of the decoder's shape that a block depends on. */
export type DecoderBlockShape = Pick<
  DecoderShape,
  "dim" | "heads" | "mlpRatio" | "blocks" | "dropout" | "precision"
>;

/** One block of the decoder, between two states of the residual stream. */
export class DecoderBlock extends Module {
  readonly heads: number;
  private readonly qkv: Linear<Float>;
  private readonly selfOutput: Linear<Float>;
  private readonly query: Linear<Float>;
  private readonly keyValue: Linear<Float>;
  private readonly crossOutput: Linear<Float>;
  private readonly norm: LayerNorm;
  private readonly up: Linear<Float>;
  private readonly down: Linear<Float>;
  private readonly dropRate: number;
  private readonly precision: Float;

  constructor(gpu: Gpu, { dim, heads, mlpRatio, blocks, dropout, precision = "f32" }: DecoderBlockShape) {
    super(gpu);
    this.precision = precision;
    this.heads = heads;
    this.dropRate = dropout;
    // Three branches per block are added to the residual stream; their outputs start small enough for the sum to stay near 1.
    const input = { dtype: precision };
    const output = { dtype: precision, initialiser: fanIn(1 / Math.sqrt(3 * blocks)) };
    const hidden = Math.round(dim * mlpRatio);
    this.qkv = this.child("qkv", new Linear(gpu, dim, 3 * dim, input));
    this.selfOutput = this.child("selfOutput", new Linear(gpu, dim, dim, output));
    this.query = this.child("query", new Linear(gpu, dim, dim, input));
    this.keyValue = this.child("keyValue", new Linear(gpu, dim, 2 * dim, input));
    this.crossOutput = this.child("crossOutput", new Linear(gpu, dim, dim, output));
    this.norm = this.child("norm", new LayerNorm(gpu, dim));
    this.up = this.child("up", new Linear(gpu, dim, hidden, input));
    this.down = this.child("down", new Linear(gpu, hidden, dim, output));
  }

  /** Keys and values of the cross-attention for a condition [B, S, d]: [B, S, 2d]. */
  keysAndValues(condition: Tensor<Float>): Tensor<Float> {
    return this.keyValue.forward(condition, { output: this.precision });
  }

  /**
   * x [B, L, d]; selfModulation and crossModulation [B, 2d]; keyValue [P, S, 2d] from `keysAndValues` → [B, L, d]. P pictures
   * serve B = R·P captions; the captions of a picture are consecutive. `watch` receives the inputs of the cross-attention.
   */
  forward(
    x: Tensor,
    selfModulation: Tensor,
    crossModulation: Tensor,
    keyValue: Tensor<Float>,
    random: Rng | null,
    watch?: CrossAttentionWatcher,
  ): Tensor {
    return this.gpu.scope(() => {
      const afterSelf = this.addBranch(x, this.selfOutput, this.attend(x, selfModulation), random);
      const query = this.queries(afterSelf, crossModulation);
      // The captions of a picture attend to the same keys: they form one long row of queries.
      const queries = query.reshape([keyValue.shape[0]!, -1, query.shape[2]!]);
      const { output, logSumExp } = crossAttention(queries, keyValue, this.heads);
      watch?.(queries, keyValue, this.heads, logSumExp);
      return this.afterCross(afterSelf, output.reshape(query.shape), random);
    });
  }

  /** Self-attention of x [B, L, d], before its last layer. */
  attend(x: Tensor, modulation: Tensor): Tensor<Float> {
    const qkv = this.qkv.forward(this.modulated(x, modulation), { output: this.precision });
    return selfAttention(qkv, this.heads).output;
  }

  /** The stream x after self-attention, from `attend`; both of one shape [..., d]. */
  afterSelf(x: Tensor, attended: Tensor<Float>): Tensor {
    return this.addBranch(x, this.selfOutput, attended, null);
  }

  /** Queries of the cross-attention from the stream after self-attention; both [..., d]. */
  queries(afterSelf: Tensor, modulation: Tensor): Tensor<Float> {
    return this.query.forward(this.modulated(afterSelf, modulation), { output: this.precision });
  }

  /** The adaptive norm of x [B, ..., d] by [B, 2d], or of any rows by one modulation [1, 2d]. */
  private modulated(x: Tensor, modulation: Tensor): Tensor<Float> {
    const stored = { output: this.precision };
    if (x.rank === 3 && x.shape[0] === modulation.shape[0]) return adaLayerNorm(x, modulation, stored);
    return adaLayerNorm(x.reshape([1, -1, x.shape.at(-1)!]), modulation, stored).reshape(x.shape);
  }

  /** The stream after cross-attention, whose weighted values are `seen`, and the MLP; all of one shape [..., d]. */
  afterCross(afterSelf: Tensor, seen: Tensor<Float>, random: Rng | null = null): Tensor {
    const stored = { output: this.precision };
    const afterCross = this.addBranch(afterSelf, this.crossOutput, seen, random);
    const normed = this.norm.forward(afterCross, stored);
    const hidden = this.up.forward(normed, { activation: "gelu2", ...stored });
    return this.addBranch(afterCross, this.down, hidden, random);
  }

  /** Adds the output of a branch's last layer to the stream, in one dispatch unless dropout comes between. */
  private addBranch(stream: Tensor, layer: Linear<Float>, input: Tensor<Float>, random: Rng | null): Tensor {
    return random && this.dropRate > 0
      ? add(stream, dropout(layer.forward(input), this.dropRate, random))
      : layer.forward(input, { residual: stream });
  }
}

/** Inputs of the blocks from a condition: independent of x_t and t, so a sampler computes them once. */
export interface PreparedCondition {
  /** For each block: packed keys and values [P, S + G, 2d] of S positions, then G summary entries. */
  readonly keyValues: readonly Tensor<Float>[] | null;
  /** Instead of them, if each block computes its keys and values when it runs: the condition itself, [P, S + G, d]. */
  readonly condition: Tensor | null;
  /** P */
  readonly pictures: number;
}

/**
 * Receives the cross-attention of each block: queries [P, R·L, d], packed keys and values [P, S + G, 2d], and the logarithm of
 * the normaliser of its weights, [P, heads, R·L].
 */
export type CrossAttentionWatcher = (
  query: Tensor<Float>,
  keyValue: Tensor<Float>,
  heads: number,
  logSumExp: Tensor,
) => void;

/** Options of a forward pass of `Decoder`. */
export interface DecoderCall {
  /** Switches dropout on (training). */
  random?: Rng;
  /** Keeps only the input of each block and runs the block again for its gradient. */
  checkpointing?: boolean;
  watch?: CrossAttentionWatcher;
}

/** x_t: tokens [B, L], M being [MASK]; with `DecoderShape.vectors` numbers [B, L, inputs]. */
export type NoisyCaption = Tensor<"u32"> | Tensor;

/**
 * The network p̃(x_0 | x_t, y): logits `[B, L, M]` from noised tokens `[B, L]`, their steps `[B]` and the
 * condition `[B, S]`. Its blocks are AdaLN self-attention, cross-attention to the condition, and an MLP.
 */
export class Decoder extends Module {
  readonly shape: DecoderShape;
  private readonly tokens: Tensor | null;
  private readonly input: Linear | null;
  private readonly positions: Tensor;
  private readonly codeTable: Tensor | null;
  private readonly codeProjection: Linear | null;
  private readonly codeMask: Tensor | null;
  /** Vectors of the grid's rows and columns, or of its places. */
  private readonly codePlaces: readonly [rows: Tensor, columns: Tensor] | readonly [places: Tensor];
  private readonly conditionEncoder: ConditionEncoder | null;
  readonly modulation: TimestepModulation;
  readonly blocks: readonly DecoderBlock[];
  private readonly norm: LayerNorm;
  /** The last layer; one that shares the table of tokens has a bias only. */
  private readonly head: Linear<Float> | { readonly bias: Tensor };
  private readonly codeVectors: Tensor | null;

  /** `codeVectors` `[K, codeDim]`: the tokenizer's frozen codebook, needed if `shape.codeDim` is set. */
  constructor(gpu: Gpu, shape: DecoderShape, codeVectors: Tensor | null = null) {
    super(gpu);
    const { dim, heads, vocabulary, length, codes, side, codeDim, vectors } = shape;
    if (dim % heads !== 0)
      throw new ShapeError("Decoder", `width ${dim} is not a multiple of ${heads} heads`);
    if (codeDim !== null && (codeVectors?.shape[0] !== codes || codeVectors.shape[1] !== codeDim)) {
      throw new ShapeError(
        "Decoder",
        `the code vectors must be [${codes}, ${codeDim}], not [${codeVectors?.shape.join(", ")}]`,
      );
    }
    this.shape = shape;
    this.codeVectors = codeVectors;
    const table = (name: string, rows: number, initialiser = normal(TABLE_SPREAD), trained = true) =>
      this.parameter(name, [rows, dim], initialiser, { decay: false, trained });
    const { tokenEmbedding = "learned", timeEmbedding, codePositions } = shape;
    this.tokens = vectors
      ? null
      : tokenEmbedding === "clip"
        ? table("tokens", vocabulary + 1, onlyMask, false)
        : table("tokens", vocabulary + 1);
    this.input = vectors ? this.child("input", new Linear(gpu, vectors.inputs, dim)) : null;
    this.positions = table("positions", length);
    const learned = shape.filler === "learned";
    this.codeTable = codeDim === null ? table("codeTable", codes) : null;
    this.codeProjection =
      codeDim === null ? null : this.child("codeProjection", new Linear(gpu, codeDim, dim));
    this.codeMask = learned ? table("codeMask", 1) : null;
    this.codePlaces =
      codePositions === "each"
        ? [table("codePlaces", side * side)]
        : [table("codeRows", side), table("codeColumns", side)];
    this.conditionEncoder =
      shape.conditionBlocks + shape.summaryTokens > 0
        ? this.child("conditionEncoder", new ConditionEncoder(gpu, { ...shape, positions: side * side }))
        : null;
    this.modulation = this.child(
      "modulation",
      new TimestepModulation(
        gpu,
        shape.timesteps,
        2 * shape.blocks,
        dim,
        timeEmbedding === "sinusoidal" ? sinusoids(dim) : undefined,
      ),
    );
    this.blocks = Array.from({ length: shape.blocks }, (_, i) =>
      this.child(`block${i}`, new DecoderBlock(gpu, shape)),
    );
    const isTied = tokenEmbedding === "tied" && !vectors;
    // The rows of a table are longer than the columns of a head: logits begin as large with both.
    this.norm = this.child("norm", new LayerNorm(gpu, dim, isTied ? 1 / (TABLE_SPREAD * Math.sqrt(dim)) : 1));
    this.head = isTied
      ? { bias: this.parameter("head.bias", [vocabulary], constant(0)) }
      : this.child("head", new Linear(gpu, dim, vectors?.outputs ?? vocabulary, { dtype: shape.precision }));
  }

  /** y [B, S] with K for a masked position → [B, S, d]: the vector of the code plus that of its place in the grid. */
  private condition(codes: Tensor<"u32">): Tensor {
    const { side, dim } = this.shape;
    return this.gpu.scope(() => {
      const known = this.codeTable ?? this.codeProjection!.forward(this.codeVectors!);
      const table = concat([known, this.codeMask ?? zeros(this.gpu, [1, dim], "f32", "codeMask")], 0);
      const [rows, columns] = this.codePlaces;
      const places = columns
        ? add(rows.reshape([side, 1, dim]), columns.reshape([1, side, dim])).reshape([side * side, dim])
        : rows;
      // A filler of zeros adds nothing at all, not even the place.
      const zeroId = this.codeMask ? undefined : this.shape.codes;
      return embedding(table, codes, { positions: places, zeroId });
    });
  }

  /**
   * y [P, S], K for a masked position → input of `forward`. `keyValues: false` leaves the keys and values to the blocks: with
   * activation checkpointing they are recomputed instead of kept.
   */
  prepare(codes: Tensor<"u32">, { keyValues = true } = {}): PreparedCondition {
    const { side } = this.shape;
    if (codes.rank !== 2 || codes.shape[1] !== side * side) {
      throw new ShapeError("Decoder", `codes [${codes.shape.join(", ")}] do not fit [P, ${side * side}]`);
    }
    return this.gpu.scope(() => {
      const places = this.condition(codes);
      const condition = this.conditionEncoder?.forward(places) ?? places;
      return {
        keyValues: keyValues ? this.blocks.map((block) => block.keysAndValues(condition)) : null,
        condition: keyValues ? null : condition,
        pictures: codes.shape[0]!,
      };
    });
  }

  /**
   * x_t [B, L] (M = [MASK]), t [B] in 1..T, the condition of P pictures → logits [B, L, M] of p̃(x_0 | x_t, y). With
   * B = R·P the captions i·R … i·R + R-1 are of picture i. With `DecoderShape.vectors` the result is [B, L, outputs].
   */
  forward(xt: NoisyCaption, t: Tensor<"u32">, condition: PreparedCondition, call: DecoderCall = {}): Tensor {
    return this.gpu.scope(() => {
      const { hidden, weight, bias } = this.beforeHead(xt, t, condition, call);
      return linear(hidden, weight, bias);
    });
  }

  /** The weights of the head, [d, M]. */
  private headWeight(): Tensor<Float> {
    if ("weight" in this.head) return this.head.weight;
    const weight = this.tokens!.slice(0, 0, this.shape.vocabulary).transpose();
    return this.shape.precision === "f16" ? cast(weight, "f16") : weight;
  }

  /** The same without the last product, which training leaves to the loss, because all logits at once can be too large. */
  beforeHead(xt: NoisyCaption, t: Tensor<"u32">, condition: PreparedCondition, call: DecoderCall = {}): Head {
    const { length } = this.shape;
    const batch = xt.shape[0]!;
    if (xt.shape[1] !== length || t.shape[0] !== batch || batch % condition.pictures !== 0) {
      throw new ShapeError(
        "Decoder",
        `tokens [${xt.shape.join(", ")}], times [${t.shape.join(", ")}] and a condition for ${condition.pictures} pictures do not fit [B, ${length}], [B] and a divisor of B`,
      );
    }
    const hidden = this.gpu.scope((): Tensor<Float> => {
      const modulations = this.modulation.forward(t);
      let x = this.embed(xt);
      this.blocks.forEach((block, i) => {
        const known = condition.keyValues?.[i];
        const run = (stream: Tensor, self: Tensor, cross: Tensor, seen: Tensor<Float>) => {
          const keyValue = known ? seen : block.keysAndValues(seen);
          return block.forward(stream, self, cross, keyValue, call.random ?? null, call.watch);
        };
        const inputs = [
          x,
          modulations[2 * i]!,
          modulations[2 * i + 1]!,
          known ?? condition.condition!,
        ] as const;
        x = call.checkpointing ? checkpoint(run, inputs, call.random) : run(...inputs);
      });
      return this.normed(x);
    });
    return { hidden, weight: this.headWeight(), bias: this.head.bias };
  }

  /** x_t [B, L] → the stream [B, L, d] that enters the first block. */
  embed(xt: NoisyCaption): Tensor {
    return this.tokens
      ? embedding(this.tokens, xt as Tensor<"u32">, { positions: this.positions })
      : add(this.input!.forward(xt as Tensor), this.positions);
  }

  /** The head's input from the stream [..., d] after the last block. */
  private normed(x: Tensor): Tensor<Float> {
    return this.norm.forward(x, { output: this.shape.precision });
  }

  /** Logits [..., M] from the stream [..., d] after the last block; `penalty` [M] is added to them. */
  logits(x: Tensor, penalty: Tensor | null): Tensor {
    const { bias } = this.head;
    return linear(this.normed(x), this.headWeight(), penalty && bias ? add(bias, penalty) : bias);
  }

  /** Multiply-adds of a caption's forward pass, with `captionsPerImage` captions sharing the work on a picture. */
  multiplyAdds(captionsPerImage: number): number {
    const { dim, blocks, length, side, mlpRatio, vocabulary, conditionBlocks, summaryTokens, vectors } =
      this.shape;
    const positions = side * side + summaryTokens;
    const perToken = (3 + 1 + 1 + 1 + 2 * mlpRatio) * dim * dim + 2 * dim * (length + positions);
    const perPosition =
      blocks * 2 * dim * dim + conditionBlocks * ((3 + 1 + 2 * mlpRatio) * dim * dim + 2 * dim * positions);
    const shared = (positions * perPosition) / captionsPerImage;
    const ends = vectors ? vectors.inputs + vectors.outputs : vocabulary;
    return blocks * length * perToken + shared + length * dim * ends;
  }
}
