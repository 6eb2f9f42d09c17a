/** Deliberate mistakes where several processes train together. */

// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these strings are sources

import type { Mutation } from "./mutation.js";

const equal = "distributed/equal.test.ts";
const ranks = "distributed/ranks.test.ts";
const collective = "distributed/collective.test.ts";
const parts = "training/part-rng.test.ts";

export const distributed: readonly Mutation[] = [
  {
    name: "ranks: gradients are added up, not averaged",
    file: "src/training/gradient-reduction.ts",
    find: "1 / this.processes",
    replace: "1",
    tests: [`${equal} # decoder: masked`],
  },
  {
    name: "ranks: every rank draws the random numbers of the first",
    file: "src/training/part-rng.ts",
    find: "step >>> 0, this.index]",
    replace: "step >>> 0, 0]",
    tests: [`${equal} # decoder: masked`],
  },
  {
    name: "ranks: fills and choices are not keyed by the sample's number in the whole batch",
    file: "shaders/common/rng.wgsl",
    find: "quad + rng[3] * (params.count / 4u)",
    replace: "quad",
    tests: [`${parts} # normal: parts draw`, `${parts} # categorical`],
  },
  {
    name: "ranks: a part may begin within four numbers",
    file: "src/training/part-rng.ts",
    find: "axis, 1) % 4 === 0) return;",
    replace: "axis, 1) % 4 >= 0) return;",
    tests: [`${parts} # uniform: a part of another size`],
  },
  {
    name: "ranks: normal numbers of a part of any size",
    file: "src/training/part-rng.ts",
    find: "    whole(shape);\n    return super.normal",
    replace: "    return super.normal",
    tests: [`${parts} # normal: a part of another size`],
  },
  {
    name: "ranks: noise is not keyed by the sample's number in the whole batch",
    file: "shaders/diffusion/forward.wgsl",
    find: "let words = words_of(i + rng[3] * params.count, 0u);\n  let t",
    replace: "let words = words_of(i, 0u);\n  let t",
    tests: [`${equal} # decoder: masked`],
  },
  {
    name: "ranks: masks are not keyed by the sample's number in the whole batch",
    file: "shaders/diffusion/masking.wgsl",
    find: "let element = i + rng[3] * params.count;",
    replace: "let element = i;",
    tests: [`${equal} # decoder: masked`],
  },
  {
    name: "ranks: dropout is not keyed by the sample's number in the whole batch",
    file: "shaders/elementwise/dropout.wgsl",
    find: "quad + rng[3] * (params.count / 4u)",
    replace: "quad",
    tests: [`${equal} # decoder: Algorithm`],
  },
  {
    name: "ranks: micro-batches are divided in the wrong order",
    file: "src/training/decoder-training.ts",
    find: "const own = i * count + index;",
    replace: "const own = index * this.parts.length + i;",
    tests: [`${equal} # decoder: Algorithm`],
  },
  {
    name: "ranks: codes restart from each rank's own vectors",
    file: "src/models/vqvae/vqvae.ts",
    find: "if (restartAfter > 0 && processes === 1)",
    replace: "if (restartAfter > 0)",
    tests: [`${equal} # vqvae`],
  },
  {
    name: "ranks: restarts do not know which vectors are whose",
    file: "src/models/vqvae/codebook.ts",
    find: "first: index * rows }",
    replace: "first: 0 }",
    tests: [`${equal} # vqvae`],
  },
  {
    name: "ranks: counts and sums of codes are those of one rank",
    file: "src/training/gradient-reduction.ts",
    find: "if (sums.length > 0) await this.reduceTogether(sums);",
    replace: "",
    tests: [`${equal} # vqvae`],
  },
  {
    name: "ranks: only the last bucket is reduced",
    file: "src/training/gradient-reduction.ts",
    find: "for (let i = 0; i < tensors.length; i++) {\n      const data",
    replace: "for (let i = 0; i < 1; i++) {\n      const data",
    tests: [`${equal} # decoder: masked`],
  },
  {
    name: "ranks: the weights of rank 0 are not sent",
    file: "src/training/ranks.ts",
    find: "if (collective.rank > 0) trainer.load",
    replace: "if (collective.rank < 0) trainer.load",
    tests: [`${ranks} # rank 0's state`],
  },
  {
    name: "ranks: only rank 0 can stop",
    file: "src/training/ranks.ts",
    find: "Float64Array.of(own ? 1 : 0)",
    replace: "Float64Array.of(own && collective.rank === 0 ? 1 : 0)",
    tests: [`${ranks} # one rank that wants`],
  },
  {
    name: "ranks: losses are added up, not averaged",
    file: "src/training/ranks.ts",
    find: "all[i]! / size",
    replace: "all[i]!",
    tests: [`${ranks} # a step's numbers`],
  },
  {
    name: "ranks: the time of waiting counts as a rank's own",
    file: "src/training/ranks.ts",
    find: "times[rank] = ms - communicating;",
    replace: "times[0] = ms - communicating;",
    tests: [`${ranks} # a step's numbers`],
  },
  {
    name: "ranks: halves are added up in a wrong place",
    file: "src/training/half-sums.ts",
    find: "halves.set(pack(sum), rank * length);",
    replace: "halves.set(pack(sum), 0);",
    tests: [`${collective} # sums in 16 bits`],
  },
  {
    name: "ranks: bfloat16 cuts off instead of rounding",
    file: "src/training/half-sums.ts",
    find: "(b + 0x7fff + ((b >>> 16) & 1)) >>> 16",
    replace: "b >>> 16",
    tests: [`${collective} # sums in 16 bits`],
  },
  {
    name: "ports: a maximum is a sum",
    file: "src/training/port-collective.ts",
    find: 'reduction === "max"',
    replace: "false",
    tests: [`${collective} # sums, maxima`],
  },
];
