/** Deliberate mistakes in the start of codes from words. */

import type { Mutation } from "./mutation.js";

const tests = "training/code-words.test.ts";
const file = "src/training/code-words.ts";

export const codeWordsMutations: readonly Mutation[] = [
  {
    name: "code words: a word in two captions of a picture counts as two pictures",
    file,
    find: "(shares.get(word) ?? 0) + 1 / ofPicture.length",
    replace: "(shares.get(word) ?? 0) + 1",
    tests: [`${tests} # in nats`],
  },
  {
    name: "code words: a word twice in a caption counts twice",
    file,
    find: "of new Set(Array.from(ids))",
    replace: "of Array.from(ids)",
    tests: [`${tests} # in nats`],
  },
  {
    name: "code words: a code at two places of a picture counts twice",
    file,
    find: "const code of new Set(codes.subarray(picture * positions, (picture + 1) * positions))",
    replace: "const code of codes.subarray(picture * positions, (picture + 1) * positions)",
    tests: [`${tests} # in nats`],
  },
  {
    name: "code words: rare codes are believed",
    file,
    find: "(together[code * M + word]! + PRIOR_PICTURES * usual) / (shown[code]! + PRIOR_PICTURES)",
    replace: "together[code * M + word]! / Math.max(1, shown[code]!)",
    tests: [`${tests} # in nats`],
  },
  {
    name: "code words: words that are rarer with a code tell of it too",
    file,
    find: "Math.max(0, Math.log(here / usual))",
    replace: "Math.abs(Math.log(here / usual))",
    tests: [`${tests} # in nats`],
  },
  {
    name: "code words: what is random grows with what words add",
    file,
    find: "*= Math.sqrt(1 - share * share)",
    replace: "*= 1",
    tests: [`${tests} # stays random`],
  },
  {
    name: "code words: the words of a picture are given to its variant's neighbour",
    file,
    find: "Array.from({ length: variants }, () => ids)",
    replace: "Array.from({ length: 1 }, () => ids)",
    tests: [`${tests} # training starts`],
  },
  {
    name: "code words: a table that came with other weights is overwritten",
    file,
    find: "if (before.some((value, i) => value !== random[i])) return;",
    replace: "if (before.length !== random.length) return;",
    tests: [`${tests} # other weights`],
  },
  {
    name: "code words: training does not start the table so",
    file: "src/training/pipeline.ts",
    find: 'codes && config.decoder.conditionEmbedding === "words"',
    replace: 'codes && config.decoder.conditionEmbedding === "codes"',
    tests: [`${tests} # training starts`],
  },
];
