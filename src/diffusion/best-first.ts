/**
 * Samplers that start from [MASK] everywhere and never change a word: at each step x_0 ~ p̃ (temperature and truncation as always)
 * is drawn for all positions, and of the masked ones only the best take their word. Of n masked positions at the start
 * ⌊n γ̄_u / γ̄_T⌋ are masked after the step to u, about as many as in the forward process.
 *
 *   confidence   the best: largest max_k p̃(k)                                   deterministic, given p̃
 *
 * p̃ is the guided prediction, before temperature and truncation. margin-purity.ts has two more orders.
 */

import { sub } from "../engine/ops/elementwise.js";
import { max } from "../engine/ops/reduce.js";
import { logSumExp } from "../engine/ops/softmax.js";
import type { Tensor } from "../engine/tensor/tensor.js";
import { UserError } from "../platform/errors.js";
import { cleanThresholds } from "./coefficients.js";
import { pSample } from "./sample-step.js";
import type { Sampler, StepDraw } from "./sampler.js";
import { unmask } from "./unmask.js";

/** The keys of positions [B, L], the best largest. */
export type Keys = (draw: StepDraw) => Tensor;

/** log max_k p̃(k) of scores [B, L, M]. */
export const logConfidence = (scores: Tensor): Tensor => sub(max(scores, [2]), logSumExp(scores));

/** The sampler that unmasks in the order of these keys. */
export function bestFirst(name: string, keysOf: Keys): Sampler {
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
          return unmask(keysOf(draw), words, xt, { keep, maskId, copies: settings.copies });
        },
        dispose: () => clean.dispose(),
      };
    },
  };
}

/** The sampler `confidence`. */
export const confidenceSampler = bestFirst("confidence", ({ scores }) => logConfidence(scores));
