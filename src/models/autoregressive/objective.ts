/** One micro-batch of teacher forcing: the cross-entropy of each word, given those before it and the picture. */

import type { Rng } from "../../engine/ops/rng.js";
import { smoothedCrossEntropy } from "../../engine/ops/smoothed-cross-entropy.js";
import { logSoftmax } from "../../engine/ops/softmax.js";
import { noGrad } from "../../engine/tensor/tape.js";
import type { Tensor } from "../../engine/tensor/tensor.js";
import { maskedForTraining } from "../mc-diffusion/condition-masking.js";
import type { BatchLoss, Objective } from "../objective.js";
import type { AutoregressiveNetwork } from "./network.js";
import type { AutoregressiveSettings } from "./settings.js";
import { mixInputs, teach } from "./teacher.js";

/**
 * L = −mean over the words up to [END] of Σ_k t_k log p(k | words before, y), t the word, smoothed by ε. The condition y is masked
 * as Algorithm 1 of the paper masks it.
 *
 * Scheduled sampling takes two passes (Mihaylova and Martins 2019): the first, without gradient or dropout, draws a word at every
 * place; the second reads a share of them instead of the caption's.
 */
export class TeacherForcing implements Objective<[tokens: Tensor<"u32">, codes: Tensor<"u32">]> {
  private readonly decoder: AutoregressiveNetwork;
  private readonly settings: AutoregressiveSettings;
  private readonly random: Rng;

  constructor(decoder: AutoregressiveNetwork, settings: AutoregressiveSettings, random: Rng) {
    this.decoder = decoder;
    this.settings = settings;
    this.random = random;
  }

  /** Captions [B, L], codes [P, S] of P pictures. */
  loss(tokens: Tensor<"u32">, codes: Tensor<"u32">): BatchLoss {
    const { decoder, random } = this;
    const { labelSmoothing, scheduledSampling: rate, scheduledSamplingRamp: ramp } = this.settings;
    const { options, shape } = decoder;
    const prepared = decoder.prepare(maskedForTraining(random, codes, options.masking, shape.codes));
    const ids = { vocabulary: shape.vocabulary, endId: options.endId };
    const { inputs: words, targets } = teach(tokens, ids);
    const inputs =
      rate > 0
        ? noGrad(() => {
            const drawn = random.categorical(logSoftmax(decoder.logits(words, prepared)));
            return mixInputs(tokens, drawn, { rate, ramp }, random, ids);
          })
        : words;
    const logits = decoder.logits(inputs, prepared, { random, checkpointing: options.checkpointing });
    const { loss } = smoothedCrossEntropy(logits, targets, labelSmoothing, { ignore: shape.vocabulary });
    return { total: loss, figures: [{ tensor: loss.detach(), names: ["crossEntropy"] }] };
  }
}
