/** Deliberate mistakes in sampling captions, scores, baselines. */

import type { Mutation } from "./mutation.js";

const sampling = "captioner/sampling.test.ts";
const settings = "training/settings.test.ts";
const evaluationFile = "src/evaluation/evaluation.ts";

export const evaluation: readonly Mutation[] = [
  {
    name: "captions of a batch come in reverse",
    file: "src/captioner/batch.ts",
    find: "ids.subarray(i * length, (i + 1) * length)",
    replace: "ids.subarray((batch - 1 - i) * length, (batch - i) * length)",
    tests: [`${sampling} # captions come`],
  },
  {
    name: "every batch of 64 pictures has the codes of the first",
    file: "src/captioner/batch.ts",
    find: "const part = codes.subarray(first, first + imagesPerBatch * positions);\n    const condition",
    replace:
      "const part = codes.subarray(0, Math.min(codes.length - first, imagesPerBatch * positions));\n    const condition",
    tests: [`${sampling} # captions come`],
  },
  {
    name: "every batch of 64 pictures has the same numbers",
    file: "src/captioner/batch.ts",
    find: "seed + (first + candidate) * 0x1_0000_0000",
    replace: "seed + candidate * 0x1_0000_0000",
    tests: [`${sampling} # every picture`],
  },
  {
    name: "the last step draws instead of taking the most probable word",
    file: "src/diffusion/sampler.ts",
    find: 'u === 0 && last === "argmax"',
    replace: "false",
    tests: [`${sampling} # the last step`],
  },
  {
    name: "every step takes the most probable word",
    file: "src/diffusion/sampler.ts",
    find: 'u === 0 && last === "argmax"',
    replace: 'last === "argmax"',
    tests: [`${sampling} # the last step`],
  },
  {
    name: "cfg hides half of the condition",
    file: "src/diffusion/guidance.ts",
    find: 'guidance.method === "cfg" ? 1 :',
    replace: 'guidance.method === "cfg" ? 0.5 :',
    tests: [`${sampling} # guidance hides`],
  },
  {
    name: "mcs hides a tenth, whatever it is told",
    file: "src/diffusion/guidance.ts",
    find: "(guidance.maskRate ?? 0.1)",
    replace: "0.1",
    tests: [`${sampling} # guidance hides`],
  },
  {
    name: "guidance hides with code K-1",
    file: "src/diffusion/guidance.ts",
    find: "maskId: guidance.maskId }, true)",
    replace: "maskId: guidance.maskId - 1 }, true)",
    tests: [`${sampling} # guidance hides`],
  },
  {
    name: "a mask that should be redrawn stays",
    file: "src/models/mc-diffusion/generate.ts",
    find: 'redraw: maskMode === "redrawn" }',
    replace: "redraw: false }",
    tests: [`${sampling} # guidance hides`],
  },
  {
    name: "the guidance scale of the configuration ignored",
    file: "src/models/sampling-settings.ts",
    find: "scale: guidance.scale ?? sampling.scale,",
    replace: "scale: guidance.scale ?? 1.25,",
    tests: [`${settings} # options of a call`],
  },
  {
    name: "temperature ignored",
    file: "src/models/mc-diffusion/generate.ts",
    find: "settings.temperature === 0 ? greedyTemperature : settings.temperature,",
    replace: "1,",
    tests: [`${settings} # options of a call`],
  },
  {
    name: "top-r ignored",
    file: "src/models/mc-diffusion/generate.ts",
    find: "topR: settings.topR,",
    replace: "topR: 1,",
    tests: [`${settings} # options of a call`],
  },
  {
    name: "number of steps ignored",
    file: "src/models/mc-diffusion/generate.ts",
    find: "schedule.visit(settings.steps)",
    replace: "schedule.visit(schedule.steps)",
    tests: [`${settings} # options of a call`],
  },
  {
    name: "x_u is drawn from [MASK] with γ̄_t for γ_t",
    file: "src/diffusion/coefficients.ts",
    find: "masked(gammaU + gamma * alphaU)",
    replace: "masked(gammaU + gammaT * alphaU)",
    tests: ["diffusion/coefficients.test.ts"],
  },
  {
    name: "x_u is drawn from another token with β̄_t for β_t",
    file: "src/diffusion/coefficients.ts",
    find: "other(alpha * betaU + beta * alphaU)",
    replace: "other(alpha * betaU + betaT * alphaU)",
    tests: ["diffusion/coefficients.test.ts"],
  },
  {
    name: "a token that is x_0 is redrawn over M-1 tokens",
    file: "src/diffusion/coefficients.ts",
    find: "1 - (schedule.tokens * beta * betaU)",
    replace: "1 - ((schedule.tokens - 1) * beta * betaU)",
    tests: ["diffusion/coefficients.test.ts"],
  },
  {
    name: "x_t is drawn from x_0 with a uniform share of one token less",
    file: "src/diffusion/coefficients.ts",
    find: "probabilityThreshold(gammaT + schedule.uniformBar[t]!)",
    replace: "probabilityThreshold(gammaT + schedule.uniformBar[t]! - betaT)",
    tests: ["diffusion/coefficients.test.ts"],
  },
  {
    name: "scores know the first reference only",
    file: evaluationFile,
    find: "records.map((record) => dataset.records[record]!.captions);",
    replace: "records.map((record) => dataset.records[record]!.captions.slice(0, 1));",
    tests: ["evaluation/baselines.test.ts"],
  },
  {
    name: "the nearest picture is the test picture itself",
    file: evaluationFile,
    find: "const train = baselines ? (dataset.splits.train ?? []) : [];",
    replace: "const train = [...dataset.records.keys()];",
    tests: ["evaluation/baselines.test.ts"],
  },
  {
    name: "scores are of captions with the configuration's settings, not with those given",
    file: evaluationFile,
    find: "          ...sampling,\n          guidance,",
    replace: "          guidance,",
    tests: ["evaluation/baselines.test.ts"],
  },
  {
    name: "'other picture' is the own one",
    file: "src/evaluation/baselines.ts",
    find: "order[(i + 1) % count]!",
    replace: "order[i]!",
    tests: ["evaluation/evaluation.test.ts"],
  },
  {
    name: "the nearest picture is looked for by the number of the record in training",
    file: evaluationFile,
    find: "dataset.records[train[number]!]!.captions[0]!",
    replace: "dataset.records[number]!.captions[0]!",
    tests: ["evaluation/baselines.test.ts"],
  },
  {
    name: "pictures are looked up by the number of their record",
    file: "src/data/dataset.ts",
    find: "records.map((record) => dataset.records[record]!.image);",
    replace: "records.map((record) => (dataset.records[record] ? record : -1));",
    tests: ["evaluation/baselines.test.ts"],
  },
  {
    name: "log.scored ignored",
    file: "src/training/closing.ts",
    find: "{ splits, limit: config.log.scored, onProgress }",
    replace: "{ splits, limit: 0, onProgress }",
    tests: ["commands/learn.test.ts"],
  },
];
