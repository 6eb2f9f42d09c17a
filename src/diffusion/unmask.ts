/** Best-first unmasking (shaders/diffusion/unmask.wgsl). */

import * as kernels from "../engine/gpu/kernels.generated.js";
import { checkTensors } from "../engine/tensor/arguments.js";
import { ShapeError } from "../engine/tensor/errors.js";
import { empty, type Tensor } from "../engine/tensor/tensor.js";

/** Options of `unmask`. */
export interface UnmaskOptions {
  /** Positions of a caption that stay masked; those with the smallest keys. */
  keep: number;
  /** M, the id of [MASK]. */
  maskId: number;
  /** Repeats the tokens this many times along the first axis. */
  copies?: number;
}

/**
 * x_u from x_t: of each caption's masked positions those with the largest `keys` [B, L] take their word of `words` [B, L], all but
 * `keep` of them; of equal keys the first. Positions with a word keep it. `xt` holds a token for each position, or more (only the
 * first are read).
 */
export function unmask(
  keys: Tensor,
  words: Tensor<"u32">,
  xt: Tensor<"u32">,
  { keep, maskId, copies = 1 }: UnmaskOptions,
): Tensor<"u32"> {
  checkTensors("unmask", "f32", keys);
  checkTensors("unmask", "u32", words, xt);
  const [captions, length] = keys.shape as [number, number];
  if (keys.rank !== 2 || words.size !== keys.size || xt.size < keys.size)
    throw new ShapeError("unmask", `keys ${keys}, words ${words} and x_t ${xt} do not fit [B, L]`);
  const { gpu } = keys;
  const kernel = kernels.unmask.unmask;
  const drawn = empty(gpu, [copies * captions, length], "u32", "x_u");
  const params = { count: keys.size, length, keep, mask: maskId, copies };
  gpu.run(kernel, { keys, words, xt, drawn }, params, {
    groups: gpu.groups1d(keys.size, gpu.tunables(kernel).WORKGROUP),
  });
  return drawn;
}
