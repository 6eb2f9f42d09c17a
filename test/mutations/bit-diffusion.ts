/** Deliberate mistakes in Bit Diffusion. */

import type { Mutation } from "./mutation.js";

const folder = "src/models/bit-diffusion";
const gaussian = "models/bit-diffusion/gaussian.test.ts";
const loss = "models/bit-diffusion/loss.test.ts";
const generation = "models/bit-diffusion/generate.test.ts";
const learning = "models/bit-diffusion/training.test.ts";

export const bitDiffusion: readonly Mutation[] = [
  {
    name: "bit diffusion: the cosine schedule is not squared",
    file: `${folder}/gaussian.ts`,
    find: "Math.PI) / 2) ** 2,",
    replace: "Math.PI) / 2),",
    tests: [`${gaussian} # signal levels`],
  },
  {
    name: "bit diffusion: DDIM keeps too much of the state",
    file: `${folder}/gaussian.ts`,
    find: "Math.sqrt(gammaS) - Math.sqrt(gammaT) * state, state, noise: 0",
    replace: "Math.sqrt(gammaS) - Math.sqrt(gammaS) * state, state, noise: 0",
    tests: [`${gaussian} # DDIM`],
  },
  {
    name: "bit diffusion: DDPM draws with the variance of the process, not of its posterior",
    file: `${folder}/gaussian.ts`,
    find: "noise: Math.sqrt((1 - gammaS) * c),",
    replace: "noise: Math.sqrt(1 - gammaT / gammaS),",
    tests: [`${gaussian} # DDPM`],
  },
  {
    name: "bit diffusion: intervals are asymmetric by the share of T, not of the steps taken",
    file: `${folder}/gaussian.ts`,
    find: "visits[i + 1]! / steps - timeDifference / count",
    replace: "visits[i + 1]! / steps - timeDifference / steps",
    tests: [`${gaussian} # asymmetric`],
  },
  {
    name: "bit diffusion: the least significant bit comes first",
    file: `${folder}/analog-bits.ts`,
    find: "(id >>> (bits - 1 - j)) & 1",
    replace: "(id >>> j) & 1",
    tests: [`${gaussian} # binary`],
  },
  {
    name: "bit diffusion: [MASK] is among the words that a position may be",
    file: `${folder}/analog-bits.ts`,
    find: "const vocabulary = table.shape[0]! - 1;",
    replace: "const vocabulary = table.shape[0]! - 0;",
    tests: [`${gaussian} # binary`],
  },
  {
    name: "bit diffusion: bits without noise's share",
    file: `${folder}/objective.ts`,
    find: `column("noise", (level) => Math.sqrt(1 - level))`,
    replace: `column("noise", (level) => 1 - level)`,
    tests: [`${loss} # draws`],
  },
  {
    name: "bit diffusion: every caption has an estimate",
    file: `${folder}/objective.ts`,
    find: "return mul(first, chosen);",
    replace: "return add(first, scale(chosen, 0));",
    tests: [`${loss} # draws`],
  },
  {
    name: "bit diffusion: the network does not see its estimate",
    file: `${folder}/bit-decoder.ts`,
    find: "concat([noisy, estimate ?? zeros(",
    replace: "concat([noisy, estimate ? scale(estimate, 0) : zeros(",
    tests: [`${loss} # float64`],
  },
  {
    name: "bit diffusion: targets of the cross-entropy are −1 and 1",
    file: `${folder}/objective.ts`,
    find: "binaryCrossEntropy(output, scale(clean, 0.5, 0.5))",
    replace: "binaryCrossEntropy(output, clean)",
    tests: [`${loss} # sigmoid`],
  },
  {
    name: "bit diffusion: estimates are not clipped",
    file: `${folder}/bit-decoder.ts`,
    find: "? clamp(output, -1, 1)",
    replace: "? clamp(output, -9, 9)",
    tests: [`${loss} # estimates`],
  },
  {
    name: "bit diffusion: guidance takes the partial model for the full one",
    file: `${folder}/generate.ts`,
    find: "add(scale(full, weight), scale(less, 1 - weight))",
    replace: "add(scale(less, weight), scale(full, 1 - weight))",
    tests: [`${generation} # classifier-free`],
  },
  {
    name: "bit diffusion: no self-conditioning while sampling",
    file: `${folder}/generate.ts`,
    find: "decoder.inputOf(noisy, last)",
    replace: "decoder.inputOf(noisy, last && null)",
    tests: [`${generation} # DDIM`],
  },
  {
    name: "bit diffusion: given words are noised as at the step's end",
    file: `${folder}/generate.ts`,
    find: "scale(given!.bits, Math.sqrt(gammaT))",
    replace: "scale(given!.bits, Math.sqrt(gammaS))",
    tests: [`${generation} # given words`],
  },
  {
    name: "bit diffusion: a banned token may be the nearest",
    file: `${folder}/generate.ts`,
    find: "argmax(penalty ? add(products, penalty) : products, 2)",
    replace: "argmax(penalty ? add(products, scale(penalty, 0)) : products, 2)",
    tests: [`${generation} # given words`],
  },
  {
    name: "bit diffusion: the size leaves out the summary's hidden layer",
    file: `${folder}/size.ts`,
    find: "side * side * squeezedWidth + 1 + summaryTokens * dim : 0",
    replace: "0 * side * squeezedWidth + 1 : 0",
    tests: [`${learning} # as many parameters`],
  },
  {
    name: "bit diffusion: the condition is not masked in training",
    file: `${folder}/objective.ts`,
    find: "maskedForTraining(random, codes, this.rates,",
    replace: "maskedForTraining(random, codes, { ...this.rates, pCond: 0 },",
    tests: [`${learning} # masks the condition`],
  },
];
