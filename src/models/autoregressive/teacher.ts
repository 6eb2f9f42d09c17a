/** Inputs and targets of teacher forcing and of scheduled sampling (shaders/generation/teacher.wgsl). */

import * as kernels from "../../engine/gpu/more-kernels.generated.js";
import type { Rng } from "../../engine/ops/rng.js";
import { empty, type Tensor } from "../../engine/tensor/tensor.js";

/** Ids of a decoder's words that mean something to training. */
export interface WordIds {
  /** M: the number of words, and the id of the start symbol. */
  vocabulary: number;
  endId: number;
}

/**
 * For captions w [B, L]: inputs [M, w_0 … w_{L-2}], and targets w up to the first [END], M after it. The loss ignores M, so that
 * what fills a caption's tail is never learned.
 */
export function teach(
  tokens: Tensor<"u32">,
  { vocabulary, endId }: WordIds,
): { inputs: Tensor<"u32">; targets: Tensor<"u32"> } {
  const { gpu } = tokens;
  const [captions, length] = tokens.shape as [number, number];
  const inputs = empty(gpu, tokens.shape, "u32", "inputs");
  const targets = empty(gpu, tokens.shape, "u32", "targets");
  const kernel = kernels.teacher.teach;
  gpu.run(
    kernel,
    { tokens, inputs, targets },
    { count: captions, length, start: vocabulary, end: endId, rate: 0, ramp: 0 },
    { groups: gpu.groups1d(captions, gpu.tunables(kernel).WORKGROUP) },
  );
  return { inputs, targets };
}

/**
 * The inputs of scheduled sampling (Bengio et al. 2015): each word that the decoder reads is with probability `rate` the one that
 * it drew itself, `drawn` [B, L]. The probability rises from 0 over the first `ramp` steps of `random`. Takes one of its streams.
 */
export function mixInputs(
  tokens: Tensor<"u32">,
  drawn: Tensor<"u32">,
  { rate, ramp }: { rate: number; ramp: number },
  random: Rng,
  { vocabulary, endId }: WordIds,
): Tensor<"u32"> {
  const { gpu } = tokens;
  const inputs = empty(gpu, tokens.shape, "u32", "inputs");
  const kernel = kernels.teacher.mix;
  gpu.run(
    kernel,
    { tokens, drawn, uniform_draws: random.uniform(tokens.shape), rng: random.state, inputs },
    { count: tokens.size, length: tokens.shape[1]!, start: vocabulary, end: endId, rate, ramp },
    { groups: gpu.groups1d(tokens.size, gpu.tunables(kernel).WORKGROUP) },
  );
  return inputs;
}
