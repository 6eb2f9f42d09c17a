/** One micro-batch of teacher forcing: the cross-entropy of each word, given those before it and the picture. */

import { maskCondition } from "../../diffusion/masking.js";
import { copyInto } from "../../engine/ops/copy.js";
import { add, minimum, scale } from "../../engine/ops/elementwise.js";
import type { Rng } from "../../engine/ops/rng.js";
import { smoothedCrossEntropy } from "../../engine/ops/smoothed-cross-entropy.js";
import { logSoftmax } from "../../engine/ops/softmax.js";
import { noGrad } from "../../engine/tensor/tape.js";
import { type Tensor, untracked } from "../../engine/tensor/tensor.js";
import type { McDiffusionSettings } from "../mc-diffusion/settings.js";
import type { BatchLoss, Objective } from "../objective.js";
import type { AutoregressiveDecoder } from "./decoder.js";
import type { AutoregressiveSettings } from "./settings.js";
import { mixInputs, teach } from "./teacher.js";

/** How the condition is masked in training: Algorithm 1 of the paper, as for mc-diffusion. */
export type ConditionMasking = Pick<McDiffusionSettings, "pCond" | "pMask" | "pDrop">;

/**
 * L = −mean over the words up to [END] of Σ_k t_k log p(k | words before, y), t the word, smoothed by ε. The condition y is masked
 * as Algorithm 1 of the paper masks it.
 *
 * Scheduled sampling takes two passes (Mihaylova and Martins 2019): the first, without gradient or dropout, draws a word at every
 * place; the second reads a share of them instead of the caption's.
 */
export class TeacherForcing implements Objective<[tokens: Tensor<"u32">, codes: Tensor<"u32">]> {
  /** The share of drawn words, which rises from step to step. */
  readonly state: ReadonlyMap<string, Tensor>;
  private readonly decoder: AutoregressiveDecoder;
  private readonly settings: AutoregressiveSettings;
  private readonly random: Rng;
  private readonly share: Tensor | null;

  constructor(decoder: AutoregressiveDecoder, settings: AutoregressiveSettings, random: Rng) {
    this.decoder = decoder;
    this.settings = settings;
    this.random = random;
    const { scheduledSampling: rate, scheduledSamplingRamp: ramp } = settings;
    this.share = rate > 0 ? untracked(decoder.gpu, [1], "f32", "share of drawn words") : null;
    this.share?.write([ramp === 0 ? rate : 0]);
    this.state = new Map(this.share ? [["drawnShare", this.share]] : []);
  }

  /** Captions [B, L], codes [P, S] of P pictures. */
  loss(tokens: Tensor<"u32">, codes: Tensor<"u32">): BatchLoss {
    const { decoder, settings, random, share } = this;
    const { options, shape } = decoder;
    const { pCond, pMask, pDrop } = options.masking;
    const rates = { conditionRate: pCond, maskRate: pMask, dropRate: pDrop, maskId: shape.codes };
    const prepared = decoder.prepare(maskCondition(random, codes, rates));
    const ids = { vocabulary: shape.vocabulary, endId: options.endId };
    const { inputs: words, targets } = teach(tokens, ids);
    const inputs = share
      ? noGrad(() => {
          const drawn = random.categorical(logSoftmax(decoder.logits(words, prepared)));
          return mixInputs(tokens, drawn, share, random, ids);
        })
      : words;
    const logits = decoder.logits(inputs, prepared, { random, checkpointing: options.checkpointing });
    const { loss } = smoothedCrossEntropy(logits, targets, settings.labelSmoothing, {
      ignore: shape.vocabulary,
    });
    const { scheduledSampling: rate, scheduledSamplingRamp: ramp } = settings;
    return {
      total: loss,
      figures: [{ tensor: loss.detach(), names: ["crossEntropy"] }],
      ...(share && ramp > 0
        ? {
            apply: () => {
              noGrad(() => copyInto(share, risen(share, rate, ramp)));
              return [];
            },
          }
        : {}),
    };
  }

  dispose(): void {
    this.share?.dispose();
  }
}

/** min(rate, share + rate / ramp) */
function risen(share: Tensor, rate: number, ramp: number): Tensor {
  return share.gpu.scope(() => {
    const limit = scale(share, 0, rate);
    return minimum(add(share, scale(share, 0, rate / ramp)), limit);
  });
}
