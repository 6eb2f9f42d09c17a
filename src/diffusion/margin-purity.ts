/**
 * Two more orders of best-first sampling (best-first.ts):
 *
 *   margin   the best: largest p̃(first) − p̃(second)                            deterministic, given p̃
 *   purity   drawn one after the other with probability ∝ max_k p̃(k), without replacement: the purity prior of
 *            Improved VQ-Diffusion (arXiv 2205.16007), by the largest of log max_k p̃(k) + Gumbel noise
 */

import { add, exp, sub } from "../engine/ops/elementwise.js";
import { logSumExp } from "../engine/ops/softmax.js";
import { topK } from "../engine/ops/top-k.js";
import { bestFirst, logConfidence } from "./best-first.js";

/** The sampler `margin`. */
export const marginSampler = bestFirst("margin", ({ scores }) => {
  const { values } = topK(scores, 2, 2);
  const rows = scores.shape.slice(0, 2);
  const probability = (rank: number) => exp(sub(values.slice(2, rank, 1).reshape(rows), logSumExp(scores)));
  return sub(probability(0), probability(1));
});

/** The sampler `purity`. */
export const puritySampler = bestFirst("purity", ({ scores, rng, stream }) => {
  const certainty = logConfidence(scores);
  rng.setPosition(stream);
  return add(certainty, rng.gumbel(certainty.shape));
});
