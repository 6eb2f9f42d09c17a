/** Which tests the short form takes of files that run in pages. */

import type { PageTest } from "./host.js";

/**
 * What the short form runs of a file beside its first test: where that is not the one that compares an op or a network with
 * float64, or where the file has several families. Beginnings of names.
 */
const MORE: Readonly<Record<string, readonly string[]>> = {
  "engine/ops/attention.test.js": ["attention maps"],
  "engine/ops/compare.test.js": ["where: x or y"],
  "engine/ops/elementwise.test.js": ["functions of two tensors"],
  "engine/ops/indexing.test.js": [
    "running sums along each axis",
    "gather: ",
    "scatterAdd: ",
    "take: ",
    "topK",
  ],
  "engine/ops/layer-norm.test.js": ["adaptive layer norm"],
  "engine/ops/rng.test.js": ["fills have the same bits"],
  "engine/ops/shapes.test.js": ["broadcastTo", "stack and split", "pad"],
  "models/mc-diffusion/decoder.test.js": ["checkpointed blocks"],
  "training/algorithm.test.js": ["a step's losses"],
};

/** The first test of each file and those of `MORE`; undefined in place of one that is not there. */
export const shortForm = (modules: readonly string[], all: readonly PageTest[]): (PageTest | undefined)[] =>
  modules.flatMap((module) => {
    const own = all.filter((test) => test.module === module);
    const more = (MORE[module] ?? []).map((beginning) => own.find(({ name }) => name.startsWith(beginning)));
    return [own[0], ...more];
  });
