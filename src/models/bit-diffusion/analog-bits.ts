/**
 * Analog bits (Bit Diffusion, arXiv 2208.04202): a token id as the digits of its binary number, most significant first, each as
 * a real number, −1 for 0 and +1 for 1. The paper's bit scale is 1 for text, as here.
 */

import { matmul } from "../../engine/ops/matmul.js";
import { checkTensors } from "../../engine/tensor/arguments.js";
import { ShapeError } from "../../engine/tensor/errors.js";
import type { Tensor } from "../../engine/tensor/tensor.js";

/** b = ⌈log₂ M⌉, the bits of M tokens; 1 for a single token. */
export function bitsPerToken(vocabulary: number): number {
  return Math.max(1, Math.ceil(Math.log2(vocabulary)));
}

/** The code words of M tokens, row by row: [M + 1, b] of ±1. Row M, for [MASK], is 0: no bit is known. */
export function codeWords(vocabulary: number): Float32Array {
  const bits = bitsPerToken(vocabulary);
  const words = new Float32Array((vocabulary + 1) * bits);
  for (let id = 0; id < vocabulary; id++)
    for (let j = 0; j < bits; j++) words[id * bits + j] = (id >>> (bits - 1 - j)) & 1 ? 1 : -1;
  return words;
}

/**
 * The inner product of analog bits x [..., b] with each code word, [..., M]; `table` is that of `codeWords` as a tensor [M + 1, b].
 *
 * The nearest code word by L2 is the one with the largest product: all have the same length, so ‖x − c‖² = ‖x‖² − 2 x·c + b. Its
 * bits are the signs of x where these are the number of a token; of the 2^b − M code words without a token none is chosen.
 */
export function codeProducts(x: Tensor, table: Tensor): Tensor {
  checkTensors("codeProducts", "f32", x, table);
  const vocabulary = table.shape[0]! - 1;
  if (x.shape.at(-1) !== table.shape[1])
    throw new ShapeError("codeProducts", `analog bits ${x} do not fit the code words ${table}`);
  return matmul(x, table.slice(0, 0, vocabulary), { transposeB: true });
}
