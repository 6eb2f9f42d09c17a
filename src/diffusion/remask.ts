/**
 * Ancestral sampling that takes words back. With probability σ (`sampling.remask`) a position forgets x_t: its x_u comes from x_0
 * alone, so that it may be [MASK] again, and later another word.
 *
 *   q_σ(x_u | x_t, x_0) = (1 − σ) q(x_u | x_t, x_0) + σ q(x_u | x_0)
 *
 * with x_0 ~ p_θ(x_0 | x_t): p̃, but x_t itself where it is a word and the process only masks.
 *
 * For every σ it has the marginals of the forward process, Σ q(x_t | x_0) q_σ(x_u | x_t, x_0) = q(x_u | x_0), so the network sees what
 * it was trained on. Where words are only masked (the schedule "absorbing") it is ReMDM (arXiv 2503.00307) with its σ_t = σ γ̄_u. The
 * last step takes nothing back.
 */

import { where } from "../engine/ops/compare.js";
import { fromArray } from "../engine/tensor/tensor.js";
import { cleanThresholds } from "./coefficients.js";
import { qSample } from "./forward.js";
import { fixWords, pSample } from "./sample-step.js";
import type { Sampler } from "./sampler.js";

/** Rows of 64 numbers start where kernels can bind them. */
const width = 64;

/** The sampler `remask`. */
export const remaskSampler: Sampler = {
  name: "remask",
  begin({ gpu, table, remask }) {
    const { schedule } = table;
    const clean = cleanThresholds(gpu, schedule);
    const rows = schedule.steps + 1;
    const times = fromArray(
      gpu,
      Uint32Array.from({ length: rows * width }, (_, i) => Math.floor(i / width)),
      [rows, width],
      "u32",
      "steps",
    ).keep();
    return {
      step: ({ rng, scores, xt, t, u, settings, stream }) => {
        if (u === 0) return pSample(rng, scores, xt, table.thresholds, t, settings);
        const { fixed = null, copies = 1 } = settings;
        const own = { ...settings, fixed: null, copies: 1 };
        const onward = pSample(rng, scores, xt, table.thresholds, t, own);
        rng.setPosition(stream);
        const x0 = pSample(rng, scores, xt, clean, t, own);
        const time = times.slice(0, u, 1).slice(1, 0, 1).reshape([1]);
        const again = qSample(rng, table, x0, time);
        const forgets = rng.bernoulli(onward.shape, remask);
        return fixWords(where(forgets, again, onward), fixed, copies);
      },
      dispose() {
        clean.dispose();
        times.dispose();
      },
    };
  },
};
