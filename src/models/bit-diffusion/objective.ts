/** The loss of a batch of captions: noise on their bits, a first estimate for some of them, the loss of the second one. */

import { sampleTimesteps } from "../../diffusion/forward.js";
import { binaryCrossEntropy } from "../../engine/ops/binary-cross-entropy.js";
import { le } from "../../engine/ops/compare.js";
import { add, mul, scale } from "../../engine/ops/elementwise.js";
import { embedding } from "../../engine/ops/embedding.js";
import { mean, mse } from "../../engine/ops/reduce.js";
import type { Rng } from "../../engine/ops/rng.js";
import { noGrad } from "../../engine/tensor/tape.js";
import { type Tensor, untracked } from "../../engine/tensor/tensor.js";
import { type ConditionMasking, maskedForTraining } from "../mc-diffusion/condition-masking.js";
import type { PreparedCondition } from "../mc-diffusion/decoder.js";
import type { McDiffusionSettings } from "../mc-diffusion/settings.js";
import type { BatchLoss, Objective } from "../objective.js";
import type { BitDecoder } from "./bit-decoder.js";
import { gamma } from "./gaussian.js";
import type { BitDiffusionSettings } from "./settings.js";

/** The keys of the section `decoder` by which a batch is trained: the same as for mc-diffusion. */
export type TrainingRates = ConditionMasking & Pick<McDiffusionSettings, "checkpointing">;

/** What was drawn for a batch: clean bits, noisy bits, their steps. */
export interface NoisyBits {
  /** [B, L, b] */
  readonly clean: Tensor;
  /** [B, L, b] */
  readonly noisy: Tensor;
  /** [B] */
  readonly t: Tensor<"u32">;
}

/**
 * x_0 the bits of a caption; t ~ U{1 … T}; x_t = √γ x_0 + √(1 − γ) ε with γ = γ(t/T); y masked as in Algorithm 1 of MC-Diffusion.
 * With probability `selfConditioning` a caption's input holds the network's own first estimate x̂_0(x_t, 0), through which no
 * gradient flows, else zeros. The loss is the mean over all bits of all positions, the filling [END] included:
 *
 *   squared-error          (f(x_t, x̂_0, t, y) − x_0)²
 *   sigmoid-cross-entropy  −log σ(x_0 · f(x_t, x̂_0, t, y))
 */
export class BitObjective implements Objective<[tokens: Tensor<"u32">, codes: Tensor<"u32">]> {
  private readonly decoder: BitDecoder;
  private readonly settings: BitDiffusionSettings;
  private readonly rates: TrainingRates;
  private readonly random: Rng;
  /** √γ(t/T) and √(1 − γ(t/T)), rows t = 0 … T: [T + 1, 1]. */
  private readonly signal: Tensor;
  private readonly deviation: Tensor;

  constructor(decoder: BitDecoder, settings: BitDiffusionSettings, rates: TrainingRates, random: Rng) {
    this.decoder = decoder;
    this.settings = settings;
    this.rates = rates;
    this.random = random;
    const { gpu } = decoder;
    const { timesteps: steps } = decoder.shape;
    const column = (label: string, of: (level: number) => number) => {
      const table = untracked(gpu, [steps + 1, 1], "f32", label);
      table.write(
        Float32Array.from({ length: steps + 1 }, (_, t) => of(gamma(settings.schedule, t / steps))),
      );
      return table;
    };
    this.signal = column("signal", Math.sqrt);
    this.deviation = column("noise", (level) => Math.sqrt(1 - level));
  }

  /** x_0 [B, L], y [P, S] of P pictures. */
  loss(x0: Tensor<"u32">, codes: Tensor<"u32">): BatchLoss {
    const { decoder, random } = this;
    const drawn = this.noise(x0);
    const y = maskedForTraining(random, codes, this.rates, decoder.shape.codes);
    const condition = decoder.prepare(y, { keyValues: !this.rates.checkpointing });
    return this.lossOf(drawn, this.estimate(drawn, condition), condition);
  }

  /** t and x_t of captions [B, L]. */
  private noise(x0: Tensor<"u32">): NoisyBits {
    const { decoder, random, signal, deviation } = this;
    const captions = x0.shape[0]!;
    const { vocabulary: tokens, timesteps: steps } = decoder.shape;
    const t = sampleTimesteps(random, { schedule: { tokens, steps } }, captions);
    const clean = decoder.bitsOf(x0);
    const each = (table: Tensor) => embedding(table, t).reshape([captions, 1, 1]);
    const noisy = add(mul(clean, each(signal)), mul(random.normal(clean.shape), each(deviation)));
    return { clean, noisy, t };
  }

  /** The first estimates [B, L, b], zeros for the captions without one; null if there are none. */
  private estimate({ noisy, t }: NoisyBits, condition: PreparedCondition): Tensor | null {
    const { decoder, settings, random } = this;
    if (settings.selfConditioning === 0) return null;
    return noGrad(() => {
      const first = decoder.estimateOf(decoder.forward(decoder.inputOf(noisy, null), t, condition));
      const chosen = random.bernoulli([noisy.shape[0]!, 1, 1], settings.selfConditioning);
      return mul(first, chosen);
    });
  }

  /** The loss given the estimates. */
  lossOf({ clean, noisy, t }: NoisyBits, estimate: Tensor | null, condition: PreparedCondition): BatchLoss {
    const { decoder, random } = this;
    const { checkpointing } = this.rates;
    const output = decoder.forward(decoder.inputOf(noisy, estimate), t, condition, { random, checkpointing });
    const total =
      this.settings.loss === "squared-error"
        ? mse(output, clean)
        : binaryCrossEntropy(output, scale(clean, 0.5, 0.5));
    const wrong = noGrad(() => mean(le(mul(output.detach(), clean), 0)));
    return { total, figures: [{ tensor: wrong, names: ["wrongBits"] }] };
  }

  dispose(): void {
    this.signal.dispose();
    this.deviation.dispose();
  }
}
