/**
 * The variational bound of captions: all terms of the paper's L, from the reverse step that posterior.ts defines (Austin
 * et al. 2021, equation 1):
 *
 *   -log p_θ(x_0 | y) <= KL(q(x_T | x_0) ‖ p(x_T))                                              prior
 *                      + Σ_{t=2…T} E_{q(x_t | x_0)} KL(q(x_{t-1} | x_t, x_0) ‖ p_θ(x_{t-1} | x_t, y))
 *                      + E_{q(x_1 | x_0)} [-log p_θ(x_0 | x_1, y)]                               reconstruction
 *
 * p_θ(x_{t-1} | x_t, y) is the posterior mean, normalised for each x_0: what the sampler draws from without guidance,
 * temperature, truncation and arg max. Given x_t the positions are independent, so that a step's divergence is a sum over
 * positions. With a table that skips steps the bound is that of the sampler that skips them.
 *
 * In this parameterisation the bound is loose where tokens can be replaced: at an unmasked x_t the mean over x_0 moves as
 * much mass away from x_t as p̃ has elsewhere, at every step. A flat p̃ therefore costs more than L log M nats; it costs
 * exactly that if tokens are only masked.
 *
 * Each expectation over x_t is estimated by one draw. The sum over t is complete, or estimated from one t of each of
 * equally long ranges (stratified sampling): both are unbiased.
 */

import { logZero, type TransitionTable } from "../../diffusion/coefficients.js";
import { qSample } from "../../diffusion/forward.js";
import { reverseLogProbs } from "../../diffusion/posterior.js";
import { exp, mul, sub } from "../../engine/ops/elementwise.js";
import { below, philox, seedWords } from "../../engine/ops/philox.js";
import { sum } from "../../engine/ops/reduce.js";
import { Rng } from "../../engine/ops/rng.js";
import { logSoftmax } from "../../engine/ops/softmax.js";
import { noGrad } from "../../engine/tensor/tape.js";
import { fromArray, type Tensor } from "../../engine/tensor/tensor.js";
import { UserError } from "../../platform/errors.js";
import type { Decoder } from "./decoder.js";

/**
 * KL(q(x_u | x_t, x_0) ‖ p_θ(x_u | x_t)) of each sequence in nats, [B]: the sum over its positions. u is the step that
 * the table visits after t; at u = 0 the divergence is -log p̃(x_0). `clean` [B, L, M] is the logarithm of the one-hot
 * x_0 (`logOneHot`), `logits` [B, L, M] the network's for x_t [B, L] at t [B].
 */
export function stepDivergence(
  table: TransitionTable,
  clean: Tensor,
  logits: Tensor,
  xt: Tensor<"u32">,
  t: Tensor<"u32">,
): Tensor {
  return clean.gpu.scope(() => {
    const truth = reverseLogProbs(table, clean, xt, t);
    const model = reverseLogProbs(table, logSoftmax(logits), xt, t);
    return sum(mul(exp(truth), sub(truth, model)), [1, 2]);
  });
}

/** log of the one-hot x_0 for token ids [n]: `width` numbers a token, 0 at its id and log 0 elsewhere. */
export function logOneHot(ids: ArrayLike<number>, width: number): Float32Array {
  const values = new Float32Array(ids.length * width).fill(logZero);
  for (let i = 0; i < ids.length; i++) values[i * width + ids[i]!] = 0;
  return values;
}

/** The visits, out of `count`, that sequence `sequence` takes in each of `strata` ranges, and the size of each range. */
export function drawVisits(
  count: number,
  strata: number,
  seed: number,
  sequence: number,
): { visit: number; size: number }[] {
  return Array.from({ length: strata }, (_, stratum) => {
    const first = Math.floor((stratum * count) / strata);
    const size = Math.floor(((stratum + 1) * count) / strata) - first;
    const [word] = philox([sequence, stratum, 0, 0], seedWords(seed));
    return { visit: first + below(word, size), size };
  });
}

export interface BoundOptions {
  /**
   * Number of steps t at which the network is evaluated for each caption, 1 … the table's visits; default: all of them, the exact
   * sum.
   */
  steps?: number;
  seed?: number;
  /** Captions processed at once; default: `picturesAtOnce`. The draws of x_t depend on it. */
  batch?: number;
  /** The number of the first caption among all that are measured, a multiple of `batch`; default: 0. */
  offset?: number;
  onBatch?: (done: number) => void;
}

/**
 * The bound of each caption in nats. `captions` and `codes` hold the ids x_0 [L] and y [S] of each, the same number of
 * both. Throws a `UserError` if the table does not start at T or the number of steps is not possible.
 */
export async function captionBounds(
  decoder: Decoder,
  table: TransitionTable,
  captions: readonly Uint32Array[],
  codes: readonly Uint32Array[],
  options: BoundOptions = {},
): Promise<Float64Array> {
  const { visits, schedule } = table;
  const count = visits.length - 1;
  const { steps = count, seed = 0, batch = decoder.picturesAtOnce, offset = 0, onBatch } = options;
  if (visits[0] !== schedule.steps) {
    throw new UserError(`The bound needs all of the process, from step ${schedule.steps}, not ${visits[0]}.`);
  }
  if (!Number.isInteger(steps) || steps < 1 || steps > count) {
    throw new UserError(
      `A bound from ${steps} steps is not possible; choose a whole number from 1 to ${count}.`,
    );
  }
  const prior = decoder.shape.length * schedule.priorKl();
  const bounds = new Float64Array(captions.length).fill(prior);
  const rng = new Rng(decoder.gpu, seed);
  try {
    for (let first = 0; first < captions.length; first += batch) {
      const last = Math.min(captions.length, first + batch);
      const chosen = Array.from({ length: last - first }, (_, i) =>
        drawVisits(count, steps, seed, offset + first + i),
      );
      rng.setStep((offset + first) / batch);
      const divergences = await batchDivergences(
        decoder,
        table,
        captions.slice(first, last),
        codes.slice(first, last),
        Array.from({ length: steps }, (_, k) => chosen.map((visitsOf) => visits[visitsOf[k]!.visit]!)),
        rng,
      );
      divergences.forEach((values, k) => {
        values.forEach((value, i) => {
          bounds[first + i]! += value * chosen[i]![k]!.size;
        });
      });
      onBatch?.(last);
    }
    return bounds;
  } finally {
    rng.dispose();
  }
}

/** The divergences of a batch of captions at each of the `times`, which hold a step t for each caption. */
async function batchDivergences(
  decoder: Decoder,
  table: TransitionTable,
  captions: readonly Uint32Array[],
  codes: readonly Uint32Array[],
  times: readonly number[][],
  rng: Rng,
): Promise<Float32Array[]> {
  const { gpu, shape } = decoder;
  const { length, side, vocabulary } = shape;
  const size = captions.length;
  const ids = joined(captions, length);
  const divergences = gpu.scope(() =>
    noGrad(() => {
      const x0 = fromArray(gpu, ids, [size, length], "u32", "x_0");
      const clean = fromArray(gpu, logOneHot(ids, vocabulary), [size, length, vocabulary], "f32", "log x_0");
      const y = fromArray(gpu, joined(codes, side ** 2), [size, side ** 2], "u32", "codes");
      const condition = decoder.prepare(y);
      return times.map((of) =>
        gpu.scope(() => {
          const t = fromArray(gpu, of, [size], "u32", "t");
          const xt = qSample(rng, table, x0, t);
          return stepDivergence(table, clean, decoder.forward(xt, t, condition), xt, t);
        }),
      );
    }),
  );
  const readings = divergences.map((divergence) => divergence.read());
  for (const divergence of divergences) divergence.dispose();
  return Promise.all(readings);
}

function joined(rows: readonly Uint32Array[], width: number): Uint32Array {
  const all = new Uint32Array(rows.length * width);
  rows.forEach((row, i) => {
    if (row.length !== width) throw new UserError(`Row ${i} has ${row.length} ids instead of ${width}.`);
    all.set(row, i * width);
  });
  return all;
}
