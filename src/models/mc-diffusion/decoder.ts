/**
 * The text decoder p_θ(x_0 | x_t, y): given noisy caption tokens, the time and the image codes, a prediction of the
 * clean token at every position. Blocks as in VQ-Diffusion: adaptive-norm self-attention over the caption,
 * adaptive-norm cross-attention to the codes, MLP.
 */

import type { Gpu } from "../../engine/gpu/gpu.js";
import type { Float } from "../../engine/gpu/kernel.js";
import { constant, normal } from "../../engine/nn/initialisers.js";
import { LayerNorm } from "../../engine/nn/layer-norm.js";
import { Linear } from "../../engine/nn/linear.js";
import { Module } from "../../engine/nn/module.js";
import { TimestepModulation } from "../../engine/nn/timestep-modulation.js";
import { cast, concat } from "../../engine/ops/copy.js";
import { add } from "../../engine/ops/elementwise.js";
import { embedding } from "../../engine/ops/embedding.js";
import type { Head } from "../../engine/ops/head-loss.js";
import { linear } from "../../engine/ops/matmul.js";
import type { Rng } from "../../engine/ops/rng.js";
import { checkpoint } from "../../engine/tensor/autograd.js";
import { ShapeError } from "../../engine/tensor/errors.js";
import { type Tensor, zeros } from "../../engine/tensor/tensor.js";
import { picturesAtOnce } from "../pictures-at-once.js";
import { type CodePlaces, codePlaces } from "./code-places.js";
import { convMultiplyAdds } from "./condition-convs.js";
import { ConditionEncoder, encodesCondition } from "./condition-encoder.js";
import { type CrossAttentionWatcher, DecoderBlock } from "./decoder-block.js";
import type { DecoderShape } from "./decoder-shape.js";
import { onlyMask, sinusoids, TABLE_SPREAD } from "./tables.js";

/** Inputs of the blocks from a condition: independent of x_t and t, so a sampler computes them once. */
export interface PreparedCondition {
  /** For each block: packed keys and values [P, S + G, 2d] of S positions, then G summary entries. */
  readonly keyValues: readonly Tensor<Float>[] | null;
  /** Instead of them, if each block computes its keys and values when it runs: the condition itself, [P, S + G, d]. */
  readonly condition: Tensor | null;
  /** P */
  readonly pictures: number;
}

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
  private readonly places: CodePlaces;
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
    const { dim, heads, vocabulary, length, codes, codeDim, vectors } = shape;
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
    const { tokenEmbedding = "learned", timeEmbedding } = shape;
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
    this.places = codePlaces(table, shape);
    this.conditionEncoder = encodesCondition(shape)
      ? this.child("conditionEncoder", new ConditionEncoder(gpu, shape))
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

  /** See `CaptionDecoder`: of each block the keys and values [S + G, 2d] are kept; the logits are [L, M]. */
  get picturesAtOnce(): number {
    const { blocks, side, summaryTokens, dim, length, vocabulary } = this.shape;
    const keyValues = (side * side + summaryTokens) * 2 * dim;
    return picturesAtOnce({ kept: blocks * keyValues, largest: Math.max(keyValues, length * vocabulary) });
  }

  /** y [B, S] with K for a masked position → [B, S, d]: the vector of the code plus that of its place in the grid. */
  private condition(codes: Tensor<"u32">): Tensor {
    const { dim } = this.shape;
    return this.gpu.scope(() => {
      const known = this.codeTable ?? this.codeProjection!.forward(this.codeVectors!);
      const table = concat([known, this.codeMask ?? zeros(this.gpu, [1, dim], "f32", "codeMask")], 0);
      // A filler of zeros adds nothing at all, not even the place.
      const zeroId = this.codeMask ? undefined : this.shape.codes;
      return embedding(table, codes, { positions: this.places.vectors(), zeroId });
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
      const grid = this.condition(codes);
      const condition = this.places.behind(this.conditionEncoder?.forward(grid) ?? grid);
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
    const shared = (positions * perPosition + convMultiplyAdds(this.shape)) / captionsPerImage;
    const ends = vectors ? vectors.inputs + vectors.outputs : vocabulary;
    return blocks * length * perToken + shared + length * dim * ends;
  }
}
