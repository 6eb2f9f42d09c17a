/** What a generator of captions makes once for all of its steps: penalties, repeated rows, the prepared condition. */

import { fromArray, type Tensor } from "../../engine/tensor/tensor.js";
import type { GivenWords } from "../caption-decoder.js";
import { impossibleWords } from "../impossible-words.js";
import type { Decoder, PreparedCondition } from "./decoder.js";

/** See `impossibleWords`: to be added to the logits [L, M]; null if nothing is excluded. */
export function penaltyOf(
  { gpu, shape }: Decoder,
  endId: number,
  banned: readonly number[],
  words: GivenWords | null,
): Tensor | null {
  const penalty = impossibleWords(shape, { endId, banned, words });
  return penalty && fromArray(gpu, penalty, [shape.length, shape.vocabulary], "f32", "impossible words");
}

/** Repeats a row of L numbers for each caption of a batch: u32 [B, L]. */
export function repeated(
  decoder: Decoder,
  row: ArrayLike<number>,
  batch: number,
  label: string,
): Tensor<"u32"> {
  const data = Uint32Array.from({ length: batch * row.length }, (_, i) => row[i % row.length]!);
  return fromArray(decoder.gpu, data, [batch, row.length], "u32", label);
}

/** Prepares a condition once while the sampler passes the same tensor. */
export class PreparedOnce {
  private readonly decoder: Decoder;
  private source: Tensor<"u32"> | null = null;
  private prepared: PreparedCondition | null = null;

  constructor(decoder: Decoder) {
    this.decoder = decoder;
  }

  of(codes: Tensor<"u32">): PreparedCondition {
    if (this.source !== codes || !this.prepared) {
      this.dispose();
      this.source = codes;
      this.prepared = this.decoder.prepare(codes);
      for (const tensor of this.prepared.keyValues ?? []) tensor.keep();
    }
    return this.prepared;
  }

  dispose(): void {
    for (const tensor of this.prepared?.keyValues ?? []) tensor.dispose();
    this.prepared = null;
  }
}
