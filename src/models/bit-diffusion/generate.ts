/** Generates captions by Bit Diffusion: bits of noise, step by step to clean bits, then the nearest token of each position. */

import { fullWeight, type Guidance, guidedCondition } from "../../diffusion/guidance.js";
import { visitedSteps } from "../../diffusion/schedule.js";
import { argmax } from "../../engine/ops/argmax.js";
import { where } from "../../engine/ops/compare.js";
import { concat } from "../../engine/ops/copy.js";
import { add, scale } from "../../engine/ops/elementwise.js";
import { Rng } from "../../engine/ops/rng.js";
import { noGrad } from "../../engine/tensor/tape.js";
import { fromArray, type Tensor, zeros } from "../../engine/tensor/tensor.js";
import { UserError } from "../../platform/errors.js";
import type { GeneratedStep, GenerateOptions, GivenWords } from "../caption-decoder.js";
import { AttentionReadout } from "../mc-diffusion/attention-readout.js";
import { PreparedOnce, penaltyOf } from "../mc-diffusion/prepared.js";
import type { SamplingSettings } from "../sampling-settings.js";
import { codeProducts } from "./analog-bits.js";
import type { BitDecoder } from "./bit-decoder.js";
import { gamma, stepWeights, timePairs } from "./gaussian.js";

/** Random streams: x_T, the mask of mcs, then for each step its noise, that of given words, and a redrawn mask. */
const streams = { mask: 1, steps: 2, perStep: 3 } as const;

/** Given words as bits: `at` [1, L, 1] is 1 where `bits` [1, L, b] hold. */
interface GivenBits {
  at: Tensor<"u32">;
  bits: Tensor;
}

/** The way from x_T to x_0; see `CaptionDecoder.generate`. The tokens of a step are those nearest to its estimate of x_0. */
export function* generate(
  decoder: BitDecoder,
  codes: Tensor<"u32">,
  settings: SamplingSettings,
  { endId, banned = [], words = null, from, attention = false, watch }: GenerateOptions,
): Generator<GeneratedStep, void> {
  if (from) {
    throw new UserError(
      "A bit-diffusion decoder cannot go on from tokens: between its steps a caption is numbers, not tokens.",
    );
  }
  if (settings.sampler !== "ancestral") {
    throw new UserError(
      `The sampler "${settings.sampler}" draws tokens; a bit-diffusion decoder takes its steps by bitDiffusion.step.`,
    );
  }
  const { gpu, bits, settings: own } = decoder;
  const { length, codes: maskId, timesteps: steps } = decoder.shape;
  const batch = codes.shape[0]!;
  const { maskMode, ...rest } = settings.guidance;
  const guidance: Guidance = { ...rest, maskId, redraw: maskMode === "redrawn" };
  const weight = fullWeight(guidance);
  const guided = weight !== 1;
  const rows = guided ? 2 * batch : batch;
  const visits = visitedSteps(steps, settings.steps);
  const pairs = timePairs(visits, steps, own.timeDifference);
  const rng = new Rng(gpu, settings.seed);
  const prepared = new PreparedOnce(decoder);
  const held: Tensor<"f32" | "u32">[] = [];
  const hold = <T extends Tensor | Tensor<"u32">>(tensor: T): T => {
    tensor.keep();
    held.push(tensor as Tensor<"f32" | "u32">);
    return tensor;
  };
  const normal = (stream: number) => {
    rng.setPosition(stream);
    return rng.normal([batch, length, bits], settings.temperature);
  };
  // Rows of a multiple of 64 numbers start where kernels can bind them.
  const width = Math.ceil(rows / 64) * 64;
  const times = hold(
    fromArray(
      gpu,
      visits.flatMap((t) => new Array<number>(width).fill(t)),
      [visits.length, width],
      "u32",
      "steps",
    ),
  );
  const penalty = penaltyOf(decoder, endId, banned, words);
  if (penalty) hold(penalty);
  const given = words && givenBits(decoder, words, hold);
  /** Puts given words, if there are any, in the place of others' bits. */
  const insert = (bitsOfWords: () => Tensor, others: Tensor) =>
    given ? where(given.at, bitsOfWords(), others) : others;
  let state: Tensor = normal(0).keep();
  let estimate: Tensor = zeros(gpu, state.shape, "f32", "estimate").keep();
  let tokens: Tensor<"u32"> | null = null;
  let shown: Tensor<"u32"> = codes;
  try {
    rng.setPosition(streams.mask);
    if (guided && !guidance.redraw) shown = hold(guidedCondition(rng, codes, guidance));
    for (let i = 0; i + 1 < visits.length; i++) {
      const [t, u] = [visits[i]!, visits[i + 1]!];
      const [gammaT, gammaS] = [gamma(own.schedule, pairs[i]!.from), gamma(own.schedule, pairs[i]!.to)];
      const stream = streams.steps + streams.perStep * i;
      const [before, last]: [Tensor, Tensor] = [state, estimate];
      const taken = gpu.scope(() =>
        noGrad(() => {
          const noisy = insert(
            () =>
              add(scale(given!.bits, Math.sqrt(gammaT)), scale(normal(stream + 1), Math.sqrt(1 - gammaT))),
            before,
          );
          rng.setPosition(stream + 2);
          const condition = guided && guidance.redraw ? guidedCondition(rng, codes, guidance) : shown;
          const readout = attention ? new AttentionReadout(decoder) : null;
          const input = decoder.inputOf(noisy, last);
          const time = times.slice(0, i, 1).slice(1, 0, rows).reshape([rows]);
          const branches = guided ? concat([input, input], 0) : input;
          const outputs = decoder.forward(branches, time, prepared.of(condition), readout ?? {});
          const output = guided ? mixed(outputs, weight) : outputs;
          const clean = insert(() => given!.bits, decoder.estimateOf(output));
          const next = stepFrom(noisy, clean, gammaT, gammaS, stream);
          const nearest = tokensOf(clean);
          if (watch) {
            const scores = decoder.scoresOf(output);
            watch(penalty ? add(scores, penalty) : scores, nearest, readout?.mean() ?? null);
          }
          return { state: next, estimate: clean, tokens: nearest };
        }),
      );
      for (const tensor of [before, last, tokens]) tensor?.dispose();
      ({ state, estimate, tokens } = taken);
      for (const tensor of [state, estimate, tokens]) tensor.keep();
      yield { t, u, tokens };
    }
  } finally {
    for (const tensor of [state, estimate, tokens, ...held]) tensor?.dispose();
    prepared.dispose();
    rng.dispose();
  }

  /** x_s of the header of gaussian.ts. */
  function stepFrom(noisy: Tensor, clean: Tensor, gammaT: number, gammaS: number, stream: number): Tensor {
    const weights = stepWeights(own.step, gammaT, gammaS);
    const mean = add(scale(clean, weights.estimate), scale(noisy, weights.state));
    return weights.noise === 0 ? mean : add(mean, scale(normal(stream), weights.noise));
  }

  /** The nearest token of each position that may stand there: [B, L]. */
  function tokensOf(clean: Tensor): Tensor<"u32"> {
    const products = codeProducts(clean, decoder.codeWords);
    return argmax(penalty ? add(products, penalty) : products, 2);
  }
}

/** less + weight · (full − less) of outputs [2B, L, b], the full conditions' first. */
export function mixed(outputs: Tensor, weight: number): Tensor {
  const half = outputs.shape[0]! / 2;
  const [full, less] = [outputs.slice(0, 0, half), outputs.slice(0, half, half)];
  return add(scale(full, weight), scale(less, 1 - weight));
}

function givenBits(
  decoder: BitDecoder,
  words: GivenWords,
  hold: <T extends Tensor | Tensor<"u32">>(tensor: T) => T,
): GivenBits {
  const { gpu } = decoder;
  const { length } = decoder.shape;
  return gpu.scope(() => {
    const ids = fromArray(gpu, words.words, [1, length], "u32", "given words");
    return {
      at: hold(fromArray(gpu, words.at, [1, length, 1], "u32", "given positions")),
      bits: hold(decoder.bitsOf(ids)),
    };
  });
}
