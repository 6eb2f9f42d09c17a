/**
 * Inputs for a run of the paper's preset that learns a few drawn birds by heart: files in the forms of the downloads, with random
 * numbers where the real ones cannot be shipped.
 */

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Gpu } from "../../dist/engine/gpu/gpu.js";
import { normal } from "../../dist/engine/nn/initialisers.js";
import { encodeSafetensors } from "../../dist/engine/weights/safetensors.js";
import { readWeights } from "../../dist/engine/weights/weights.js";
import { writeTokenizerFolder } from "../../dist/models/tokenizer-folder.js";
import { settingsOfShape } from "../../dist/models/vqgan/settings.js";
import type { VqganShape } from "../../dist/models/vqgan/shape.js";
import { Vqgan } from "../../dist/models/vqgan/vqgan.js";
import { nodePlatform } from "../../dist/platform/node.js";
import { ClipTokenizer } from "../../dist/text/clip/clip-tokenizer.js";
import { clipVocabularyText } from "../clip-vocabulary.js";
import { birdJpeg, drawBirds } from "./birds.js";

/** A picture to learn, and its only caption as the tokenizer writes it. */
export interface Lesson {
  readonly file: string;
  readonly caption: string;
}

export interface OverfitInputs {
  /** Pictures and `captions.jsonl`, for `--data`. */
  readonly pictures: string;
  /** For `--tokenizer`. */
  readonly tokenizer: string;
  /** For `data.vocabulary`. */
  readonly vocabulary: string;
  /** For `decoder.clipWeights`. */
  readonly clip: string;
  readonly lessons: readonly Lesson[];
  /** L: tokens of the longest caption and [END]. */
  readonly length: number;
}

/** Halves pictures three times, to a grid of 32×32 of 2,886 codes at 256×256, as the paper's VQGAN; a quarter of its channels. */
const vqganShape: VqganShape = {
  channels: 32,
  multipliers: [1, 1, 2, 4],
  resBlocks: 1,
  attention: [3],
  middleAttention: true,
  resampleConvolution: true,
  zChannels: 256,
  embedDim: 256,
  codes: 2886,
  quantizer: "nearest",
  ids: 0,
};

/**
 * Writes into `folder`: a drawn bird of each of 8 species with one caption, bird i the i-th of its ten, so that no two sentences
 * are alike; one more bird for validation; CLIP's merges; a random token table [tokens, dim]; a VQGAN with random weights.
 */
export async function writeOverfitInputs(gpu: Gpu, folder: string, dim: number): Promise<OverfitInputs> {
  const inputs = {
    pictures: join(folder, "pictures"),
    tokenizer: join(folder, "vqgan"),
    vocabulary: join(folder, "bpe_simple_vocab_16e6.txt"),
    clip: join(folder, "ViT-B-32.safetensors"),
  };
  await mkdir(inputs.pictures, { recursive: true });
  await writeFile(inputs.vocabulary, await clipVocabularyText());
  const words = await ClipTokenizer.build([], {
    minimumCount: 1,
    vocabulary: { path: inputs.vocabulary, files: nodePlatform.files },
  });
  const [birds, rest] = [drawBirds(1), drawBirds(2).filter((_, i) => i % 2 === 1)];
  const rows = [
    ...birds.map((bird, i) => ({ bird, caption: bird.captions[i]!, split: "train" })),
    { bird: rest[0]!, caption: rest[0]!.captions[0]!, split: "validation" },
  ];
  for (const { bird } of rows)
    await writeFile(join(inputs.pictures, `${bird.name}.jpg`), await birdJpeg(bird));
  const line = ({ bird, caption, split }: (typeof rows)[number]) =>
    `${JSON.stringify({ file: `${bird.name}.jpg`, caption, split })}\n`;
  await writeFile(join(inputs.pictures, "captions.jsonl"), rows.map(line).join(""));
  const lessons = rows
    .filter(({ split }) => split === "train")
    .map(({ bird, caption }) => ({
      file: join(inputs.pictures, `${bird.name}.jpg`),
      caption: words.decode(words.encode(caption)),
    }));
  const length = 1 + Math.max(...rows.map(({ caption }) => words.encode(caption).length));

  const shape = [words.vocabularySize, dim];
  const table = normal(0.01)(shape, 1, "token_embedding.weight");
  await writeFile(
    inputs.clip,
    encodeSafetensors(new Map([["token_embedding.weight", { dtype: "F32", shape, data: table }]])),
  );

  const vqgan = new Vqgan(gpu, vqganShape, 256);
  vqgan.initialise(1);
  await writeTokenizerFolder(
    nodePlatform.files,
    { folder: inputs.tokenizer, kind: "vqgan", settings: settingsOfShape(vqganShape), imageSize: 256 },
    await readWeights(vqgan),
    { weights: "random" },
  );
  vqgan.dispose();
  return { ...inputs, lessons, length };
}
