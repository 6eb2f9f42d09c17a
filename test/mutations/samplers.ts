/** Deliberate mistakes in the samplers beside ancestral sampling, and in the choice among candidates. */

import type { Mutation } from "./mutation.js";

const [best, orders, back, kernel] = ["best-first", "margin-purity", "remask", "unmask"].map(
  (name) => `diffusion/${name}.test.ts`,
);
const settings = "models/mc-diffusion/samplers.test.ts";
const words = "metrics/consensus.test.ts";

export const samplers: readonly Mutation[] = [
  {
    name: "samplers: a program that lacks one is not told where it is",
    file: "src/diffusion/samplers.ts",
    find: '  margin: "mc-diffusion/samplers",\n',
    replace: "",
    tests: ["config/config.test.ts # a sampler that another entry"],
  },
  {
    name: "unmask: of equal keys the last position",
    file: "shaders/diffusion/unmask.wgsl",
    find: "(other == key && j < i)",
    replace: "(other == key && j > i)",
    tests: [`${kernel} # unmask`],
  },
  {
    name: "unmask: positions with a word are ranked too",
    file: "shaders/diffusion/unmask.wgsl",
    find: "if (xt[j] == params.mask) {",
    replace: "if (xt[j] <= params.mask) {",
    tests: [`${kernel} # unmask`],
  },
  {
    name: "unmask: one position more stays masked",
    file: "shaders/diffusion/unmask.wgsl",
    find: "before + params.keep < masked",
    replace: "before + params.keep + 1u < masked",
    tests: [`${kernel} # unmask`],
  },
  {
    name: "confidence: the likeliest token's score, not its probability",
    file: "src/diffusion/best-first.ts",
    find: "sub(max(scores, [2]), logSumExp(scores));",
    replace: "sub(max(scores, [2]), sub(logSumExp(scores), logSumExp(scores)));",
    tests: [`${best} # confidence follows`],
  },
  {
    name: "margin: to the likeliest token itself",
    file: "src/diffusion/margin-purity.ts",
    find: "sub(probability(0), probability(1))",
    replace: "sub(probability(0), probability(0))",
    tests: [`${orders} # margin follows`],
  },
  {
    name: "purity: without noise",
    file: "src/diffusion/margin-purity.ts",
    find: "add(certainty, rng.gumbel(certainty.shape))",
    replace: "add(certainty, rng.gumbel(certainty.shape, 0))",
    tests: [`${orders} # purity follows`],
  },
  {
    name: "best-first: as many masked as before the step",
    file: "src/diffusion/best-first.ts",
    find: "schedule.gammaBar[u]!) / all",
    replace: "schedule.gammaBar[draw.t]!) / all",
    tests: [`${settings} # best-first`],
  },
  {
    name: "best-first: words are drawn from the posterior, not from x_0",
    file: "src/diffusion/best-first.ts",
    find: "pSample(rng, scores, xt, clean, t,",
    replace: "pSample(rng, scores, xt, table.thresholds, t,",
    tests: [`${best} # confidence follows`],
  },
  {
    name: "best-first: given words count as masked positions",
    file: "src/models/mc-diffusion/generate.ts",
    find: "=== mask && !words?.at[i]",
    replace: "=== mask || !words?.at[i]",
    tests: [`${settings} # best-first`],
  },
  {
    name: "remask: words come back as at the step's start",
    file: "src/diffusion/remask.ts",
    find: "times.slice(0, u, 1)",
    replace: "times.slice(0, u + 1, 1)",
    tests: [`${back} # mixture`],
  },
  {
    name: "remask: all words are taken back or none",
    file: "src/diffusion/remask.ts",
    find: "rng.bernoulli(onward.shape, remask)",
    replace: "rng.bernoulli([1, 1], remask)",
    tests: [`${back} # mixture`],
  },
  {
    name: "remask: given words are taken back",
    file: "src/diffusion/remask.ts",
    find: "return fixWords(where(forgets, again, onward), fixed, copies);",
    replace: "return fixWords(where(forgets, again, onward), fixed && null, copies);",
    tests: [`${settings} # to the bit`],
  },
  {
    name: "sampling: the sampler of a caller is ignored",
    file: "src/models/sampling-settings.ts",
    find: "sampler: given.sampler ?? sampling.sampler,",
    replace: "sampler: sampling.sampler,",
    tests: [`${settings} # to the bit`],
  },
  {
    name: "candidates: all from one seed",
    file: "src/captioner/batch.ts",
    find: "seed + (first + candidate) * seedsApart",
    replace: "seed + (first + 0 * candidate) * seedsApart",
    tests: [`${settings} # candidates`],
  },
  {
    name: "consensus: the caption is the others' reference",
    file: "src/metrics/consensus.ts",
    find: "smoothedBleu(own, other)",
    replace: "smoothedBleu(other, own)",
    tests: [`${words} # agrees most`],
  },
  {
    name: "BLEU+1: 1-grams are smoothed too",
    file: "src/metrics/consensus.ts",
    find: "const added = i === 0 ? 0 : 1;",
    replace: "const added = i === 9 ? 0 : 1;",
    tests: [`${words} # by hand`],
  },
];
