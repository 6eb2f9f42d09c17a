/** Deliberate mistakes in the judge of scenes: its loss, its texts, its false captions, its measures. */

import type { Mutation } from "./mutation.js";

const model = "models/judge/judge.test.ts";
const swapped = "data/scenes-swapped.test.ts";
const training = "training/judge/judge.test.ts";

export const judge: readonly Mutation[] = [
  {
    name: "judge: false captions are no columns",
    file: "src/models/judge/model.ts",
    find: "crossEntropy(matmul(scaled, texts, { transposeB: true }), targets).loss",
    replace: "crossEntropy(matmul(scaled, texts.slice(0, 0, batch), { transposeB: true }), targets).loss",
    tests: [`${model} # contrastive loss of 3`],
  },
  {
    name: "judge: the scale is no logarithm",
    file: "src/models/judge/model.ts",
    find: "const factor = exp(logitScale);",
    replace: "const factor = scale(logitScale, 1);\n    exp(logitScale);",
    tests: [`${model} # contrastive loss of 3`],
  },
  {
    name: "judge: features keep their length",
    file: "src/models/judge/model.ts",
    find: "return mul(x, rsqrt(scale(sumSquares(x, [1], { keepDims: true }), 1, 1e-12)));",
    replace: "return mul(x, rsqrt(scale(sumSquares(x, [1], { keepDims: true }), 0, 1)));",
    tests: [`${model} # rows of length 1`],
  },
  {
    name: "judge: the scale grows without end",
    file: "src/models/judge/model.ts",
    find: "clamp(this.logitScale.detach(), 0, Math.log(mostScale))",
    replace: "clamp(this.logitScale.detach(), 0, mostScale)",
    tests: [`${model} # the scale stays`],
  },
  {
    name: "judge: ground counts as a thing to name",
    file: "src/models/judge/model.ts",
    find: "{ ignore: this.things }",
    replace: "{ ignore: 0 }",
    tests: [`${model} # the loss is that`],
  },
  {
    name: "judge: texts are read one token past their end",
    file: "src/models/judge/judge.ts",
    find: "i * context + fixed.indexOf(tokenizer.endId)",
    replace: "(i + 1) * context - 1",
    tests: [`${model} # features depend on a text`],
  },
  {
    name: "judge: swapped captions are not checked",
    file: "src/data/scenes/swapped.ts",
    find: "(isFalse || !this.#isTrue(scene, other))",
    replace: "(isFalse || other !== text)",
    tests: [`${swapped} # a swapped caption is false`],
  },
  {
    name: "judge: another thing keeps the skin of the person before it",
    file: "src/data/scenes/swapped.ts",
    find: 'role !== null && role !== "count" && role !== "size"',
    replace: 'role === "thing"',
    tests: [`${swapped} # swapped captions are grammatical`, `${swapped} # a swapped caption is false`],
  },
  {
    name: "judge: articles stay as they were",
    file: "src/data/scenes/swapped.ts",
    find: '(text === "a" || text === "an") && next',
    replace: 'text === "" && next',
    tests: [`${swapped} # swapped captions are grammatical`],
  },
  {
    name: "judge: things of different number change places",
    file: "src/data/scenes/swapped.ts",
    find: "if (a.many !== b.many) continue;",
    replace: "if (a === b) continue;",
    tests: [`${swapped} # swapped captions are grammatical`],
  },
  {
    name: "judge: false captions belong to the picture before",
    file: "src/training/judge/batches.ts",
    find: "lies.push(...this.#lies(scene, caption, position));",
    replace: "lies.unshift(...this.#lies(scene, caption, position));",
    tests: [`${training} # batches`],
  },
  {
    name: "judge: the same words count as another caption",
    file: "src/evaluation/judge/measures.ts",
    find: "(k) => k !== i && captions[k] !== captions[i]",
    replace: "(k) => k !== i",
    tests: [`${training} # own caption first`],
  },
  {
    name: "judge: the names of things are written with the weights",
    file: "src/models/judge/files.ts",
    find: '.filter(([name]) => !name.startsWith("naming."))',
    replace: ".filter(([name]) => name !== '')",
    tests: [`${training} # a judge in a folder`],
  },
];
