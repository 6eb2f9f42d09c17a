/** Deliberate mistakes in the convolutions over the condition. */

import type { Mutation } from "./mutation.js";

const convs = "models/mc-diffusion/condition-convs.test.ts";
const decoder = "models/mc-diffusion/decoder.test.ts";
const source = "src/models/mc-diffusion/condition-convs.ts";
const encoder = "src/models/mc-diffusion/condition-encoder.ts";

export const conditionConvs: readonly Mutation[] = [
  {
    name: "condition convs: the filter lies one place too low",
    file: source,
    find: "{ padding: 1, bias: this.bias }",
    replace: "{ padding: { top: 2, bottom: 0, left: 1, right: 1 }, bias: this.bias }",
    tests: [`${convs} # against float64`],
  },
  {
    name: "condition convs: a hidden place changes places beyond the reach of the filters",
    file: source,
    find: "this.norm.forward(x).reshape([pictures,",
    replace:
      "this.norm.forward(x.reshape([pictures, dim, positions]).transpose().reshape(x.shape)).reshape([pictures,",
    tests: [`${convs} # no further`],
  },
  {
    name: "condition convs: each block adds as much as all should together",
    file: source,
    find: "fanIn(1 / Math.sqrt(conditionConvs))",
    replace: "fanIn(1 / Math.sqrt(Math.min(1, conditionConvs)))",
    tests: [`${convs} # add as much`],
  },
  {
    name: "condition convs: the summary reads the condition of before",
    file: encoder,
    find: "this.summary.forward(convolved)",
    replace: "this.summary.forward(condition)",
    tests: [`${decoder} # a block and a summary`],
  },
  {
    name: "condition convs: no last norm without blocks of self-attention",
    file: encoder,
    find: "conditionConvs + conditionBlocks > 0 ?",
    replace: "conditionBlocks > 0 ?",
    tests: [`${convs} # parameters of before`, `${decoder} # three convolutions`],
  },
  {
    name: "condition convs: counted once a caption",
    file: "src/models/mc-diffusion/decoder.ts",
    find: "(positions * perPosition + convMultiplyAdds(this.shape)) / captionsPerImage",
    replace: "(positions * perPosition) / captionsPerImage + convMultiplyAdds(this.shape)",
    tests: [`${convs} # shared by the captions`],
  },
];
