/** CLIP's towers against the reference implementation, from the files that people have. */

import { readFile } from "node:fs/promises";
import { sum } from "../../../dist/engine/ops/reduce.js";
import { backward } from "../../../dist/engine/tensor/autograd.js";
import { fromArray } from "../../../dist/engine/tensor/tensor.js";
import { importClip } from "../../../dist/models/clip/import.js";
import { clipNormalised } from "../../../dist/models/clip/preprocess.js";
import { decodePixels } from "../../../dist/platform/node.js";
import { type Check, test } from "../../harness.js";
import {
  clipOf,
  configOf,
  pictureFiles,
  reference,
  sequences,
  smallClip,
  tensorsOf,
  worst,
} from "./support.js";

/** Largest differences allowed in float32; the reference's own float32 is within 5e-6. */
const tolerance = { features: { abs: 5e-5 }, logits: { abs: 5e-4 } };

const pictures = await Promise.all(
  pictureFiles.map(async (path) => decodePixels(new Uint8Array(await readFile(path)))),
);

interface Form {
  file: string;
  config?: boolean;
  activation?: "gelu";
  layout: string;
  /** Whether matrices are stored in 16 bits. */
  half?: boolean;
}

const forms: readonly Form[] = [
  { file: "hf.safetensors", config: true, layout: "Hugging Face's" },
  { file: "hf.f16.safetensors", config: true, layout: "Hugging Face's", half: true },
  { file: "hf.bf16.safetensors", config: true, layout: "Hugging Face's" },
  { file: "hf.safetensors", config: true, activation: "gelu", layout: "Hugging Face's" },
  { file: "openai.pt", layout: "OpenAI's" },
  { file: "openai.torchscript.pt", layout: "OpenAI's", half: true },
  { file: "openai.pt", activation: "gelu", layout: "OpenAI's" },
];

for (const { file, config, activation, layout, half = false } of forms) {
  test(`${file}${activation ? `, ${activation}` : ""}: features and logits`, async (t, gpu) => {
    const imported = await importClip(gpu, await tensorsOf(file), file, {
      config: config ? await configOf(activation) : null,
      activation: config ? undefined : activation,
    });
    t.equal(imported.layout, layout, "layout");
    t.equal(imported.parameters, 1_187_585, "parameters");
    t.equal(
      imported.tensors.get("text.blocks.0.widen.weight")!.dtype,
      half ? "F16" : "F32",
      "types are kept",
    );
    t.same(
      imported.shape,
      {
        features: 32,
        image: { ...tower(2), imageSize: 64, patchSize: 16 },
        text: { ...tower(3), context: 77, vocabulary: 600, endId: config ? 599 : null },
      },
      "sizes",
    );
    const clip = clipOf(gpu, imported);
    const prefix = activation ? "gelu." : "";
    const images = await clip.encodeImages(pictures);
    const texts = await clip.encodeTexts(sequences);
    const logits: number[] = [];
    for (const picture of pictures) logits.push(...(await clip.similarity(picture, sequences)).logits);
    const all = { image_features: images, text_features: texts, logits_per_image: logits };
    for (const [name, actual] of Object.entries(all)) {
      const wanted = reference(prefix + name);
      const limit = name === "logits_per_image" ? tolerance.logits : tolerance.features;
      t.near(actual, wanted, limit, name);
      t.comment(
        `${file} ${activation ?? ""} ${name}: largest difference ${worst(actual, wanted).toExponential(2)}`,
      );
    }
    clip.dispose();
  });

  function tower(layers: number) {
    const rest = { epsilon: 1e-5, activation: activation ?? "quick-gelu" };
    return { width: 128, layers, heads: 2, hidden: 512, ...rest };
  }
}

test("the pictures' numbers are the reference's", async (t) => {
  const wanted = reference("pixels");
  for (const [n, { data }] of pictures.entries()) {
    const ours = clipNormalised(data);
    const channelsLast = Float32Array.from(ours, (_, i) => {
      const [pixel, channel] = [Math.floor(i / 3), i % 3];
      return wanted[(n * 3 + channel) * 64 * 64 + pixel]!;
    });
    t.near(ours, channelsLast, { abs: 1e-6 }, `image${n}`);
  }
});

test("what follows the end token and what else is in a batch does not matter", async (t, gpu) => {
  const clip = await smallClip(gpu);
  const width = clip.shape.features;
  const short = sequences[0]!.slice(0, 6);
  const junk = Uint32Array.from(sequences[0]!, (id, i) => (i < 6 ? id : (i * 37) % 598));
  const many = [...sequences, short, junk, ...Array.from({ length: 62 }, () => short)];
  const together = await clip.encodeTexts(many);
  for (const [i, list] of [...sequences, short, junk].entries()) {
    const alone = await clip.encodeTexts([list]);
    t.near(together.subarray(i * width, (i + 1) * width), alone, { abs: 2e-5 }, `text ${i}`);
    if (i > 3)
      t.near(alone, Array.from(reference("text_features")).slice(0, width), { abs: 5e-5 }, `text ${i}`);
  }
  t.equal(together.length, 68 * width, "all texts");
  const batch = Array.from({ length: 35 }, (_, i) => pictures[i % 3]!);
  const done: number[] = [];
  const features = await clip.encodeImages(batch, { onProgress: (count) => done.push(count) });
  t.same(done, [32, 35], "batches of 32");
  const last = features.subarray(34 * width);
  t.near(last, Array.from(reference("image_features")).slice(width, 2 * width), { abs: 5e-5 }, "picture 34");
  clip.dispose();
});

test("similarity: cosines, logits and probabilities agree", async (t, gpu) => {
  const clip = await smallClip(gpu, { tokenize: () => sequences[1]! });
  const { cosines, logits, probabilities } = await clip.similarity(pictures[0]!, [sequences[0]!, "any text"]);
  t.near(cosines, [0.27963843, 0.13002096], { abs: 1e-5 }, "cosines");
  t.near(
    logits,
    cosines.map((value) => Math.exp(2.65625) * value),
    { abs: 1e-4 },
    "logits",
  );
  const odds = Math.exp(logits[0]! - logits[1]!);
  t.near(probabilities, [odds / (1 + odds), 1 / (1 + odds)], { abs: 1e-6 }, "probabilities");
  clip.dispose();
});

test("the towers are differentiable", async (t, gpu) => {
  const clip = await smallClip(gpu);
  const total = async () => {
    const lengths = sequences.map((list) => clip.text.lengthOf(list));
    const ids = fromArray(gpu, Uint32Array.from(sequences.flatMap((list) => [...list])), [4, 77], "u32");
    const numbers = clipNormalised(pictures[0]!.data);
    const image = clip.image.forward(fromArray(gpu, numbers, [1, 64, 64, 3]));
    return { image: sum(image), text: sum(clip.text.forward(ids, lengths)) };
  };
  const step = 2 ** -7;
  for (const [tower, name, at] of [
    ["image", "image.classToken", 5],
    ["image", "image.blocks.0.attention.qkv.bias", 300],
    ["text", "text.blocks.1.norm2.weight", 3],
  ] as const) {
    const { tensor } = clip.parameters().find((parameter) => parameter.name === name)!;
    const values = Float32Array.from((await tensor.read()) as Float32Array);
    backward((await total())[tower]);
    const gradient = (await tensor.grad!.read())[at]!;
    const moved = async (by: number) => {
      const shifted = values.slice();
      shifted[at]! += by;
      tensor.write(shifted);
      return (await total())[tower].item();
    };
    const slope = ((await moved(step)) - (await moved(-step))) / (2 * step);
    tensor.write(values);
    t.near([gradient], [slope], { abs: 2e-3, rel: 2e-2 }, `${name}[${at}]`);
  }
  clip.dispose();
});

const refused = (t: Check, action: () => unknown, pattern: RegExp) =>
  t.throwsMessage(async () => action(), pattern, String(pattern));

test("texts that are none are refused", async (t, gpu) => {
  const clip = await smallClip(gpu);
  await refused(t, () => clip.encodeTexts([[598, 5]]), /lack the end token 599/);
  await refused(t, () => clip.encodeTexts([[]]), /lack the end token 599|no tokens/);
  await refused(t, () => clip.encodeTexts([[598, 600, 599]]), /600 is not a token of this CLIP.* 0 to 599/);
  await refused(t, () => clip.encodeTexts([[598, 1.5, 599]]), /1\.5 is not a token/);
  await refused(t, () => clip.encodeTexts([[...new Array(77).fill(1), 599]]), /has 78 tokens, .* at most 77/);
  await refused(t, () => clip.encodeTexts(["a bird"]), /no vocabulary/);
  await refused(
    t,
    () => clip.encodeImages([{ width: 3, height: 2, data: new Uint8Array(5) }]),
    /3×2 needs 1 to 4 bytes for each pixel .*, not 5 in all/,
  );
  const signal = AbortSignal.abort(new Error("enough"));
  await refused(t, () => clip.encodeImages(pictures, { signal }), /enough/);
  clip.dispose();
});

test("files that are no CLIP are refused", async (t, gpu) => {
  const tensors = await tensorsOf("hf.safetensors");
  const config = await configOf();
  const attempt = (change: (copy: typeof tensors) => void, options: object = { config }) => {
    const copy = new Map(tensors);
    change(copy);
    return importClip(gpu, copy, "file", options);
  };
  await refused(t, () => attempt(() => {}, {}), /config\.json that says its activation is not beside it/);
  await refused(t, () => importClip(gpu, new Map(), "file"), /file is no CLIP: .* but no tensors/);
  const resnet = new Map([["visual.layer1.0.conv1.weight", tensors.get("logit_scale")!]]);
  await refused(t, () => importClip(gpu, resnet, "file"), /CLIP with a ResNet/);
  const fc1 = "text_model.encoder.layers.1.mlp.fc1.bias";
  await refused(t, () => attempt((copy) => copy.delete(fc1)), /file has no text\.blocks\.1\.widen\.bias/);
  await refused(
    t,
    () => attempt((copy) => copy.set("extra.weight", tensors.get(fc1)!)),
    /has the unknown extra\.weight/,
  );
  const nan = { dtype: "F32", shape: [512], data: new Float32Array(512).fill(Number.NaN) } as const;
  await refused(t, () => attempt((copy) => copy.set(fc1, nan)), /widen\.bias holds NaN/);
  const edited = (from: string, to: string) => {
    const json = JSON.parse(JSON.stringify(config.json).replace(from, to));
    return { config: { json, name: "config.json" } };
  };
  const wrong: [string, string, RegExp][] = [
    [
      '"hidden_act":"quick_gelu"',
      '"hidden_act":"relu"',
      /text_config\.hidden_act is "relu"; known are quick_gelu and gelu/,
    ],
    [
      '"num_attention_heads":2',
      '"num_attention_heads":3',
      /gives the text tower 3 heads, which do not divide its width 128/,
    ],
    [
      '"hidden_size":128',
      '"hidden_size":64',
      /says that the text tower is 64 wide, and its tensors that it is 128/,
    ],
    ['"layer_norm_eps":0.00001', '"layer_norm_eps":"x"', /layer_norm_eps is "x", not a positive number/],
    ['"eos_token_id":599', '"eos_token_id":-1', /eos_token_id is -1, not a token/],
  ];
  for (const [from, to, pattern] of wrong)
    await refused(t, () => attempt(() => {}, edited(from, to)), pattern);
  const two = await attempt(() => {}, edited('"eos_token_id":599', '"eos_token_id":2'));
  t.equal(two.shape.text.endId, null, "2 means the largest id");
  const one = await attempt(() => {}, edited('"num_attention_heads":2', '"num_attention_heads":4'));
  t.equal(one.shape.text.heads, 4, "heads are the configuration's");
});
