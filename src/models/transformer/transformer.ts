/** The autoregressive twin of the diffusion decoder: the same condition and blocks, a causal order, no step t. */

import type { Gpu } from "../../engine/gpu/gpu.js";
import { normal } from "../../engine/nn/initialisers.js";
import { LayerNorm } from "../../engine/nn/layer-norm.js";
import { Linear } from "../../engine/nn/linear.js";
import { embedding } from "../../engine/ops/embedding.js";
import { checkpoint } from "../../engine/tensor/autograd.js";
import { ShapeError } from "../../engine/tensor/errors.js";
import { type Tensor, zeros } from "../../engine/tensor/tensor.js";
import { AutoregressiveDecoder } from "../autoregressive/decoder.js";
import { GridCondition, type GridConditionShape } from "../autoregressive/grid-condition.js";
import type { AutoregressiveOptions, LogitsCall } from "../autoregressive/network.js";
import { convMultiplyAdds } from "../mc-diffusion/condition-convs.js";
import { picturesAtOnce } from "../pictures-at-once.js";
import { CausalBlock } from "./causal-block.js";

/** Sizes of the transformer: those of the diffusion decoder, but for t. */
export interface TransformerShape extends GridConditionShape {
  /** M: words. Id M is the start symbol, which the network reads but never predicts. */
  vocabulary: number;
  /** L */
  length: number;
  blocks: number;
  /** Hidden units of the blocks' MLP. */
  hidden: number;
  dropout: number;
}

/**
 * Hidden units to add to each block's MLP so that the transformer has as many parameters as the diffusion decoder: instead of two
 * layer norms (4d numbers) that has two modulations, T + 1 vectors and a [d, 2d] map with bias each; a hidden unit has 2d + 1.
 */
export function hiddenForModulation(dim: number, timesteps: number): number {
  const modulations = 2 * ((timesteps + 1) * dim + 2 * dim * dim + 2 * dim) - 4 * dim;
  return Math.round(modulations / (2 * dim + 1));
}

/**
 * Logits of the next word from the words before it and the condition. What `prepare` gives: the keys and values of each block for
 * the condition, [P, S + G, 2d].
 */
export class Transformer extends AutoregressiveDecoder {
  override readonly shape: TransformerShape;
  readonly wordAxes = { tokens: 0, "head.weight": 1, "head.bias": 0 };
  private readonly tokens: Tensor;
  private readonly positions: Tensor;
  private readonly condition: GridCondition;
  private readonly blocks: CausalBlock[];
  private readonly norm: LayerNorm;
  private readonly head: Linear;

  /** `codeVectors`: see `GridCondition`. */
  constructor(
    gpu: Gpu,
    shape: TransformerShape,
    { codeVectors, ...options }: AutoregressiveOptions & { codeVectors: Tensor | null },
  ) {
    super(gpu, shape, options);
    const { dim, heads, vocabulary, length } = shape;
    if (dim % heads !== 0)
      throw new ShapeError("Transformer", `width ${dim} is not a multiple of ${heads} heads`);
    this.shape = shape;
    const table = (name: string, rows: number) =>
      this.parameter(name, [rows, dim], normal(0.5), { decay: false });
    this.tokens = table("tokens", vocabulary + 1);
    this.positions = table("positions", length);
    this.condition = this.child("condition", new GridCondition(gpu, shape, codeVectors));
    this.blocks = Array.from({ length: shape.blocks }, (_, i) =>
      this.child(`block${i}`, new CausalBlock(gpu, shape)),
    );
    this.norm = this.child("norm", new LayerNorm(gpu, dim));
    this.head = this.child("head", new Linear(gpu, dim, vocabulary));
  }

  /** See `CaptionDecoder`: of each block the keys and values [S + G, 2d] are kept; the logits are [L, M]. */
  override get picturesAtOnce(): number {
    const { blocks, side, summaryTokens, dim, length, vocabulary } = this.shape;
    const keyValues = (side * side + summaryTokens) * 2 * dim;
    return picturesAtOnce({ kept: blocks * keyValues, largest: Math.max(keyValues, length * vocabulary) });
  }

  prepare(codes: Tensor<"u32">): Tensor[] {
    return this.gpu.scope(() => {
      const condition = this.condition.forward(codes);
      return this.blocks.map((block) => block.keysAndValues(condition));
    });
  }

  logits(inputs: Tensor<"u32">, prepared: readonly Tensor[], call: LogitsCall = {}): Tensor {
    const { random = null, checkpointing = false } = call;
    return this.gpu.scope(() => {
      let x = embedding(this.tokens, inputs, { positions: this.positions });
      this.blocks.forEach((block, i) => {
        const run = (stream: Tensor, seen: Tensor) => block.forward(stream, seen, random);
        const given = [x, prepared[i]!] as const;
        x = checkpointing ? checkpoint(run, given, random ?? undefined) : run(...given);
      });
      return this.head.forward(this.norm.forward(x));
    });
  }

  /** Keys and values of the words before, for each block: [rows, L, 2d]. */
  start(_prepared: readonly Tensor[], rows: number): Tensor[] {
    const { length, dim } = this.shape;
    return this.blocks.map((_, i) =>
      zeros(this.gpu, [rows, length, 2 * dim], "f32", `keys and values of block ${i}`),
    );
  }

  step(memory: readonly Tensor[], words: Tensor<"u32">, place: number, prepared: readonly Tensor[]) {
    const rows = words.size;
    const logits = this.gpu.scope(() => {
      // Of the table of positions this word has row `place` alone.
      const positions = this.positions.slice(0, place, 1);
      let x = embedding(this.tokens, words.reshape([rows, 1]), { positions });
      this.blocks.forEach((block, i) => {
        x = block.step(x, prepared[i]!, memory[i]!, place);
      });
      return this.head.forward(this.norm.forward(x)).reshape([rows, this.shape.vocabulary]);
    });
    return { logits, memory: [...memory] };
  }

  multiplyAdds(captionsPerImage: number): number {
    const { dim, blocks, length, side, hidden, mlpRatio, vocabulary, conditionBlocks, summaryTokens } =
      this.shape;
    const positions = side * side + summaryTokens;
    const perToken = (3 + 1 + 1 + 1) * dim * dim + 2 * hidden * dim + 2 * dim * (length + positions);
    const perPosition =
      blocks * 2 * dim * dim + conditionBlocks * ((3 + 1 + 2 * mlpRatio) * dim * dim + 2 * dim * positions);
    const shared = (positions * perPosition + convMultiplyAdds(this.shape)) / captionsPerImage;
    return blocks * length * perToken + shared + length * dim * vocabulary;
  }
}
