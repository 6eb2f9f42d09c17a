/**
 * Samplers that start from [MASK] everywhere and never change a word: at each step x_0 ~ p̃ (temperature and truncation as always)
 * is drawn for all positions, and of the masked ones only the best take their word. Of n masked positions at the start
 * ⌊n γ̄_u / γ̄_T⌋ are masked after the step to u, about as many as in the forward process.
 *
 *   confidence   the best: largest max_k p̃(k)                                   deterministic, given p̃
 *   margin       largest p̃(first) − p̃(second)                                   deterministic, given p̃
 *   purity       drawn one after the other with probability ∝ max_k p̃(k), without replacement: the purity prior of
 *                Improved VQ-Diffusion (arXiv 2205.16007), by the largest of log max_k p̃(k) + Gumbel noise
 *
 * p̃ is the guided prediction, before temperature and truncation.
 */

import { add, exp, sub } from "../engine/ops/elementwise.js";
import { max } from "../engine/ops/reduce.js";
import { logSumExp } from "../engine/ops/softmax.js";
import { topK } from "../engine/ops/top-k.js";
import type { Tensor } from "../engine/tensor/tensor.js";
import { UserError } from "../platform/errors.js";
import { cleanThresholds } from "./coefficients.js";
import { pSample } from "./sample-step.js";
import type { StepDraw } from "./sampler.js";
import type { Sampler } from "./samplers.js";
import { unmask } from "./unmask.js";

/** The keys of positions [B, L], the best largest. */
type Keys = (draw: StepDraw) => Tensor;

/** log max_k p̃(k) of scores [B, L, M]. */
const logConfidence = (scores: Tensor): Tensor => sub(max(scores, [2]), logSumExp(scores));

const keysOf: Record<"confidence" | "margin" | "purity", Keys> = {
  confidence: ({ scores }) => logConfidence(scores),
  margin: ({ scores }) => {
    const { values } = topK(scores, 2, 2);
    const rows = scores.shape.slice(0, 2);
    const probability = (rank: number) => exp(sub(values.slice(2, rank, 1).reshape(rows), logSumExp(scores)));
    return sub(probability(0), probability(1));
  },
  purity: ({ scores, rng, stream }) => {
    const certainty = logConfidence(scores);
    rng.setPosition(stream);
    return add(certainty, rng.gumbel(certainty.shape));
  },
};

function bestFirst(name: keyof typeof keysOf): Sampler {
  return {
    name,
    masked: true,
    begin({ gpu, table, open }) {
      const { schedule, visits } = table;
      const all = schedule.gammaBar[visits[0]!]!;
      if (!(all > 0)) {
        throw new UserError(
          `The sampler "${name}" needs a process with [MASK], and the schedule "${schedule.name}" has none; choose sampling.sampler=ancestral.`,
        );
      }
      const clean = cleanThresholds(gpu, schedule);
      return {
        step: (draw) => {
          const { rng, scores, xt, t, u, settings } = draw;
          const words = pSample(rng, scores, xt, clean, t, { ...settings, fixed: null, copies: 1 });
          const keep = Math.floor((open * schedule.gammaBar[u]!) / all);
          const maskId = schedule.tokens;
          return unmask(keysOf[name](draw), words, xt, { keep, maskId, copies: settings.copies });
        },
        dispose: () => clean.dispose(),
      };
    },
  };
}

/** The samplers `confidence`, `margin` and `purity`. */
export const bestFirstSamplers: readonly Sampler[] = [
  bestFirst("confidence"),
  bestFirst("margin"),
  bestFirst("purity"),
];
