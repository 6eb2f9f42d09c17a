/** The judge: its loss against float64, its gradients against finite differences, its towers' properties. */

import type { Gpu } from "../../../dist/engine/gpu/gpu.js";
import { backward } from "../../../dist/engine/tensor/autograd.js";
import { noGrad } from "../../../dist/engine/tensor/tape.js";
import { fromArray, type Tensor } from "../../../dist/engine/tensor/tensor.js";
import { JudgeEncoder, judgedTexts } from "../../../dist/models/judge/judge.js";
import {
  contrastiveLoss,
  type JudgeBatch,
  JudgeModel,
  normalised,
} from "../../../dist/models/judge/model.js";
import { WordTokenizer } from "../../../dist/text/words.js";
import { checkOp, randomArray, test } from "../../harness.js";

/** [batch, K, features] */
const problems = [
  [3, 2, 5],
  [1, 0, 7],
  [5, 0, 4],
  [7, 3, 33],
] as const;

/** −log softmax(row)[target] in float64. */
function crossEntropy(row: readonly number[], target: number): number {
  const most = Math.max(...row);
  return Math.log(row.reduce((sum, value) => sum + Math.exp(value - most), 0)) + most - row[target]!;
}

function referenceLoss(batch: number, images: Float64Array, texts: Float64Array, scale: number): number {
  const width = images.length / batch;
  const dot = (a: Float64Array, i: number, b: Float64Array, k: number) => {
    let sum = 0;
    for (let at = 0; at < width; at++) sum += a[i * width + at]! * b[k * width + at]!;
    return sum * Math.exp(scale);
  };
  const all = texts.length / width;
  let total = 0;
  for (let i = 0; i < batch; i++) {
    const ofPicture = Array.from({ length: all }, (_, k) => dot(images, i, texts, k));
    const ofCaption = Array.from({ length: batch }, (_, k) => dot(texts, i, images, k));
    total += (crossEntropy(ofPicture, i) + crossEntropy(ofCaption, i)) / (2 * batch);
  }
  return total;
}

for (const [batch, negatives, features] of problems) {
  test(`contrastive loss of ${batch} pictures with ${negatives} false captions each, ${features} features`, async (t, gpu) => {
    const numbers = Uint32Array.from({ length: batch }, (_, i) => i);
    const targets = fromArray(gpu, numbers, [batch], "u32").keep();
    const texts = batch * (1 + negatives);
    await checkOp(t, gpu, "loss", {
      inputs: [
        { shape: [batch, features], data: randomArray(1, batch * features) },
        { shape: [texts, features], data: randomArray(2, texts * features) },
        { shape: [1], data: Float64Array.of(0.7) },
      ],
      gpu: (images, captions, scale) => contrastiveLoss(images!, captions!, scale!, targets).total,
      reference: (images, captions, scale) =>
        Float64Array.of(referenceLoss(batch, images!, captions!, scale![0]!)),
      tolerance: { forward: { abs: 1e-5, rel: 1e-5 }, gradient: { abs: 2e-5, rel: 2e-4 } },
    });
    targets.dispose();
  });
}

test("rows of length 1", async (t, gpu) => {
  const shape = [5, 9];
  await checkOp(t, gpu, "normalised", {
    inputs: [{ shape, data: randomArray(3, 45) }],
    gpu: (x) => normalised(x!),
    reference: (x) =>
      x!.map((value, i) => {
        const row = x!.subarray(9 * Math.floor(i / 9), 9 * Math.floor(i / 9) + 9);
        return value / Math.sqrt(row.reduce((sum, one) => sum + one * one, 1e-12));
      }),
    tolerance: { forward: { abs: 1e-6 }, gradient: { abs: 1e-5, rel: 1e-4 } },
  });
});

test("texts that do not fit the pictures are refused", async (t, gpu) => {
  const make = (rows: number, width: number) => fromArray(gpu, new Float32Array(rows * width), [rows, width]);
  const targets = fromArray(gpu, Uint32Array.of(0, 1), [2], "u32");
  const scale = fromArray(gpu, Float32Array.of(0), [1]);
  const tensors = [make(2, 4), make(3, 4), make(4, 5), targets, scale];
  await t.throwsMessage(
    () => void contrastiveLoss(tensors[0] as Tensor, tensors[1] as Tensor, scale, targets),
    /contrastiveLoss: .* texts should be \[B·\(1 \+ K\), F\]/,
    "three texts of two pictures",
  );
  await t.throwsMessage(
    () => void contrastiveLoss(tensors[0] as Tensor, tensors[2] as Tensor, scale, targets),
    /contrastiveLoss/,
    "another width",
  );
  for (const tensor of tensors) tensor.dispose();
});

const words = "cat dog left of a the above on blue background with two".split(" ");
const tokenizer = new WordTokenizer(words);
const shape = {
  ...{ imageSize: 16, channels: 8, downsample: 2, resBlocks: 1, width: 16, heads: 2, imageLayers: 1 },
  ...{ textLayers: 2, features: 12, context: 7, vocabulary: tokenizer.vocabularySize },
};
const captions = [
  "a cat left of a dog",
  "two dog on",
  "the cat",
  "a dog left of a cat",
  "a cat",
  "two cat above",
];

function made(gpu: Gpu, things = 0): JudgeModel {
  const model = new JudgeModel(gpu, shape, { things });
  model.initialise(5);
  return model;
}

/** A batch of two pictures with two false captions each, of three things. */
function batchOf(gpu: Gpu): JudgeBatch {
  const { ids, ends } = judgedTexts(tokenizer, shape.context, captions);
  const shown = Uint32Array.from({ length: 2 * 16 }, (_, i) => (i * 7) % 4);
  return [
    fromArray(gpu, randomArray(11, 2 * 16 * 16 * 3), [2, 16, 16, 3]).keep(),
    fromArray(gpu, ids, [6, shape.context], "u32").keep(),
    fromArray(gpu, ends, [6], "u32").keep(),
    fromArray(gpu, shown, [2, 16], "u32").keep(),
  ];
}

test("gradients of the whole loss in every parameter, along the gradient and along a random direction", async (t, gpu) => {
  const model = made(gpu, 3);
  const batch = batchOf(gpu);
  const targets = fromArray(gpu, Uint32Array.of(0, 1), [2], "u32").keep();
  const lossNow = async () => {
    const { total, figures } = gpu.scope(() => noGrad(() => model.loss(batch, targets, { naming: 0.5 })));
    const [value] = await total.read();
    for (const tensor of [total, ...figures.map((figure) => figure.tensor)]) tensor.dispose();
    return value!;
  };
  gpu.scope(() => backward(model.loss(batch, targets, { naming: 0.5 }).total));
  for (const [number, { name, tensor }] of model.parameters().entries()) {
    const gradient = Float64Array.from((await tensor.grad?.read()) ?? []);
    t.equal(gradient.length, tensor.size, `${name} has a gradient`);
    const values = await tensor.read();
    const random = randomArray(100 + number, tensor.size);
    const length = (vector: Float64Array) => Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
    for (const direction of [gradient, random]) {
      const norm = length(direction);
      if (norm < 1e-6) continue;
      const unit = direction.map((value) => value / norm);
      const at = async (step: number) => {
        tensor.write(Float32Array.from(values, (value, i) => value + step * unit[i]!));
        return lossNow();
      };
      // The initial embeddings are small, and the norms after them feel every step.
      const size = length(Float64Array.from(values));
      const far = size > 0 ? Math.min(0.04, 0.02 * size) : 0.04;
      const near = far / 2;
      const differences = [];
      for (const step of [far, near]) differences.push(((await at(step)) - (await at(-step))) / (2 * step));
      // Richardson's extrapolation: the error falls with the fourth power of the step.
      const difference = (4 * differences[1]! - differences[0]!) / 3;
      const along = unit.reduce((sum, value, i) => sum + value * gradient[i]!, 0);
      t.near([along], [difference], { abs: 5e-4, rel: 0.02 }, name);
    }
    tensor.write(values as Float32Array);
  }
  for (const tensor of [...batch, targets]) tensor.dispose();
  model.dispose();
});

test("the loss is that of the features, and of the names", async (t, gpu) => {
  const model = made(gpu, 3);
  const batch = batchOf(gpu);
  const targets = fromArray(gpu, Uint32Array.of(0, 1), [2], "u32").keep();
  const values = async (naming: number) => {
    const { total, figures } = gpu.scope(() => noGrad(() => model.loss(batch, targets, { naming })));
    const read = await Promise.all([total, ...figures.map(({ tensor }) => tensor)].map((one) => one.read()));
    for (const tensor of [total, ...figures.map((figure) => figure.tensor)]) tensor.dispose();
    return read.map((one) => one[0]!);
  };
  const [total, ofPictures, ofCaptions, named] = (await values(0.5)) as [number, number, number, number];
  t.near([total], [(ofPictures + ofCaptions) / 2 + 0.5 * named], { abs: 1e-5 }, "its parts");
  const images = await gpu.scope(() => noGrad(() => model.encodeImages(batch[0]))).read();
  const texts = await gpu.scope(() => noGrad(() => model.encodeTexts(batch[1], batch[2]))).read();
  const wanted = referenceLoss(2, Float64Array.from(images), Float64Array.from(texts), Math.log(1 / 0.07));
  t.near([(ofPictures + ofCaptions) / 2], [wanted], { abs: 1e-4 }, "of the features");
  t.ok(named > 0.3 && named < 4, `naming: ${named}`);
  for (const tensor of [...batch, targets]) tensor.dispose();
  model.dispose();
});

test("features depend on a text up to its end and on nothing beside it", async (t, gpu) => {
  const model = made(gpu);
  const judge = new JudgeEncoder(model, tokenizer);
  const all = await judge.encodeTexts(captions);
  for (const [i, text] of captions.entries()) {
    const alone = await judge.encodeTexts([text]);
    t.near(alone, all.subarray(i * 12, (i + 1) * 12), { abs: 1e-5 }, `"${text}" alone`);
  }
  const long = "a cat left of a dog on the blue background";
  t.same(
    [...judgedTexts(tokenizer, 7, [...captions, long]).ends],
    [6, 10, 16, 27, 30, 38, 48],
    "the end of each",
  );
  const { ids, ends } = judgedTexts(tokenizer, shape.context, ["a cat"]);
  const other = ids.slice();
  other.fill(3, ends[0]! + 1);
  const encoded = async (tokens: Uint32Array) => {
    const inputs = [
      fromArray(gpu, tokens, [1, shape.context], "u32"),
      fromArray(gpu, ends, [1], "u32"),
    ] as const;
    const features = gpu.scope(() => noGrad(() => model.encodeTexts(...inputs)));
    const values = await features.read();
    for (const tensor of [features, ...inputs]) tensor.dispose();
    return values;
  };
  t.same(await encoded(other), await encoded(ids), "words after the end");
  const [left, right] = [all.subarray(0, 12), all.subarray(36, 48)];
  t.ok(
    left.some((value, i) => Math.abs(value - right[i]!) > 1e-3),
    "the order of words matters",
  );
  model.dispose();
});

test("a picture's features know where things are, and are of length 1", async (t, gpu) => {
  const model = made(gpu);
  const judge = new JudgeEncoder(model, tokenizer);
  const picture = (x: number) => {
    const data = new Uint8Array(16 * 16 * 3).fill(20);
    for (let y = 4; y < 8; y++) data.fill(250, (y * 16 + x) * 3, (y * 16 + x + 4) * 3);
    return { width: 16, height: 16, data };
  };
  const features = await judge.encodeImages([picture(0), picture(12)]);
  const [left, right] = [features.subarray(0, 12), features.subarray(12)];
  t.near([left.reduce((sum, value) => sum + value * value, 0)], [1], { abs: 1e-5 }, "length");
  t.ok(
    left.some((value, i) => Math.abs(value - right[i]!) > 1e-3),
    "left differs from right",
  );
  await t.throwsMessage(
    () => judge.encodeImages([{ width: 12, height: 16, data: new Uint8Array(12 * 16 * 3) }]),
    /the judge reads RGB pictures of 16 × 16 pixels, not of 12 × 16/,
    "another size",
  );
  model.dispose();
});

test("the scale stays at most 100", async (t, gpu) => {
  const model = made(gpu);
  const objective = model.objective(2, { naming: 0 });
  const batch = batchOf(gpu);
  model.logitScale.write(Float32Array.of(6));
  const inputs: JudgeBatch = [batch[0], batch[1], batch[2]];
  const { apply } = gpu.scope(() => {
    const loss = objective.loss(...inputs);
    backward(loss.total);
    return { apply: loss.apply };
  });
  const figures = gpu.scope(() => noGrad(() => apply!(1)));
  t.near(await model.logitScale.read(), [Math.log(100)], { abs: 1e-6 }, "clamped");
  t.same(figures[0]!.names, ["logScale"], "logged");
  for (const tensor of batch) tensor.dispose();
  objective.dispose!();
  model.dispose();
});
