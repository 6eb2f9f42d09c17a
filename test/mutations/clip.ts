/** Deliberate mistakes in CLIP: towers, names of weights, preprocessing, scores. */

import type { Mutation } from "./mutation.js";

const towers = "models/clip/towers.test.ts";
const preprocess = "models/clip/preprocess.test.ts";
const score = "metrics/clip-score.test.ts";
const evaluation = "evaluation/clip-evaluation.test.ts";

export const clip: readonly Mutation[] = [
  {
    name: "clip: the text tower is not causal",
    file: "src/models/clip/text-tower.ts",
    find: "{ causal: true }",
    replace: "{ causal: false }",
    tests: [`${towers} # openai.pt: features`],
  },
  {
    name: "clip: text features come from the last place instead of the end token",
    file: "src/models/clip/text-tower.ts",
    find: "i * positions + length - 1",
    replace: "i * positions + Math.max(length, positions) - 1",
    tests: [`${towers} # openai.pt: features`],
  },
  {
    name: "clip: without an end token in the configuration the smallest id ends a text",
    file: "src/models/clip/text-tower.ts",
    find: "Math.max(largest, id), -1)",
    replace: "Math.min(largest, id), this.vocabulary)",
    tests: [`${towers} # openai.pt: features`],
  },
  {
    name: "clip: quick GELU whatever the configuration says",
    file: "src/models/clip/transformer.ts",
    find: 'this.activation === "gelu"',
    replace: "this.epsilon < 0",
    tests: [`${towers} # hf.safetensors, gelu`],
  },
  {
    name: "clip: the norms have another epsilon",
    file: "src/models/clip/layouts.ts",
    find: "epsilon: 1e-5",
    replace: "epsilon: 1e-6",
    tests: [`${towers} # openai.pt: features`],
  },
  {
    name: "clip: the end token 2 of published files is taken as it is",
    file: "src/models/clip/hugging-face.ts",
    find: "isId && end !== largestId",
    replace: "isId",
    tests: [`${towers} # files that are no CLIP`],
  },
  {
    name: "clip: Hugging Face's projections are not transposed",
    file: "src/models/clip/layouts.ts",
    find: "[/^(image|text)\\.projection$/, transposed],",
    replace: "",
    tests: [`${towers} # hf.safetensors: features`],
  },
  {
    name: "clip: the logit scale of float16 files is read as its bits",
    file: "src/models/clip/clip.ts",
    find: "data instanceof Uint16Array ? float16ToFloat32(data)[0] : data[0]",
    replace: "data[0]",
    tests: [`${towers} # hf.f16`],
  },
  {
    name: "clip: features of texts stay in the order of their lengths",
    file: "src/models/clip/clip.ts",
    find: "subarray(i * width, (i + 1) * width), number * width)",
    replace: "subarray(i * width, (i + 1) * width), (first + i + 0 * number) * width)",
    tests: [`${towers} # what follows`],
  },
  {
    name: "clip: resize rounds the weights down",
    file: "src/models/clip/resize.ts",
    find: "scaled < 0 ? scaled - 0.5 : scaled + 0.5",
    replace: "scaled",
    tests: [preprocess],
  },
  {
    name: "clip: resize does not widen the kernel when it shrinks",
    file: "src/models/clip/resize.ts",
    find: "Math.max(1, scale)",
    replace: "Math.max(1, scale * 0)",
    tests: [preprocess],
  },
  {
    name: "clip: the crop's offset is rounded half up",
    file: "src/models/clip/preprocess.ts",
    find: "2 * Math.round(half / 2)",
    replace: "Math.round(half)",
    tests: [`${preprocess} # sizes`],
  },
  {
    name: "clip: colours are not multiplied by alpha before the resize",
    file: "src/models/clip/preprocess.ts",
    find: "const product = result[i]! * alpha + 128;",
    replace: "const product = result[i]! * Math.max(alpha, 255) + 128;",
    tests: [`${preprocess} # f-rgba`],
  },
  {
    name: "clip-score: negative cosines count",
    file: "src/metrics/clip-score.ts",
    find: "Math.max(cosine(picture, caption), 0)",
    replace: "cosine(picture, caption)",
    tests: [score],
  },
  {
    name: "clip-score: the references' cosine is scaled, too",
    file: "src/metrics/clip-score.ts",
    find: "const best = Math.max(",
    replace: "const best = CLIP_SCORE_WEIGHT * Math.max(",
    tests: [score],
  },
  {
    name: "clip evaluation: captions without the prompt",
    file: "src/evaluation/clip-features.ts",
    find: "prompt + text",
    replace: "prompt.slice(0, 0) + text",
    tests: [evaluation],
  },
  {
    name: "clip evaluation: every seed is scored by the first caption",
    file: "src/evaluation/clip-evaluation.ts",
    find: "record.captions[name]![seed]!",
    replace: "record.captions[name]![0 * seed]!",
    tests: [evaluation],
  },
  {
    name: "feature store: what is new is not written",
    file: "src/evaluation/feature-store.ts",
    find: "this.#changed = true;",
    replace: "this.#changed = this.width < 0;",
    tests: [evaluation],
  },
];
